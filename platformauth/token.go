package platformauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// MaxTokenSize is the largest token, and the largest token file, in bytes that
// a [Store] accepts. The platform's own tokens are 43 bytes.
const MaxTokenSize = 4096

// What a [Store] reports. Test for them with [errors.Is].
var (
	// ErrNoToken: there is no token file, or nothing but white space in it.
	ErrNoToken = errors.New("no workspace token")
	// ErrInvalidToken: the file or the value cannot be a bearer token. The
	// value itself is never part of the error.
	ErrInvalidToken = errors.New("invalid workspace token")
	// ErrNotPersisted: a token could not be written to disk. It is kept in
	// memory; see [Store.Save].
	ErrNotPersisted = errors.New("workspace token is not on disk")
)

const redacted = "[redacted]"

// Token is a workspace's bearer token. Whatever prints or encodes it writes
// "[redacted]"; [Token.Reveal] gives the text.
//
// Go leaves three ways around that, so do not take them: fmt calls no methods
// on a Token in an unexported field of a struct, nor for the verb %p, and
// encoding/json writes the keys of a map as they are. Keep the [Store], not the
// Token.
type Token string

// Reveal returns the token itself, for the one place that sends it.
func (t Token) Reveal() string { return string(t) }

// String returns "[redacted]", or "" for the empty token.
func (t Token) String() string {
	if t == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (t Token) GoString() string { return t.String() }

// Format writes String for every verb, so that %x and %q cannot leak it.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue implements [slog.LogValuer].
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalJSON implements [json.Marshaler].
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// parse makes a Token of the content of a token file or of a value to save:
// surrounding white space is dropped, and what could not travel in a header
// (RFC 6750 section 2.1 allows a subset of visible ASCII) is refused.
func parse(raw string) (Token, error) {
	text := strings.TrimSpace(strings.TrimPrefix(raw, "\ufeff"))
	switch {
	case text == "":
		return "", ErrNoToken
	case len(text) > MaxTokenSize:
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrInvalidToken, len(text), MaxTokenSize)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			hint := ""
			if len(text) > len(bearer) && strings.EqualFold(text[:len(bearer)], bearer) {
				hint = `; possible: the whole header was stored, leave "Bearer " out`
			}
			return "", fmt.Errorf("%w: byte %d (%#02x) cannot stand in a header%s", ErrInvalidToken, i, c, hint)
		}
	}
	return Token(text), nil
}
