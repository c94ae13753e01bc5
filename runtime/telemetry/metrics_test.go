package telemetry_test

import (
	"context"

	"maps"
	"net/http"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// table is the table of metrics in the documentation of the package.
func table(t *testing.T) map[string]measured {
	t.Helper()
	raw, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]measured{}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.TrimPrefix(line, "//"), "|")
		if len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "name" {
			continue
		}
		row := measured{kind: cells[1], unit: cells[2]}
		if cells[3] != "" {
			row.attributes = strings.Fields(cells[3])
		}
		rows[cells[0]] = row
	}
	if len(rows) == 0 {
		t.Fatal("there is no table in doc.go")
	}
	return rows
}

// Everything that the table promises arrives, as it says, and nothing else.
func TestEveryMetricOfTheTableArrives(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	p := registrytest.NewPlatform(t)
	var ws *runtime.Workspace
	w := live(t, p, here, &counted{ws: &ws})
	// One call meets a 401 for which there is no other token.
	p.Fail(registrytest.To(http.MethodPost, "/workspaces/"+here+"/notify"), registrytest.Fault{Status: http.StatusUnauthorized})
	say(t, p, here, "hello", nil)
	want := table(t)
	if goruntime.GOOS != "linux" {
		delete(want, "process.memory.usage")
	}
	arrived := func() map[string]measured {
		c.mu.Lock()
		defer c.mu.Unlock()
		return maps.Clone(c.metrics)
	}
	until(t, "heartbeat.age", func() bool { _, ok := arrived()["workspace.heartbeat.age"]; return ok })
	w.end()
	got := arrived()
	for name, row := range want {
		m, ok := got[name]
		if !ok {
			t.Errorf("%s does not arrive", name)
			continue
		}
		if m.kind != row.kind || m.unit != row.unit {
			t.Errorf("%s is a %s of %s, the table says %s of %s", name, m.kind, m.unit, row.kind, row.unit)
		}
		if m.kind == "histogram" && m.unit == "s" && (len(m.bounds) == 0 || m.bounds[0] <= 0 || m.bounds[0] >= 1) {
			t.Errorf("%s has the buckets %v, which are not for seconds", name, m.bounds)
		}
		if slices.Equal(row.attributes, []string{"gen_ai.*"}) {
			if len(m.attributes) == 0 || slices.ContainsFunc(m.attributes, func(a string) bool { return !strings.HasPrefix(a, "gen_ai.") }) {
				t.Errorf("%s has the attributes %q", name, m.attributes)
			}
		} else if !slices.Equal(m.attributes, row.attributes) {
			t.Errorf("%s has the attributes %q, the table says %q", name, m.attributes, row.attributes)
		}
		if m.scope["workspace.id"] != here {
			t.Errorf("%s does not say whose it is: %v", name, m.scope)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s arrives and is not in the table", name)
		}
	}
}

// counted is an agent that makes everything happen that is counted.
type counted struct{ ws **runtime.Workspace }

func (a *counted) SetUp(_ context.Context, ws *runtime.Workspace) error { *a.ws = ws; return nil }

func (a *counted) Run(ctx context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
	reply.Usage(1, 2)
	_ = (*a.ws).Platform.Notify(ctx, notification) // refused, on purpose
	_, err := reply.WriteString("done")
	return err
}
