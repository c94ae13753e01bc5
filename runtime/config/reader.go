package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
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
	known  []string // every dotted key there is, for guesses
}

// maxProblems bounds the report on a file that is no configuration at all.
const maxProblems = 200

func (r *reader) add(p Problem) {
	if p.Line > 0 {
		p.File = r.name
	}
	switch {
	case len(r.report) < maxProblems:
	case len(r.report) == maxProblems:
		p.Severity, p.Key = Error, ""
		p.Message = fmt.Sprintf("there are more than %d problems; the rest is left out", maxProblems)
		p.Fix = "see whether this is the right file"
	default:
		return
	}
	r.report = append(r.report, p)
}

// warnOf warns of a key that has been read.
func (r *reader) warnOf(key, message, fix string) {
	at := r.keys[key]
	r.add(Problem{Severity: Warning, Key: key, Line: at.line, Column: at.column, Message: message, Fix: fix})
}

// full says that there is no room for another problem.
func (r *reader) full() bool { return len(r.report) > maxProblems }

func (r *reader) fault(n *yaml.Node, key, message, fix string) {
	r.problem(Error, n, key, message, fix)
}

func (r *reader) problem(s Severity, n *yaml.Node, key, message, fix string) {
	if r.full() {
		return // finding the place costs time on a long line
	}
	at := r.lines.parser(n.Line, n.Column)
	r.add(Problem{Severity: s, Key: key, Line: at.line, Column: at.column, Message: message, Fix: fix})
}

// raw keeps a map as it was written.
func (r *reader) raw(n *yaml.Node, path string) Raw {
	return Raw{node: n, name: r.name, path: path, lines: r.lines}
}

// field reads one value; key is its dotted path.
type field func(r *reader, n *yaml.Node, key string)

// anyKey among the quiet keys of a section stands for all.
const anyKey = "*"

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
		case slices.Contains(quiet, name.Value), slices.Contains(quiet, anyKey), r.full():
		default:
			fix := "remove it; nothing reads it"
			if guess := r.guess(name.Value, fields); guess != "" {
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
			fix := "use one of " + list(options)
			if guess := nearest(s, options, mistake); guess != "" {
				fix += "; did you mean " + guess + "?"
			}
			r.fault(n, key, "is not one of the known values", fix)
			return
		}
		*into = s
	}
}

// flag is true or false, also as older YAML writes it.
func flag(into *bool) field {
	return func(r *reader, n *yaml.Node, key string) {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			*into = true
		case "false", "no", "off":
			*into = false
		default:
			r.fault(n, key, "is "+describe(n)+"; expected true or false", "write true or false")
		}
	}
}

// number takes a number as YAML knows them, and a decimal one in quotes.
func number(n *yaml.Node) (float64, bool) {
	var v float64
	switch {
	case n.Kind != yaml.ScalarNode:
		return 0, false
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		if n.Decode(&v) != nil {
			return 0, false
		}
	case n.ShortTag() == "!!str" && strings.Trim(n.Value, "+-.0123456789") == "":
		var err error
		if v, err = strconv.ParseFloat(n.Value, 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// whole is an integer between least and most.
func whole(into *int, least, most int) field {
	return func(r *reader, n *yaml.Node, key string) {
		fix := fmt.Sprintf("write a number from %d to %d", least, most)
		if most == math.MaxInt32 {
			fix = fmt.Sprintf("write a number that is %d or more", least)
		}
		switch v, ok := number(n); {
		case !ok:
			r.fault(n, key, "is "+describe(n)+"; expected a whole number", fix)
		case v != math.Trunc(v):
			r.fault(n, key, "is a fraction; expected a whole number", fix)
		case v < float64(least) || v > float64(most):
			r.fault(n, key, fmt.Sprintf("%.15g is out of range", v), fix)
		default:
			*into = int(v)
		}
	}
}

// longest is the most a duration in the file may be: a year.
const longest = 366 * 24 * time.Hour

// seconds is a duration in seconds, with a fraction where wanted.
func seconds(into *time.Duration, least time.Duration) field {
	return func(r *reader, n *yaml.Node, key string) {
		switch v, ok := number(n); {
		case !ok:
			fix := "write the seconds as a number without a unit, such as 30"
			if d, err := time.ParseDuration(n.Value); err == nil {
				fix = "write " + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + ", without a unit"
			}
			r.fault(n, key, "is "+describe(n)+"; expected a number of seconds", fix)
		case v < least.Seconds() || v > longest.Seconds():
			r.fault(n, key, fmt.Sprintf("%.15g is out of range", v), fmt.Sprintf("write a number of seconds from %.15g to %.0f", least.Seconds(), longest.Seconds()))
		default:
			*into = time.Duration(v * float64(time.Second))
		}
	}
}

// texts is a list of texts. One text alone is no list: read letter by letter it
// would be many, and nobody would see why nothing matches.
//
// check, if any, looks at each entry.
func texts(into *[]string, check field) field {
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
			if item.Kind != yaml.ScalarNode {
				r.fault(item, at, "is "+describe(item)+"; expected a text", "write one value per entry, in quotes if it begins with { or [")
				continue
			}
			faults := len(r.report)
			if check != nil {
				check(r, item, at)
			}
			if len(r.report) == faults { // what was refused is shown nowhere again
				out = append(out, item.Value)
			}
		}
		*into = out
	}
}

// group reads a map with known keys as one value.
func group(fields map[string]field, quiet ...string) field {
	return func(r *reader, n *yaml.Node, key string) { r.section(n, key, fields, quiet...) }
}

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
	case "!!timestamp":
		return "a date"
	}
	return "a text"
}

// quote writes a name, of a file or a key, so that it stays on its line.
func quote(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "..."
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
