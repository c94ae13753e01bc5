package config

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// position is a place in the file, both counted from 1, columns in characters.
// The zero position is unknown.
type position struct{ line, column int }

// lines converts between the line numbers of the YAML parser and those of an
// editor. They differ in files with the rare separators U+0085, U+2028 and
// U+2029, which YAML takes for line breaks and editors do not.
type lines struct {
	data   []byte
	yaml   []int // offset at which each of the parser's lines starts
	editor []int // the same for an editor's
}

func newLines(data []byte) *lines {
	l := &lines{data: data, yaml: []int{0}, editor: []int{0}}
	for i := 0; i < len(data); {
		size := 1
		switch c := data[i]; {
		case c == '\r' && i+1 < len(data) && data[i+1] == '\n':
			size = 2
			l.yaml = append(l.yaml, i+size)
			l.editor = append(l.editor, i+size)
		case c == '\n' || c == '\r':
			l.yaml = append(l.yaml, i+size)
			l.editor = append(l.editor, i+size)
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRune(data[i:])
			if r == 0x85 || r == 0x2028 || r == 0x2029 {
				l.yaml = append(l.yaml, i+size)
			}
		}
		i += size
	}
	return l
}

// at returns the position of a byte offset.
func (l *lines) at(offset int) position {
	offset = min(max(offset, 0), len(l.data))
	line := sort.SearchInts(l.editor, offset+1) // the number of lines begun by then
	return position{line, 1 + utf8.RuneCount(l.data[l.editor[line-1]:offset])}
}

// parser converts a position as the YAML parser counts. One that is out of the
// file, which a parser that counts wrongly could give, is moved to its nearest
// place in it.
func (l *lines) parser(line, column int) position {
	line = min(max(line, 1), len(l.yaml))
	offset := l.yaml[line-1]
	rest := l.text(line)
	for ; column > 1 && len(rest) > 0; column-- {
		_, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		offset += size
	}
	return l.at(offset)
}

// text returns one of the parser's lines without its break.
func (l *lines) text(line int) []byte {
	end := len(l.data)
	if line < len(l.yaml) {
		end = l.yaml[line]
	}
	return bytes.TrimRight(l.data[l.yaml[line-1]:end], "\r\n\u0085\u2028\u2029")
}
