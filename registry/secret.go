package registry

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a token that the platform has just issued. It is shown once, ever,
// so save it before anything else. Whatever prints or encodes it writes
// "[redacted]"; [Secret.Reveal] gives the text.
type Secret string

// Reveal returns the token itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or "" for the empty Secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler], which also governs JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
