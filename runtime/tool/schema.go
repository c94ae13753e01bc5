package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
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

// input is the schema of a tool's input, made ready for checking.
type input struct {
	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
}

func (in *input) resolve() error {
	for _, name := range in.schema.Required {
		if in.schema.Properties[name] == nil {
			return errors.New("its schema requires " + name + ", which is none of its properties")
		}
	}
	var err error
	if in.resolved, err = in.schema.Resolve(nil); err != nil {
		return fmt.Errorf("its schema is wrong: %w", err)
	}
	return nil
}
