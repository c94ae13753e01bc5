package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Raw is a section of the file as it was written. It is printed as
// "[section]", since it may hold secrets.
type Raw struct {
	node *yaml.Node
	name string // of the file
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
// holds. The error wraps [ErrInvalid] and names lines and types, never a value.
func (r Raw) Decode(v any) error {
	if r.IsZero() {
		return nil
	}
	err := r.node.Decode(v)
	if err == nil {
		return nil
	}
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		return fmt.Errorf("%s: %w: the section cannot be decoded", r.name, ErrInvalid)
	}
	lines := make([]string, len(types.Errors))
	for i, text := range types.Errors {
		lines[i] = quoted.ReplaceAllString(text, "the value")
	}
	return fmt.Errorf("%s: %w: %s", r.name, ErrInvalid, strings.Join(lines, "; "))
}

// quoted finds the value in the parser's texts, such as
// "line 3: cannot unmarshal !!str `secret` into int".
var quoted = regexp.MustCompile("(?s)`.*?`")

// UnknownRuntimeKeys reports, as warnings, the keys of runtime_config that
// neither the library nor v, a pointer to the adapter's struct, knows. A v that
// is no pointer to a struct knows them all.
func (c *Config) UnknownRuntimeKeys(v any) Report {
	raw := c.RuntimeConfig.Raw
	known := c.RuntimeConfig.fields()
	t := reflect.TypeOf(v)
	if raw.IsZero() || t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	if !yamlKeys(t.Elem(), known) {
		return nil
	}
	var report Report
	for i := 0; i+1 < len(raw.node.Content); i += 2 {
		name := deref(raw.node.Content[i])
		if _, ok := known[name.Value]; ok {
			continue
		}
		fix := "remove it; nothing reads it"
		if guess := closest(name.Value, known); guess != "" {
			fix = "did you mean " + guess + "?"
		}
		report = append(report, Problem{
			Severity: Warning, Key: join("runtime_config", name.Value), File: raw.name,
			Line: name.Line, Column: name.Column, Message: "unknown key", Fix: fix,
		})
	}
	return report
}

// yamlKeys adds the keys that gopkg.in/yaml.v3 reads into t. It returns false
// when t takes any key.
func yamlKeys(t reflect.Type, into map[string]field) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(flags, "inline"):
			if f.Type.Kind() != reflect.Struct || !yamlKeys(f.Type, into) {
				return false
			}
		case name != "":
			into[name] = ignored
		default:
			into[strings.ToLower(f.Name)] = ignored
		}
	}
	return true
}
