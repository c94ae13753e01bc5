package config

import (
	"fmt"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Limits of the tree once its aliases are followed. A real configuration has
// some hundred nodes; a few lines of aliases to aliases make billions.
const (
	maxNodes = 100_000
	maxDepth = 64
)

// tree checks what holds for every part of the file, also for those only the
// adapter reads: keys are texts and come once, no foreign tags, and the aliases
// end somewhere.
type tree struct {
	*reader
	nodes   int
	above   map[*yaml.Node]bool // the nodes between the root and here
	stopped bool
}

// sound says whether the tree can be walked; it has reported why not.
func (r *reader) sound(root *yaml.Node) bool {
	t := &tree{reader: r, above: make(map[*yaml.Node]bool)}
	t.walk(root, "", 0, false)
	return !t.stopped
}

// stop reports a fault that makes the rest of the file unreadable.
func (t *tree) stop(n *yaml.Node, key, message, fix string) {
	if !t.stopped {
		t.stopped = true
		t.fault(n, key, message, fix)
	}
}

// walk visits n. aliased says that the way here went through an alias: then the
// faults of a single node have been reported where it stands.
func (t *tree) walk(n *yaml.Node, key string, depth int, aliased bool) {
	if t.nodes++; t.nodes > maxNodes {
		t.stop(n, key, fmt.Sprintf("the file has more than %d values once its aliases are followed", maxNodes), "write the values out instead of nesting aliases")
	} else if depth > maxDepth {
		t.stop(n, key, fmt.Sprintf("nested deeper than %d levels", maxDepth), "flatten it")
	}
	if t.stopped {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias == nil || t.above[n.Alias] {
			t.stop(n, key, "the anchor "+quote(n.Value)+" contains itself", "point the alias at a value outside")
			return
		}
		t.walk(n.Alias, key, depth+1, true)
	case yaml.ScalarNode:
		if !aliased && !scalarTag(n.ShortTag()) {
			t.foreign(n, key)
		}
	case yaml.SequenceNode:
		if !aliased && n.ShortTag() != "!!seq" {
			t.foreign(n, key)
		}
		t.above[n] = true
		for i, item := range n.Content {
			t.walk(item, key+"["+strconv.Itoa(i)+"]", depth+1, aliased)
		}
		delete(t.above, n)
	case yaml.MappingNode:
		if !aliased {
			if n.ShortTag() != "!!map" {
				t.foreign(n, key)
			}
			t.unique(n, key)
		}
		t.above[n] = true
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			t.walk(name, key, depth+1, aliased)
			t.walk(value, join(key, deref(name).Value), depth+1, aliased)
		}
		delete(t.above, n)
	}
}

// unique reports keys that come twice, where the later one would win silently,
// and keys that are no texts.
func (t *tree) unique(n *yaml.Node, key string) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := deref(n.Content[i])
		if t.full() {
			return
		}
		if name.Kind != yaml.ScalarNode {
			t.fault(n.Content[i], key, "a key is "+describe(name), "keys are plain texts; put a text that begins with { or [ in quotes")
			continue
		}
		if before, ok := first[name.Value]; ok {
			at := t.lines.parser(before.Line, before.Column)
			t.fault(n.Content[i], join(key, name.Value), fmt.Sprintf("set twice, first on line %d", at.line), "remove one of the two")
			continue
		}
		first[name.Value] = n.Content[i]
	}
}

func (t *tree) foreign(n *yaml.Node, key string) {
	// Without the tag: a value that begins with ! is taken for one.
	t.fault(n, key, "a tag (!name) is not supported here", "write the value without a tag, or in quotes if it begins with !")
}

func scalarTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
		return true
	}
	return false
}

// deref follows an alias. Chains of aliases do not exist in YAML.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// plainKey is a key that can be printed as it is.
var plainKey = regexp.MustCompile(`^[\w./|@:+-]{1,80}$`)

// join appends a key to a dotted path.
func join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
