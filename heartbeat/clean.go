package heartbeat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a text acceptable to the platform: valid UTF-8, no control
// characters (a NUL is answered 500), no blanks around it, at most limit
// characters, the last three of them dots when it was cut.
func clean(s string, limit int) string {
	// A stranger's text can be megabytes long: look at no more than can matter.
	const slack = 64
	if most := (limit + slack) * utf8.UTFMax; len(s) > most {
		s = s[:most]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return string(runes[:limit-3]) + "..."
}
