package pgstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// A reply in 4,000 chunks is there to the last one after a restart, and a message
// that comes again does not run again.
func TestEngineKeepsAStream(t *testing.T) {
	const chunks = 4000
	dsn, name := server(t), workspace()
	runs := 0
	run := func(_ context.Context, x *task.Execution) error {
		runs++
		for i := range chunks {
			if _, err := x.WriteText([]byte(fmt.Sprintf("chunk %d;", i))); err != nil {
				return err
			}
		}
		return nil
	}
	req := &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("count"))}
	first, events := stream(t, openEngine(t, open(t, dsn, name), run), req)

	e := openEngine(t, open(t, dsn, name), run)
	got := 0
	err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: first.ID}, 0, func(seq uint64, _ a2a.Event) bool {
		got = int(seq)
		return true
	})
	if err != nil || got != events {
		t.Errorf("after the restart the stream has %d events, %v; want %d", got, err, events)
	}
	again, _ := stream(t, e, req)
	if again.ID != first.ID || runs != 1 {
		t.Errorf("the message made task %s, again %s, in %d runs", first.ID, again.ID, runs)
	}
	var want strings.Builder
	for i := range chunks {
		fmt.Fprintf(&want, "chunk %d;", i)
	}
	for _, answer := range []*a2a.Task{first, again} {
		var text strings.Builder
		for _, artifact := range answer.Artifacts {
			for _, part := range artifact.Parts {
				text.WriteString(part.Text())
			}
		}
		if answer.Status.State != a2a.TaskStateCompleted || text.String() != want.String() {
			t.Errorf("the task is %s with %d bytes of text, want %d", answer.Status.State, text.Len(), want.Len())
		}
	}
}

// The engine goes on while the server is killed under it.
func TestEngineOutlivesTheServer(t *testing.T) {
	ctl := control(t)
	const chunks = 300
	e := openEngine(t, open(t, server(t), workspace()), func(_ context.Context, x *task.Execution) error {
		for i := range chunks {
			if _, err := x.WriteText([]byte(fmt.Sprintf("chunk %d;", i))); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond)
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, how := range []string{"kill", "stop"} {
			time.Sleep(100 * time.Millisecond)
			ctl(how)
			ctl("start")
		}
	}()
	_, events := stream(t, e, &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("count"))})
	<-done
	if events < chunks {
		t.Errorf("%d events, want at least %d", events, chunks)
	}
}

func openEngine(t *testing.T, s task.Store, run task.RunFunc) *task.Engine {
	t.Helper()
	e, err := task.Open(context.Background(), s, run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Drain(context.Background()) })
	return e
}

// stream sends a message and reads its events, none of which may be missing,
// and returns the task at the end.
func stream(t *testing.T, e *task.Engine, req *a2a.SendMessageRequest) (*a2a.Task, int) {
	t.Helper()
	var id a2a.TaskID
	events := 0
	err := e.StreamMessage(t.Context(), req, func(seq uint64, ev a2a.Event) bool {
		if events++; seq != uint64(events) && events > 1 {
			t.Errorf("event %d has sequence %d", events, seq)
		}
		id = ev.TaskInfo().TaskID
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return answer, events
}
