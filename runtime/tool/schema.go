package tool

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// inputSchema derives the schema of a tool's input. It is never nil, so that
// options have something to change even when the type is wrong.
func inputSchema(t reflect.Type) (*jsonschema.Schema, error) {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{})
	if err != nil {
		return &jsonschema.Schema{Type: "object"}, fmt.Errorf("its input %v has no schema: %w", t, err)
	}
	if s.Type != "object" {
		return &jsonschema.Schema{Type: "object"}, fmt.Errorf("its input %v is no object; use a struct", t)
	}
	withoutNull(s)
	return s, nil
}

// withoutNull leaves null out of the types. A model that reads it as a choice
// sends null, and what it means is that the field may be left out, which the
// schema says already; null itself is taken for that all the same.
func withoutNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Types = slices.DeleteFunc(s.Types, func(t string) bool { return t == "null" })
	if len(s.Types) == 1 {
		s.Type, s.Types = s.Types[0], nil
	}
	for _, p := range s.Properties {
		withoutNull(p)
	}
	withoutNull(s.Items)
	if s.AdditionalProperties != nil && !isFalse(s.AdditionalProperties) {
		withoutNull(s.AdditionalProperties)
	}
}

// isFalse reports whether a schema accepts nothing, as false does.
func isFalse(s *jsonschema.Schema) bool {
	return s != nil && s.Not != nil && reflect.DeepEqual(s.Not, &jsonschema.Schema{})
}

// outputSchema derives the schema of a tool's answer; nil for an answer that
// is text alone.
func outputSchema(t reflect.Type) (json.RawMessage, error) {
	if !structured(t) {
		return nil, nil
	}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{})
	if err != nil {
		return nil, fmt.Errorf("its answer %v has no schema: %w", t, err)
	}
	if len(s.Types) > 0 { // a pointer, which may be nil: the answer itself is never null
		s.Type, s.Types = "object", nil
	}
	if s.Type != "object" {
		return nil, fmt.Errorf("its answer %v is no object; use a struct, a map or a string", t)
	}
	return schemaJSON(s)
}

// structured reports whether an answer of this type is an object.
func structured(t reflect.Type) bool {
	if t == reflect.TypeFor[Result]() {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Map
}

// schemaJSON writes a schema. "properties" is there also when there are none:
// some vendors refuse a function without.
func schemaJSON(s *jsonschema.Schema) (json.RawMessage, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("its schema cannot be written: %w", err)
	}
	if s.Type == "object" && len(s.Properties) == 0 {
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("its schema cannot be written: %w", err)
		}
		fields["properties"] = map[string]any{}
		return json.Marshal(fields)
	}
	return raw, nil
}

// input is the schema of a tool's input.
type input struct{ schema *jsonschema.Schema }

// keywords are those of JSON Schema that [input.check] enforces, and those that
// demand nothing.
var keywords = []string{
	"type", "properties", "required", "additionalProperties", "items", "enum", "pattern", "minLength", "maxLength",
	"minimum", "maximum", "minItems", "maxItems",
	"title", "description", "default", "examples", "format", "deprecated", "$comment",
}

// faults finds what a schema asks for that would not be enforced: a rule that
// only looks like one is worse than none.
func faults(path string, s *jsonschema.Schema) []error {
	if s == nil || isFalse(s) {
		return nil
	}
	var all []error
	at := "its schema"
	if path != "" {
		at += " of " + path
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return []error{fmt.Errorf("%s cannot be written: %w", at, err)}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil // true: it accepts everything
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(keywords, key) {
			all = append(all, fmt.Errorf("%s has %q, which is not enforced here; check it in the function and return what Bad makes", at, key))
		}
	}
	if len(s.Types) > 1 {
		all = append(all, fmt.Errorf("%s has several types, which is not enforced here; use one", at))
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		all = append(all, fmt.Errorf("%s has a pattern that is wrong: %w", at, err))
	}
	for _, name := range s.Required {
		if s.Properties[name] == nil {
			all = append(all, fmt.Errorf("%s requires %q, which is none of its properties", at, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		all = append(all, faults(join(path, name), s.Properties[name])...)
	}
	return append(append(all, faults(path+"[]", s.Items)...), faults(join(path, "*"), s.AdditionalProperties)...)
}
