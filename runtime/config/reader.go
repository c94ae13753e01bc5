package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// reader walks the file and fills a Config. It goes on after a fault, so that
// all of them are reported at once.
type reader struct {
	name   string
	lines  *lines
	report Report
	keys   map[string]position
}

func (r *reader) add(p Problem) {
	p.File = r.name
	r.report = append(r.report, p)
}

func (r *reader) fault(n *yaml.Node, key, message, fix string) {
	r.problem(Error, n, key, message, fix)
}

func (r *reader) problem(s Severity, n *yaml.Node, key, message, fix string) {
	at := r.lines.parser(n.Line, n.Column)
	r.add(Problem{Severity: s, Key: key, Line: at.line, Column: at.column, Message: message, Fix: fix})
}

// field reads one value; key is its dotted path.
type field func(r *reader, n *yaml.Node, key string)

// section reads a map with known keys. What is not among them is a warning,
// with the known key it looks like; quiet keys belong to somebody else.
func (r *reader) section(n *yaml.Node, path string, fields map[string]field, quiet ...string) {
	n = deref(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "is "+describe(n)+"; expected a map of keys and values", "write the keys below it, each on a line of its own and indented")
		return
	}
	r.merge(n, path, fields, quiet)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := deref(n.Content[i]), deref(n.Content[i+1])
		if name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge" {
			continue // what is no text is reported with the tree
		}
		key := join(path, name.Value)
		read, known := fields[name.Value]
		switch {
		case known && isNull(value): // as if it were not there
		case known:
			r.keys[key] = r.lines.parser(n.Content[i].Line, n.Content[i].Column)
			read(r, value, key)
		case slices.Contains(quiet, name.Value):
		default:
			fix := "remove it; nothing reads it"
			if guess := closest(name.Value, fields); guess != "" {
				fix = "did you mean " + guess + "?"
			}
			r.problem(Warning, n.Content[i], key, "unknown key", fix)
		}
	}
}

// merge reads what a merge key (<<) brings in, before the map's own keys so
// that these win; of several maps the first does.
func (r *reader) merge(n *yaml.Node, path string, fields map[string]field, quiet []string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if deref(n.Content[i]).ShortTag() != "!!merge" {
			continue
		}
		bases := []*yaml.Node{n.Content[i+1]}
		if b := deref(n.Content[i+1]); b.Kind == yaml.SequenceNode {
			bases = b.Content
		}
		for _, b := range slices.Backward(bases) {
			r.section(b, path, fields, quiet...)
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// text takes a scalar as it is written: version: 1.0 is the text "1.0".
func text(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		if n.Kind != yaml.ScalarNode {
			r.fault(n, key, "is "+describe(n)+"; expected a text", "write one value, in quotes if it begins with { or [")
			return
		}
		*into = n.Value
	}
}

// choice is a text out of a few. An empty one is the default unless it is among
// them.
func choice(into *string, options ...string) field {
	return func(r *reader, n *yaml.Node, key string) {
		var s string
		text(&s)(r, n, key)
		if n.Kind != yaml.ScalarNode {
			return
		}
		if !slices.Contains(options, s) {
			r.fault(n, key, "is not one of the known values", "use one of "+list(options))
			return
		}
		*into = s
	}
}

// flag is true or false, also as older YAML writes it.
func flag(into *bool) field {
	return func(r *reader, n *yaml.Node, key string) {
		switch n.Value {
		case "true", "True", "TRUE", "yes", "Yes", "on", "On":
			*into = true
		case "false", "False", "FALSE", "no", "No", "off", "Off":
			*into = false
		default:
			r.fault(n, key, "is "+describe(n)+"; expected true or false", "write true or false, without quotes")
		}
	}
}

// whole is an integer between least and most.
func whole(into *int, least, most int) field {
	return func(r *reader, n *yaml.Node, key string) {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.fault(n, key, "is "+describe(n)+"; expected a whole number", fmt.Sprintf("write a number from %d to %d", least, most))
			return
		}
		if v < least || v > most {
			r.fault(n, key, "is out of range", fmt.Sprintf("write a number from %d to %d", least, most))
			return
		}
		*into = v
	}
}

// seconds is a duration in seconds, with a fraction where wanted.
func seconds(into *time.Duration) field {
	return func(r *reader, n *yaml.Node, key string) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(v) {
			r.fault(n, key, "is "+describe(n)+"; expected a number of seconds", "write the seconds as a number without a unit, such as 30")
			return
		}
		const most = 366 * 24 * 3600
		if v < 0 || v > most {
			r.fault(n, key, "is out of range", fmt.Sprintf("write a number of seconds from 0 to %d", most))
			return
		}
		*into = time.Duration(v * float64(time.Second))
	}
}

// texts is a list of texts. One text alone is no list: read letter by letter it
// would be many, and nobody would see why nothing matches.
func texts(into *[]string) field {
	return func(r *reader, n *yaml.Node, key string) {
		if n.Kind != yaml.SequenceNode {
			fix := "write it as a list: one entry per line, each after a dash"
			if n.Kind == yaml.ScalarNode {
				fix = "put it in brackets, [like this], or on a line of its own after a dash"
			}
			r.fault(n, key, "is "+describe(n)+"; expected a list", fix)
			return
		}
		out := []string{}
		for i, item := range n.Content {
			item = deref(item)
			at := key + "[" + strconv.Itoa(i) + "]"
			if isNull(item) {
				r.problem(Warning, item, at, "is empty and left out", "remove it")
				continue
			}
			var s string
			text(&s)(r, item, at)
			if s != "" {
				out = append(out, s)
			}
		}
		*into = out
	}
}

// group reads a map with known keys as one value.
func group(fields map[string]field, quiet ...string) field {
	return func(r *reader, n *yaml.Node, key string) { r.section(n, key, fields, quiet...) }
}

// ignored is a key that the library knows and does not read.
func ignored(*reader, *yaml.Node, string) {}

// describe names what a node is, without its content: it might be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	}
	return "a text"
}

func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.Quote(s)
}

func list(options []string) string {
	out := ""
	for i, o := range options {
		switch {
		case i > 0 && i == len(options)-1:
			out += " and "
		case i > 0:
			out += ", "
		}
		if o == "" {
			o = `""`
		}
		out += o
	}
	return out
}
