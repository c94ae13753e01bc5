package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Raw is a section of the file as it was written. It is printed as
// "[section]", since it may hold secrets.
type Raw struct {
	node  *yaml.Node
	name  string // of the file
	path  string // dotted key of the section
	lines *lines
}

// IsZero reports whether the section was not there.
func (r Raw) IsZero() bool { return r.node == nil }

// String returns "[section]", or "" when there is none.
func (r Raw) String() string {
	if r.IsZero() {
		return ""
	}
	return "[section]"
}

// GoString is String, for %#v.
func (r Raw) GoString() string { return r.String() }

// MarshalText is String, which also governs JSON.
func (r Raw) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Decode decodes the section into v, a pointer, as gopkg.in/yaml.v3 does. Keys
// that v does not have are left alone; without the section v keeps what it
// holds. The error wraps [ErrInvalid] and says for all values of a wrong type
// where they stand and what was expected, never what they are.
func (r Raw) Decode(v any) error {
	if to := reflect.ValueOf(v); to.Kind() != reflect.Pointer || to.IsNil() {
		return fmt.Errorf("config: decoding %s needs a pointer that is not nil, not %T", r.path, v)
	}
	if r.IsZero() {
		return nil
	}
	err := r.node.Decode(v)
	if err == nil {
		return nil
	}
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		// The text of another error may quote the value.
		return Report{r.problem(Error, r.node, r.path, "cannot be decoded into "+reflect.TypeOf(v).Elem().String(), "", err)}.Err()
	}
	var report Report
	for _, text := range types.Errors {
		report = append(report, r.mismatch(text))
	}
	return report.Err()
}

func (r Raw) problem(s Severity, n *yaml.Node, key, message, fix string, cause error) Problem {
	at := r.lines.parser(n.Line, n.Column)
	return Problem{Severity: s, Key: key, File: r.name, Line: at.line, Column: at.column, Message: message, Fix: fix, Cause: cause}
}

// wrongType is the parser's text for a value of the wrong type; it quotes the
// beginning of the value.
var wrongType = regexp.MustCompile("(?s)^line (\\d+): cannot unmarshal (\\S+)(?: `.*`)? into (.+)$")

// mismatch makes a problem of one of the parser's texts.
func (r Raw) mismatch(text string) Problem {
	m := wrongType.FindStringSubmatch(text)
	if m == nil {
		return r.problem(Error, r.node, r.path, "has a value that cannot be decoded", "", nil)
	}
	line, _ := strconv.Atoi(m[1])
	key, n := locate(r.node, r.path, line, m[2])
	if n == nil {
		key, n = r.path, r.node
	}
	return r.problem(Error, n, key, "is "+describe(n)+"; expected "+m[3], "write a value of that type", nil)
}

// locate finds the value that the parser means by a line and a tag.
func locate(n *yaml.Node, key string, line int, tag string) (string, *yaml.Node) {
	if n.Line == line && n.ShortTag() == tag && n.Kind != yaml.AliasNode {
		return key, n
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if at, found := locate(deref(n.Content[i+1]), join(key, deref(n.Content[i]).Value), line, tag); found != nil {
				return at, found
			}
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if at, found := locate(deref(item), key+"["+strconv.Itoa(i)+"]", line, tag); found != nil {
				return at, found
			}
		}
	}
	return "", nil
}
