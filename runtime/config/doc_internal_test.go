package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documented reads the table of keys in the package comment: key -> whether it
// has a star.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "//\tkey  ")
	table, _, ok := strings.Cut(table, "//\n")
	if !ok {
		t.Fatal("doc.go has no table of keys")
	}
	keys := make(map[string]bool)
	for _, line := range strings.Split(table, "\n")[1:] {
		rest, ok := strings.CutPrefix(line, "//\t")
		if !ok || strings.HasPrefix(rest, " ") {
			continue // the rest of the line above
		}
		words := strings.Fields(rest)
		keys[words[0]] = words[1] == "*"
	}
	return keys
}

func TestTheTableOfKeysIsComplete(t *testing.T) {
	sections := []string{"runtime_config", "a2a", "delegation", "sandbox", "rbac", "hitl", "governance", "compliance"}
	var want []string
	for key := range Default().fields() {
		if !slices.Contains(sections, key) {
			want = append(want, key)
		}
	}
	want = append(want, nestedKeys...)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(documented(t)))); diff != "" {
		t.Errorf("keys (-read +documented):\n%s", diff)
	}
}

func TestEveryDocumentedKeyIsKnown(t *testing.T) {
	for key := range documented(t) {
		section, name, nested := strings.Cut(key, ".")
		text := key + ": null\n"
		if nested {
			text = section + ": {" + name + ": null}\n"
		}
		if _, report, _ := Parse([]byte(text), "f", nil); len(report) > 0 {
			t.Errorf("%s: %s", key, report)
		}
	}
}

// A star in the table and the warning of a key without effect go together.
func TestTheStarsOfTheTableAreRight(t *testing.T) {
	for key, star := range documented(t) {
		top, _, _ := strings.Cut(key, ".")
		table := withoutEffect(Default())
		_, whole := table[top]
		_, alone := table[key]
		if star != (whole || alone) {
			t.Errorf("%s: the table has a star: %v; it is without effect: %v", key, star, whole || alone)
		}
	}
}
