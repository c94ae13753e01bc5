package config

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// UnknownRuntimeKeys reports, as warnings, the keys of runtime_config that
// neither the library nor v, a pointer to the adapter's struct, knows, also in
// the structs below v. What decodes itself, and maps, know every key.
//
// An adapter calls it beside [Config.DecodeRuntime] so that a misspelt option
// is not silently without effect.
func (c *Config) UnknownRuntimeKeys(v any) Report {
	raw := c.RuntimeConfig.Raw
	t := reflect.TypeOf(v)
	if raw.IsZero() || t == nil {
		return nil
	}
	// What every adapter may have: the library's keys, and the list of models
	// that the platform's user interface shows.
	shared := map[string]reflect.Type{"models": nil}
	for key := range c.RuntimeConfig.fields() {
		shared[key] = nil
	}
	u := unknown{raw: raw}
	u.walk(raw.node, t, raw.path, shared)
	return u.report
}

// unknown compares a section with the type it is decoded into.
type unknown struct {
	raw    Raw
	report Report
}

// walk looks for keys of n that t does not have. A nil type has them all.
func (u *unknown) walk(n *yaml.Node, t reflect.Type, path string, shared map[string]reflect.Type) {
	n = deref(n)
	for t != nil && t.Kind() == reflect.Pointer && !decodesItself(t) {
		t = t.Elem()
	}
	if t == nil || decodesItself(t) {
		return
	}
	switch {
	case n.Kind == yaml.SequenceNode && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		for i, item := range n.Content {
			u.walk(item, t.Elem(), path+"["+strconv.Itoa(i)+"]", nil)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			u.walk(n.Content[i+1], t.Elem(), join(path, deref(n.Content[i]).Value), nil)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		known := map[string]reflect.Type{}
		maps.Copy(known, shared)
		if !fieldsOf(t, known) {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			u.key(n.Content[i], n.Content[i+1], path, known)
		}
	}
}

func (u *unknown) key(key, value *yaml.Node, path string, known map[string]reflect.Type) {
	name := deref(key)
	if name.ShortTag() == "!!merge" {
		return
	}
	if t, ok := known[name.Value]; ok {
		u.walk(value, t, join(path, name.Value), nil)
		return
	}
	fix := "remove it; nothing reads it"
	if near := nearest(name.Value, slices.Sorted(maps.Keys(known)), mistake); near != "" {
		fix = "did you mean " + near + "?"
	}
	u.report = append(u.report, u.raw.problem(Warning, key, join(path, name.Value), "unknown key", fix, nil))
}

var (
	yamlUnmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodesItself says that only the type knows its keys.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(yamlUnmarshaler) || p.Implements(textUnmarshaler) ||
		t.Implements(yamlUnmarshaler) || t.Implements(textUnmarshaler)
}

// fieldsOf adds the keys that gopkg.in/yaml.v3 reads into a struct. It returns
// false when the struct takes any key.
func fieldsOf(t reflect.Type, into map[string]reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		if tag == "" && !strings.Contains(string(f.Tag), ":") {
			tag = string(f.Tag) // the whole tag, in the old style
		}
		name, flags, _ := strings.Cut(tag, ",")
		switch {
		case !f.IsExported() && !f.Anonymous, name == "-":
		case slices.Contains(strings.Split(flags, ","), "inline"):
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() != reflect.Struct || decodesItself(inner) || !fieldsOf(inner, into) {
				return false
			}
		case name != "":
			into[name] = f.Type
		default:
			into[strings.ToLower(f.Name)] = f.Type
		}
	}
	return true
}
