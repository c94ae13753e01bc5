package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxFileSize is the size in bytes up to which config.yaml and the prompt files
// it names are read. A bigger file is an error, not a short read.
const MaxFileSize = 1 << 20

// readable checks what the YAML parser would refuse without saying where: it
// returns the text to parse, or the offset of the first wrong byte with what is
// wrong and what to do.
func readable(data []byte) (text []byte, offset int, message, fix string) {
	if bytes.HasPrefix(data, []byte{0xFE, 0xFF}) || bytes.HasPrefix(data, []byte{0xFF, 0xFE}) {
		return nil, 0, "the file is UTF-16", "save it as UTF-8"
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == 0:
			return data, i, "the file contains a NUL byte", "it is damaged or not a text file; save it again as UTF-8 text"
		case r == utf8.RuneError && size == 1:
			return data, i, "the file is not UTF-8", "save it as UTF-8"
		case !printable(r):
			return data, i, fmt.Sprintf("the file contains the control character U+%04X", r), "remove it, or write it as an escape in double quotes"
		}
		i += size
	}
	return data, -1, "", ""
}

// printable says what YAML allows in a file.
func printable(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0x7E, r == 0x85:
		return true
	case r >= 0xA0 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
		return true
	}
	return false
}

// errMoreDocuments is a second document in the file.
var errMoreDocuments = errors.New("the file holds more than one YAML document")

// document parses the one YAML document of a file. It returns nil for a file
// without any. Aliases are not expanded here, so that the size of the tree is
// bounded by the size of the file.
func document(text []byte) (root *yaml.Node, err error) {
	// The parser is somebody else's and the file a stranger's: a fault of the
	// one on the other must not take the workspace down.
	defer func() {
		if v := recover(); v != nil {
			root, err = nil, fmt.Errorf("the YAML parser failed: %v", v)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&second); err == nil {
		return &second, errMoreDocuments
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// lineInError is where the parser says it noticed: often the beginning of the
// block the fault is in, sometimes one line off, sometimes nothing.
var lineInError = regexp.MustCompile(`^(yaml: )?(line \d+: )?`)

func withoutLine(err error) string {
	if err == nil {
		return ""
	}
	return lineInError.ReplaceAllString(err.Error(), "")
}

// syntax turns the parser's error into a problem. Since its line cannot be
// relied on and it names no column, the place is found by parsing: it is the
// last character of the shortest beginning of the file that has the same fault.
func (r *reader) syntax(text []byte, err error) {
	message := withoutLine(err)
	end := sort.Search(len(text), func(n int) bool {
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++ // half a character would be another fault
		}
		_, err := document(text[:n])
		return withoutLine(err) == message
	})
	_, size := utf8.DecodeLastRune(text[:end])
	offset := end - size

	fix := "look for wrong indentation, a missing quote or a missing colon here or on the line before"
	switch {
	case strings.Contains(message, "tab character"), strings.Contains(message, "cannot start any token"):
		fix = "put the value in quotes"
		if tab, ok := indentingTab(text, offset); ok {
			offset, fix = tab, "indent with spaces: YAML does not allow tabs there"
		}
	case strings.Contains(message, "mapping values are not allowed"):
		fix = "put a value that contains a colon and a space in quotes, and check the indentation"
	case strings.Contains(message, "unknown anchor"):
		message = "an alias (*name) to an anchor that does not exist" // not its name: a value may begin with *
		fix = "define the anchor (&name) above, or put a value that begins with * in quotes"
	case strings.Contains(message, "max depth"):
		fix = "flatten it"
	case strings.Contains(message, "unexpected end of stream"), strings.Contains(message, "expected ',' or"):
		fix = "close the quote or the bracket that is open here"
	}
	at := r.lines.at(offset)
	r.add(Problem{Severity: Error, Line: at.line, Column: at.column, Message: "not valid YAML: " + message, Fix: fix})
}

// indentingTab finds a tab in the white space that begins the line of offset.
func indentingTab(text []byte, offset int) (int, bool) {
	start := 1 + bytes.LastIndexAny(text[:offset], "\r\n")
	for i := start; i < len(text) && (text[i] == ' ' || text[i] == '\t'); i++ {
		if text[i] == '\t' {
			return i, true
		}
	}
	return 0, false
}
