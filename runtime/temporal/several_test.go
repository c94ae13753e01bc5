package temporal_test

import (
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

// TestOneOptionForTwoWorkspaces: each has its own turns, and its own end.
func TestOneOptionForTwoWorkspaces(t *testing.T) {
	f := newFrontend(t)
	option := temporal.Durable(temporal.WithHost(f.hostPort()))
	ids := []string{workspaceID, "99999999-8888-4777-8666-555555555555"}
	var beds []*bed
	for _, id := range ids {
		beds = append(beds, newHouseOf(t, id).runWith(t, newCounter(), option))
	}
	for _, b := range beds {
		if a := b.send("hello", true); a.text() != "hello" {
			t.Errorf("%s answers %+v", b.house.id, a)
		}
	}
	for i, start := range f.started() {
		if !strings.HasPrefix(start.WorkflowId, ids[i]+"/") || start.TaskQueue.Name != "workspace-"+ids[i] {
			t.Errorf("the turn of workspace %s is workflow %s on the queue %s", ids[i], start.WorkflowId, start.TaskQueue.Name)
		}
	}
	if n := len(f.started()); n != len(ids) {
		t.Errorf("%d turns were placed, want %d", n, len(ids))
	}
	for _, b := range beds {
		b.end()
	}
}
