package temporal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

// TestAServerThatRefusesTurns: one that lets itself be looked at, but takes no
// turn, is not there, and whoever asks is told why.
func TestAServerThatRefusesTurns(t *testing.T) {
	f := newFrontend(t)
	f.denied.Store(true)
	b := newHouse(t).run(t, f, newCounter(), temporal.Require())
	wait(t, "readiness", func() bool { status, _ := b.get("/readyz"); return status == http.StatusOK })
	b.send("hello", false)
	refused := func() bool {
		status, body := b.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "you may look only")
	}
	wait(t, "unreadiness with the reason", refused)
	for looks := f.looks.Load(); f.looks.Load() < looks+2; {
		if !refused() {
			t.Fatal("it is ready again although no turn was taken")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := strings.Count(b.log.String(), "cannot be made durable"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	f.denied.Store(false)
	wait(t, "readiness again", func() bool { status, _ := b.get("/readyz"); return status == http.StatusOK })
	if a := b.send("hello", true); a.text() != "hello" {
		t.Errorf("%+v", a)
	}
	if n := strings.Count(b.log.String(), "turns are durable from now on"); n != 2 {
		t.Errorf("the log says %d times that all is well, want 2", n)
	}
}

// TestACancelIsNoOutage: who does not want a turn any more says nothing of the
// server that was about to take it.
func TestACancelIsNoOutage(t *testing.T) {
	f := newFrontend(t)
	f.stuck.Store(true)
	b := newHouse(t).run(t, f, newCounter(), temporal.WithPlaceTimeout(time.Minute))
	id := b.send("count", false).Result.ID
	wait(t, "the turn to be placed", func() bool { return len(f.started()) == 1 })
	if _, a := b.call("tasks/cancel", map[string]any{"id": id}); a.Result.Status.State != "canceled" {
		t.Errorf("the task is %+v", a)
	}
	f.stuck.Store(false)
	if a := b.send("hello", true); a.text() != "hello" {
		t.Errorf("%+v", a)
	}
	b.end() // so that all has been said
	if strings.Contains(b.log.String(), "not durable") {
		t.Errorf("the server was taken to be away:\n%s", b.log.String())
	}
}
