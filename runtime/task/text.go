package task

import (
	"strings"
	"unicode/utf8"
)

// textTail keeps the beginning of a character whose end is still to be
// written. Models stream tokens, not characters, and JSON has no way to carry
// half a one: without this every split character would reach the caller as
// two replacement characters.
type textTail struct {
	bytes [utf8.UTFMax - 1]byte
	n     int
}

// write appends the whole characters of what was kept and p to dst, and keeps
// the rest. Bytes that are no UTF-8 become U+FFFD, one each, as encoding/json
// would do; what comes out does not depend on how the text was cut.
func (t *textTail) write(dst *strings.Builder, p []byte) {
	if t.n > 0 {
		p = append(t.bytes[:t.n:t.n], p...)
		t.n = 0
	}
	whole := wholeRunes(p)
	t.n = copy(t.bytes[:], p[whole:])
	writeValid(dst, p[:whole])
}

// flush appends what was kept: no more will come.
func (t *textTail) flush(dst *strings.Builder) {
	writeValid(dst, t.bytes[:t.n])
	t.n = 0
}

// wholeRunes is the length of p without an unfinished character at its end.
func wholeRunes(p []byte) int {
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				break
			}
			return i
		}
	}
	return len(p)
}

func writeValid(dst *strings.Builder, p []byte) {
	if utf8.Valid(p) {
		dst.Write(p)
		return
	}
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		dst.WriteRune(r)
		p = p[size:]
	}
}

// preview cuts s to at most n characters and takes out what a database cannot
// store as text.
func preview(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\x00", "")
	for i := range s {
		if n == 0 {
			return strings.Clone(s[:i])
		}
		n--
	}
	return s
}
