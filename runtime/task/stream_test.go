package task_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// numbered is an event with its sequence, as text.
func numbered(seq uint64, ev a2a.Event) string {
	switch ev := ev.(type) {
	case *a2a.Task:
		return fmt.Sprintf("%d task %s %q", seq, ev.Status.State, replyText(ev))
	case *a2a.TaskStatusUpdateEvent:
		return fmt.Sprintf("%d status %s", seq, ev.Status.State)
	case *a2a.TaskArtifactUpdateEvent:
		var content []string
		for _, p := range ev.Artifact.Parts {
			content = append(content, fmt.Sprint(p.Content))
		}
		return fmt.Sprintf("%d artifact %s append=%t %q", seq, ev.Artifact.ID, ev.Append, strings.Join(content, "|"))
	}
	return fmt.Sprintf("%d %T", seq, ev)
}

// watch reads a task's events after a sequence to the end.
func watch(t testing.TB, e *task.Engine, id a2a.TaskID, after uint64) []string {
	t.Helper()
	var got []string
	err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, after, func(seq uint64, ev a2a.Event) bool {
		got = append(got, numbered(seq, ev))
		return true
	})
	if err != nil {
		t.Errorf("StreamTask: %v", err)
	}
	return got
}

func TestStreamTellsTheWholeLife(t *testing.T) {
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		x.WriteText([]byte("one "))
		x.WriteText([]byte("two"))
		x.WriteParts(a2a.NewFileURLPart("http://f/1", "text/plain"))
		x.WriteText([]byte("three"))
		return nil
	})
	defer drain(t, e)
	var got []string
	err := e.StreamMessage(t.Context(), send("hi"), func(seq uint64, ev a2a.Event) bool {
		if info := ev.TaskInfo(); info.TaskID == "" || info.ContextID == "" {
			t.Errorf("event %d has the ids %+v", seq, info)
		}
		got = append(got, numbered(seq, ev))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`1 task TASK_STATE_SUBMITTED ""`,
		`2 status TASK_STATE_WORKING`,
		`3 artifact reply append=false "one "`,
		`4 artifact reply append=true "two"`,
		`5 artifact reply append=true "http://f/1"`,
		`6 artifact reply append=true "three"`,
		`7 status TASK_STATE_COMPLETED`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestSubscribeBeginsWithTheTaskAsItIs(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	start(t, e, send("hi"))
	id := <-g.begun
	next, end := iter.Pull2(e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}))
	defer end()
	ev, err, _ := next()
	if err != nil {
		t.Fatal(err)
	}
	if got := numbered(0, ev); got != `0 task TASK_STATE_WORKING "before "` {
		t.Errorf("first event: %s", got)
	}
	close(g.open)
	ev, _, _ = next()
	if got := numbered(0, ev); got != `0 artifact reply append=true "after"` {
		t.Errorf("second event: %s", got)
	}
	ev, _, _ = next()
	if got := numbered(0, ev); got != `0 status TASK_STATE_COMPLETED` {
		t.Errorf("third event: %s", got)
	}
	if _, _, more := next(); more {
		t.Error("the stream goes on after the final status")
	}
}

func TestResubscribeWithoutGapOrDuplicate(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	start(t, e, send("hi"))
	id := <-g.begun
	resumed := make(chan []string)
	go func() { resumed <- watch(t, e, id, 2) }()
	close(g.open)
	want := []string{
		`3 artifact reply append=false "before "`,
		`4 artifact reply append=true "after"`,
		`5 status TASK_STATE_COMPLETED`,
	}
	if diff := cmp.Diff(want, <-resumed); diff != "" {
		t.Errorf("after 2, while running (-want +got):\n%s", diff)
	}
	for i := range want {
		if diff := cmp.Diff(want[i:], watch(t, e, id, uint64(2+i))); diff != "" {
			t.Errorf("after %d, ended (-want +got):\n%s", 2+i, diff)
		}
	}
	if got := watch(t, e, id, 5); len(got) != 0 {
		t.Errorf("after the last event: %v", got)
	}
}

