package temporal_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

func TestMain(m *testing.M) {
	// The HTTP client of these tests keeps connections, and so does gRPC for a
	// moment after it was told to close.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
		// The SDK keeps the workflows of a worker that has stopped in a cache of
		// the process.
		goleak.IgnoreAnyFunction("go.temporal.io/sdk/internal.(*coroutineState).initialYield"))
}

// counter is an agent that can go on where it was: it counts to ten, and at each
// step waits to be let on.
type counter struct {
	begun chan int // the attempts
	steps chan struct{}
}

func newCounter() *counter {
	return &counter{begun: make(chan int, 100), steps: make(chan struct{}, 100)}
}

func (c *counter) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	return c.Resume(ctx, turn, reply)
}

func (c *counter) Resume(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	switch turn.Text() {
	case "fail":
		return errors.New("the secret reason")
	case "hello":
		_, err := reply.Write([]byte("hello"))
		return err
	}
	c.begun <- turn.Attempt()
	for i := len(turn.Written()); i < 10; i++ {
		select {
		case <-c.steps:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := reply.Write([]byte{byte('0' + i)}); err != nil {
			return err
		}
	}
	return nil
}

func TestATurnIsAWorkflow(t *testing.T) {
	s := newServer(t)
	b := newHouse(t).run(t, s, newCounter())
	wait(t, "readiness", func() bool { status, _ := b.get("/readyz"); return status == http.StatusOK })
	a := b.send("hello", true)
	if a.text() != "hello" {
		t.Fatalf("the answer is %+v", a)
	}
	status, history := s.history(a.Result.ID, 1)
	if status != "Completed" {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
	wait(t, "the checkpoints", func() bool { return len(b.house.row.Checkpoints()) == 3 })
	for _, c := range b.house.row.Checkpoints() {
		if c.WorkflowID != workspaceID+"/"+a.Result.ID+"/1" || c.StepName == "turn_end" && !strings.Contains(string(c.Payload), "at rest") {
			t.Errorf("checkpoint %+v %s", c, c.Payload)
		}
	}
	if strings.Contains(history, "hello") {
		t.Errorf("the history has what was said:\n%s", history)
	}
}

func TestAFailureIsToldApart(t *testing.T) {
	s := newServer(t)
	b := newHouse(t).run(t, s, newCounter())
	a := b.send("fail", true)
	if a.Result.Status.State != "failed" {
		t.Errorf("the task is %+v", a)
	}
	status, history := s.history(a.Result.ID, 1)
	if status != "Failed" || !strings.Contains(history, temporal.FailureAgent) || strings.Contains(history, "secret") {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
}

func TestCancelBothWays(t *testing.T) {
	s := newServer(t)
	agent := newCounter()
	b := newHouse(t).run(t, s, agent)
	t.Run("a caller", func(t *testing.T) {
		id := b.send("count", false).Result.ID
		<-agent.begun
		if _, a := b.call("tasks/cancel", map[string]any{"id": id}); a.Result.Status.State != "canceled" {
			t.Errorf("the task is %+v", a)
		}
		if status, history := s.history(id, 1); status != "Canceled" {
			t.Errorf("its workflow is %s\n%s", status, history)
		}
	})
	t.Run("Temporal", func(t *testing.T) {
		id := b.send("count", false).Result.ID
		<-agent.begun
		c := s.client()
		defer c.Close()
		if err := c.CancelWorkflow(t.Context(), workspaceID+"/"+id+"/1", ""); err != nil {
			t.Fatal(err)
		}
		b.task(id, "canceled")
		if status, history := s.history(id, 1); status != "Canceled" {
			t.Errorf("its workflow is %s\n%s", status, history)
		}
	})
}

// TestShutdownHandsOver: the turn waits for nobody, and the next process goes on
// with it.
func TestShutdownHandsOver(t *testing.T) {
	s := newServer(t)
	h, agent := newHouse(t), newCounter()
	b := h.run(t, s, agent)
	id := b.send("count", false).Result.ID
	<-agent.begun
	for range 3 {
		agent.steps <- struct{}{}
	}
	wait(t, "three steps", func() bool { _, a := b.call("tasks/get", map[string]any{"id": id}); return a.text() == "012" })
	t.Logf("it took %v to end", b.end())

	b = h.run(t, s, agent)
	if attempt := <-agent.begun; attempt != 2 {
		t.Errorf("attempt %d", attempt)
	}
	for range 7 {
		agent.steps <- struct{}{}
	}
	if a := b.task(id, "completed"); a.text() != "0123456789" {
		t.Errorf("the reply is %q", a.text())
	}
	if status, history := s.history(id, 1); status != "Completed" {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
}

func TestTheServerIsAwayAtTheStart(t *testing.T) {
	s := layServer(t)
	b := newHouse(t).run(t, s, newCounter())
	wait(t, "readiness with a warning", func() bool {
		status, body := b.get("/readyz")
		return status == http.StatusOK && strings.Contains(body, "turns are not durable")
	})
	if a := b.send("hello", true); a.text() != "hello" {
		t.Errorf("without a server the answer is %+v", a)
	}
	s.start()
	wait(t, "readiness without a warning", func() bool {
		status, body := b.get("/readyz")
		return status == http.StatusOK && !strings.Contains(body, "durable")
	})
	a := b.send("hello", true)
	if status, _ := s.history(a.Result.ID, 1); status != "Completed" {
		t.Errorf("the workflow of the next one is %s", status)
	}
}

func TestRequireWaitsForTheServer(t *testing.T) {
	s := layServer(t)
	b := newHouse(t).run(t, s, newCounter(), temporal.Require())
	wait(t, "unreadiness", func() bool {
		status, body := b.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "cannot be made durable")
	})
	status, a := b.call("message/send", map[string]any{"message": map[string]any{"role": "user", "messageId": "m", "parts": []any{map[string]any{"kind": "text", "text": "hello"}}}})
	if status != http.StatusServiceUnavailable {
		t.Errorf("a message is answered %d %+v", status, a)
	}
	s.start()
	wait(t, "readiness", func() bool { status, _ := b.get("/readyz"); return status == http.StatusOK })
	if a := b.send("hello", true); a.text() != "hello" {
		t.Errorf("%+v", a)
	}
}

// TestTheServerIsLostInMidTurn: the turn goes on, a new one runs without, and
// when it is back nothing runs twice.
func TestTheServerIsLostInMidTurn(t *testing.T) {
	s := newServer(t)
	agent := newCounter()
	b := newHouse(t).run(t, s, agent)
	id := b.send("count", false).Result.ID
	<-agent.begun
	s.stop()
	for range 5 {
		agent.steps <- struct{}{}
	}
	wait(t, "the steps", func() bool { _, a := b.call("tasks/get", map[string]any{"id": id}); return a.text() == "01234" })
	if a := b.send("hello", true); a.text() != "hello" {
		t.Errorf("while it is lost the answer is %+v", a)
	}
	s.start()
	wait(t, "readiness without a warning", func() bool { _, body := b.get("/readyz"); return !strings.Contains(body, "durable") })
	time.Sleep(2 * time.Second) // longer than the heartbeat timeout: the server may give the turn to us again
	for range 5 {
		agent.steps <- struct{}{}
	}
	if a := b.task(id, "completed"); a.text() != "0123456789" {
		t.Errorf("the reply is %q", a.text())
	}
	if status, history := s.history(id, 1); status != "Completed" {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
	if n := len(agent.begun); n != 0 {
		t.Errorf("it was begun %d times more", n)
	}
}

// TestTwoProcessesShareTheirTurns: the one that runs a turn shuts down, the
// other finishes it, and a reader at the other sees all of it.
func TestTwoProcessesShareTheirTurns(t *testing.T) {
	s := newServer(t)
	agent := newCounter()
	store := task.NewMemory()
	one, two := newHouse(t), newHouse(t)
	one.store, two.store = store, store
	a, b := one.run(t, s, agent), two.run(t, s, agent)
	id := a.send("count", false).Result.ID
	<-agent.begun
	for range 4 {
		agent.steps <- struct{}{}
	}
	wait(t, "four steps, read at the other process", func() bool {
		_, got := b.call("tasks/get", map[string]any{"id": id})
		return got.text() == "0123"
	})
	begin := time.Now()
	a.end()
	if attempt := <-agent.begun; attempt != 2 {
		t.Errorf("attempt %d", attempt)
	}
	t.Logf("from the end of one to the attempt of the other: %v", time.Since(begin))
	for range 6 {
		agent.steps <- struct{}{}
	}
	if got := b.task(id, "completed"); got.text() != "0123456789" {
		t.Errorf("the reply is %q", got.text())
	}
	if status, history := s.history(id, 1); status != "Completed" || !strings.Contains(history, temporal.FailureHandOver) {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
}

// TestATurnIsLeftToWhoHasIt: a process with another store does not take a turn
// for done that it knows nothing of.
func TestATurnIsLeftToWhoHasIt(t *testing.T) {
	s := newServer(t)
	agent := newCounter()
	own, other := newHouse(t), newHouse(t)
	a := own.run(t, s, agent)
	id := a.send("count", false).Result.ID
	<-agent.begun
	other.run(t, s, newCounter())
	a.end()
	wait(t, "the other process to be asked", func() bool {
		_, history := s.events(id, 1)
		return strings.Contains(history, temporal.FailureUnknown)
	})
	a = own.run(t, s, agent)
	for range 10 {
		agent.steps <- struct{}{}
	}
	if got := a.task(id, "completed"); got.text() != "0123456789" {
		t.Errorf("the reply is %q", got.text())
	}
	if status, history := s.history(id, 1); status != "Completed" || strings.Contains(history, "nothing to run") {
		t.Errorf("its workflow is %s\n%s", status, history)
	}
}
