package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
)

// notBlank is the pattern of [NotBlank].
const notBlank = `\S`

// check reads and checks an input. It returns the input as the function gets
// it: null fields are left out, and no input at all is an empty one. Everything
// that is wrong is said at once, each with the field and what to do.
func (in *input) check(raw json.RawMessage) (json.RawMessage, error) {
	value := any(map[string]any{})
	if text := bytes.TrimSpace(raw); len(text) > 0 && !bytes.Equal(text, []byte("null")) {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&value); err != nil {
			return nil, Bad("", "is not JSON ("+err.Error()+")", "send one JSON object")
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, Bad("", "is more than one JSON value", "send one JSON object")
		}
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, Bad("", "is "+kind(value), "send a JSON object with "+known(in.schema))
	}
	dropNull(fields, in.schema)
	var c checker
	c.object("", fields, in.schema)
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	clean, err := json.Marshal(fields)
	if err != nil {
		return nil, Bad("", "cannot be read: "+err.Error(), "follow the tool's schema")
	}
	return clean, nil
}

// dropNull leaves out fields that are null: models send them for "nothing".
func dropNull(fields map[string]any, s *jsonschema.Schema) {
	for name, v := range fields {
		if v == nil && (s.Properties[name] != nil || isFalse(s.AdditionalProperties)) {
			delete(fields, name)
		} else if sub, ok := v.(map[string]any); ok && s.Properties[name] != nil {
			dropNull(sub, s.Properties[name])
		}
	}
}

// checker knows the keywords that Go types and this package's options make,
// and says what is wrong in words for a model.
type checker struct{ faults []error }

func (c *checker) bad(field, problem, remedy string) {
	c.faults = append(c.faults, Bad(field, problem, remedy))
}

func (c *checker) object(path string, fields map[string]any, s *jsonschema.Schema) {
	for _, name := range s.Required {
		if _, ok := fields[name]; !ok {
			c.bad(join(path, name), "is missing", "give it: "+describe(s.Properties[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch p := s.Properties[name]; {
		case p != nil:
			c.value(join(path, name), fields[name], p)
		case isFalse(s.AdditionalProperties):
			c.bad(join(path, name), "is not a field of this tool", "leave it out; the tool takes "+known(s))
		case s.AdditionalProperties != nil:
			c.value(join(path, name), fields[name], s.AdditionalProperties)
		}
	}
}

func (c *checker) value(path string, v any, s *jsonschema.Schema) {
	if s.Type != "" && !isA(v, s.Type) {
		c.bad(path, "is "+kind(v), "give "+describe(s))
		return
	}
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		c.bad(path, "is "+quote(v), "use one of "+choices(s.Enum))
		return
	}
	switch v := v.(type) {
	case string:
		c.text(path, v, s)
	case json.Number:
		c.number(path, v, s)
	case []any:
		if s.MinItems != nil && len(v) < *s.MinItems {
			c.bad(path, "has "+strconv.Itoa(len(v))+" entries", "give at least "+strconv.Itoa(*s.MinItems))
		}
		if s.MaxItems != nil && len(v) > *s.MaxItems {
			c.bad(path, "has "+strconv.Itoa(len(v))+" entries", "give at most "+strconv.Itoa(*s.MaxItems))
		}
		if s.Items != nil {
			for i, item := range v {
				c.value(path+"["+strconv.Itoa(i)+"]", item, s.Items)
			}
		}
	case map[string]any:
		c.object(path, v, s)
	}
}

func (c *checker) text(path, v string, s *jsonschema.Schema) {
	n := utf8.RuneCountInString(v)
	switch {
	case s.Pattern == notBlank && strings.TrimSpace(v) == "":
		c.bad(path, "is empty", "give "+describe(s))
	case s.MinLength != nil && n < *s.MinLength:
		c.bad(path, "has "+strconv.Itoa(n)+" characters", "give at least "+strconv.Itoa(*s.MinLength))
	case s.MaxLength != nil && n > *s.MaxLength:
		c.bad(path, "has "+strconv.Itoa(n)+" characters", "give at most "+strconv.Itoa(*s.MaxLength))
	case s.Pattern != "" && s.Pattern != notBlank:
		if re, err := regexp.Compile(s.Pattern); err == nil && !re.MatchString(v) {
			c.bad(path, "is "+quote(v), "give "+describe(s)+", matching "+s.Pattern)
		}
	}
}

func (c *checker) number(path string, v json.Number, s *jsonschema.Schema) {
	f, err := v.Float64()
	if err != nil {
		c.bad(path, "is a number out of range", "give "+describe(s))
		return
	}
	switch {
	case s.Minimum != nil && f < *s.Minimum:
		c.bad(path, "is "+v.String(), "give at least "+strconv.FormatFloat(*s.Minimum, 'g', -1, 64))
	case s.Maximum != nil && f > *s.Maximum:
		c.bad(path, "is "+v.String(), "give at most "+strconv.FormatFloat(*s.Maximum, 'g', -1, 64))
	}
}

func isA(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case json.Number:
		if want == "integer" {
			// 3.0 is an integer to JSON Schema, and none to Go.
			return !strings.ContainsAny(v.String(), ".eE")
		}
		return want == "number"
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return want == "null"
}

func kind(v any) string {
	switch v := v.(type) {
	case string:
		return "the text " + quote(v)
	case bool:
		return "a boolean"
	case json.Number:
		return "the number " + v.String()
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "null"
}

// describe is what a field wants, for the end of "give ...".
func describe(s *jsonschema.Schema) string {
	if s == nil {
		return "a value"
	}
	what, ok := map[string]string{
		"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
		"array": "a list", "object": "an object",
	}[s.Type]
	if !ok {
		what = "a value"
	}
	if s.Type == "array" && s.Items != nil && s.Items.Type == "string" {
		what = "a list of texts"
	}
	if len(s.Enum) > 0 {
		what = "one of " + choices(s.Enum)
	}
	if s.Description != "" {
		what += " (" + s.Description + ")"
	}
	return what
}

// known lists the fields of an object.
func known(s *jsonschema.Schema) string {
	fields := s.PropertyOrder
	if len(fields) == 0 {
		fields = slices.Sorted(maps.Keys(s.Properties))
	}
	switch len(fields) {
	case 0:
		return "no field at all"
	case 1:
		return "the field " + fields[0]
	}
	last := len(fields) - 1
	return "the fields " + strings.Join(fields[:last], ", ") + " and " + fields[last]
}

func choices(values []any) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, quote(v))
	}
	return b.String()
}

// quote shows a value a model has sent, at most its beginning.
func quote(v any) string {
	s, ok := v.(string)
	if !ok {
		s = fmt.Sprint(v)
	}
	const most = 60
	if r := []rune(s[:min(len(s), 4*most)]); len(r) > most {
		s = string(r[:most]) + "..."
	} else {
		s = string(r)
	}
	if !ok {
		return s
	}
	return strconv.Quote(s)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