func TestSubscriberToAFinishedTaskGetsItsEnd(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	done := finish(t, e, send("hi"))
	want := []string{`4 task TASK_STATE_COMPLETED "hi"`}
	for _, after := range []uint64{0, 5, 1 << 60} { // none, and sequences this task never had
		if diff := cmp.Diff(want, watch(t, e, done.ID, after)); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", after, diff)
		}
	}
}

func TestSubscribeRefusesWhatItDoesNotKnow(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	for name, tc := range map[string]struct {
		req  *a2a.SubscribeToTaskRequest
		want error
	}{
		"no request": {nil, a2a.ErrInvalidParams},
		"no id":      {&a2a.SubscribeToTaskRequest{}, a2a.ErrInvalidParams},
		"unknown":    {&a2a.SubscribeToTaskRequest{ID: "nobody"}, a2a.ErrTaskNotFound},
	} {
		n := 0
		for ev, err := range e.SubscribeToTask(t.Context(), tc.req) {
			n++
			if ev != nil {
				t.Errorf("%s: event %v", name, ev)
			}
			wantError(t, err, tc.want)
		}
		if n != 1 {
			t.Errorf("%s: %d events, want the error alone", name, n)
		}
	}
}

func TestStreamEndsWithItsReader(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	defer close(g.open)
	ctx, leave := context.WithCancel(t.Context())
	seen := 0
	err := e.StreamMessage(ctx, send("hi"), func(uint64, a2a.Event) bool {
		if seen++; seen == 3 {
			leave()
		}
		return true
	})
	wantError(t, err, context.Canceled, "goes on")

	seen = 0
	if err := e.StreamMessage(t.Context(), send("hi"), func(uint64, a2a.Event) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("yield returned false: %d events and error %v, want 1 and none", seen, err)
	}
}

// TestSlowReaderHoldsNobody stops one reader for the whole task, which the
// agent and another reader must not notice.
func TestSlowReaderHoldsNobody(t *testing.T) {
	const chunks = 10_000
	e := task.NewEngine(write(chunks))
	defer drain(t, e)
	next, end := iter.Pull2(e.SendStreamingMessage(t.Context(), send("hi")))
	defer end()
	ev, _, _ := next() // the slow one has read a single event
	id := ev.TaskInfo().TaskID
	if got := watch(t, e, id, 1); len(got) != chunks+2 {
		t.Errorf("the other reader got %d events, want %d", len(got), chunks+2)
	}
	wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	n := 1
	for {
		_, err, more := next()
		if !more {
			break
		}
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != chunks+3 {
		t.Errorf("the slow reader got %d events in the end, want %d", n, chunks+3)
	}
}

// TestReadersAgree lets readers come and go at random while a task streams:
// each must piece together the same events.
func TestReadersAgree(t *testing.T) {
	const chunks, readers = 2000, 8
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		for i := range chunks {
			if _, err := fmt.Fprintf(writer(x.WriteText), "%d ", i); err != nil {
				return err
			}
		}
		return nil
	})
	defer drain(t, e)
	id := start(t, e, send("hi")).ID
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(r)))
			after, want, ended := uint64(1), 2, false
			for !ended {
				stay := 1 + random.IntN(500)
				err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, after, func(seq uint64, ev a2a.Event) bool {
					if seq != uint64(want) {
						t.Errorf("reader %d got event %d, want %d", r, seq, want)
					}
					if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
						if text := fmt.Sprintf("%d ", want-3); up.Artifact.Parts[0].Text() != text || up.Append != (want > 3) {
							t.Errorf("event %d is %q append=%t", seq, up.Artifact.Parts[0].Text(), up.Append)
						}
					}
					status, ok := ev.(*a2a.TaskStatusUpdateEvent)
					ended = ok && status.Status.State.Terminal()
					after, want, stay = seq, want+1, stay-1
					return stay > 0
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
			if want != chunks+4 {
				t.Errorf("reader %d got events up to %d, want %d", r, want-1, chunks+3)
			}
		})
	}
	wg.Wait()
}

// writer lets a function be an io.Writer.
type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
