package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// wait lets a turn go on until its context ends.
func wait(ctx context.Context, x *task.Execution) error {
	if _, err := x.WriteText([]byte("begun ")); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestAFinishedTaskOutlivesTheProcess(t *testing.T) {
	d := newDisk()
	e, kill := d.live(t, func(_ context.Context, x *task.Execution) error {
		x.AddUsage(3, 4)
		x.AddToolTrace(task.ToolTrace{Tool: "look", Input: "here", OutputPreview: "there"})
		if err := x.AddArtifact(&a2a.Artifact{ID: "side", Name: "n", Parts: a2a.ContentParts{a2a.NewDataPart(map[string]any{"big": uint64(1<<63 + 1)})}}); err != nil {
			return err
		}
		if _, err := x.WriteText([]byte("text \xff and ")); err != nil {
			return err
		}
		if err := x.WriteParts(a2a.NewRawPart([]byte{0, 1}), a2a.NewFileURLPart("http://x/y", "image/png")); err != nil {
			return err
		}
		_, err := x.WriteText([]byte("more"))
		return err
	})
	req := send("hi")
	req.Message.Metadata = map[string]any{"n": "v"}
	before := finish(t, e, req)
	var events []a2a.Event
	collect := func(e *task.Engine) (got []a2a.Event) {
		err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: before.ID}, 1, func(_ uint64, ev a2a.Event) bool {
			got = append(got, ev)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	events = collect(e)
	kill()

	e, kill = d.live(t, echo)
	defer kill()
	if diff := cmp.Diff(before, get(t, e, before.ID)); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(events, collect(e)); diff != "" {
		t.Errorf("events after the restart (-before +after):\n%s", diff)
	}
	if got := finish(t, e, again(req)); got.ID != before.ID {
		t.Error("the message ran again")
	}
}

// TestMessageSentManyTimesRunsOnce: at once, after its end, and after a
// restart.
func TestMessageSentManyTimesRunsOnce(t *testing.T) {
	d := newDisk()
	var runs atomic.Int32
	run := func(ctx context.Context, x *task.Execution) error {
		runs.Add(1)
		return echo(ctx, x)
	}
	e, kill := d.live(t, run)
	req := send("hi")
	many := func(e *task.Engine) {
		ids := make([]a2a.TaskID, 50)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() { ids[i] = finish(t, e, again(req)).ID })
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("tasks %s and %s for one message", id, ids[0])
			}
		}
	}
	many(e)
	kill()
	e, kill = d.live(t, run)
	defer kill()
	many(e)
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}

func TestAnInterruptedTurnFailsWithAReason(t *testing.T) {
	d := newDisk()
	g := newGate()
	e, kill := d.live(t, g.run)
	id := start(t, e, send("hi")).ID
	<-g.begun
	get(t, e, id) // what is written is in the store
	kill()
	e, kill = d.live(t, echo)
	defer kill()
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateFailed)
	if text := statusText(got); !strings.Contains(text, "restarted") || !strings.Contains(text, "again") {
		t.Errorf("the status says %q", text)
	}
	if replyText(got) != "before " {
		t.Errorf("the reply is %q", replyText(got))
	}
}

// TestAnInterruptedTurnIsResumed: the text so far is there for the agent and
// for readers, and nothing of it comes twice.
func TestAnInterruptedTurnIsResumed(t *testing.T) {
	d := newDisk()
	g := newGate()
	e, kill := d.live(t, g.run, task.WithResume(0))
	id := start(t, e, send("hi")).ID
	<-g.begun
	get(t, e, id) // what is written is in the store
	kill()
	var attempt int
	var written string
	e, kill = d.live(t, func(_ context.Context, x *task.Execution) error {
		attempt, written = x.Attempt(), x.Written()
		_, err := x.WriteText([]byte("resumed"))
		return err
	}, task.WithResume(0))
	defer kill()
	var text strings.Builder
	var seqs []uint64
	err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, 2, func(seq uint64, ev a2a.Event) bool {
		seqs = append(seqs, seq)
		if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			text.WriteString(up.Artifact.Parts[0].Text())
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if attempt != 2 || written != "before " || text.String() != "before resumed" {
		t.Errorf("attempt %d, written %q, streamed %q", attempt, written, text.String())
	}
	if diff := cmp.Diff([]uint64{3, 4, 5}, seqs); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
	wantState(t, get(t, e, id), a2a.TaskStateCompleted)
}

func TestATurnThatKillsTheProcessIsGivenUp(t *testing.T) {
	d := newDisk()
	g := newGate()
	var id a2a.TaskID
	for n := range 3 {
		e, kill := d.live(t, g.run, task.WithResume(3))
		if n == 0 {
			id = start(t, e, send("hi")).ID
		}
		<-g.begun
		kill()
	}
	e, kill := d.live(t, g.run, task.WithResume(3))
	defer kill()
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateFailed)
	if !strings.Contains(statusText(got), "given up") {
		t.Errorf("the status says %q", statusText(got))
	}
}

// TestATurnThatHadNotBegunBegins also without an agent that can resume.
func TestATurnThatHadNotBegunBegins(t *testing.T) {
	d := newDisk()
	g := newGate()
	e, kill := d.live(t, g.run, task.WithLimits(task.Limits{MaxRunning: 1}))
	start(t, e, send("first"))
	<-g.begun
	id := start(t, e, send("second")).ID
	wantState(t, get(t, e, id), a2a.TaskStateSubmitted)
	kill()
	e, kill = d.live(t, echo)
	defer kill()
	for range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
	}
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateCompleted)
	if replyText(got) != "second" {
		t.Errorf("the reply is %q", replyText(got))
	}
}

func TestACancellationIsRememberedAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		g := newGate()
		e, kill := d.live(t, g.deaf, task.WithResume(0))
		id := start(t, e, send("hi")).ID
		<-g.begun
		ended, leave := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := cancel(ended, e, id)
			done <- err
		}()
		synctest.Wait() // the cancellation is in the store, the turn goes on
		leave()
		<-done
		killed := make(chan struct{})
		go func() { kill(); close(killed) }()
		synctest.Wait()
		close(g.open)
		<-killed
		e, kill = d.live(t, echo, task.WithResume(0))
		defer kill()
		wantState(t, get(t, e, id), a2a.TaskStateCanceled)
	})
}

// TestAShutdownIsNotTheEndOfATurnThatCanBeResumed: it is told from a
// cancellation and from a failure, also by who waits for it.
func TestAShutdownIsNotTheEndOfATurnThatCanBeResumed(t *testing.T) {
	d := newDisk()
	e, kill := d.live(t, wait, task.WithResume(0))
	var waited error
	var wg sync.WaitGroup
	begun := make(chan a2a.TaskID, 1)
	wg.Go(func() {
		waited = e.StreamMessage(t.Context(), send("hi"), func(seq uint64, ev a2a.Event) bool {
			if seq == 3 {
				begun <- ev.TaskInfo().TaskID
			}
			return true
		})
	})
	id := <-begun
	ended, end := context.WithCancel(t.Context())
	end()
	if err := e.Drain(ended); err == nil {
		t.Error("Drain has cut a turn off and does not say so")
	}
	wg.Wait()
	wantError(t, waited, task.ErrShutdown, "same id")
	kill()
	e, kill = d.live(t, func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte("and ended"))
		return err
	}, task.WithResume(0))
	defer kill()
	for range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
	}
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateCompleted)
	if replyText(got) != "begun and ended" {
		t.Errorf("the reply is %q", replyText(got))
	}
}

func TestTheCountsOfAnInterruptedTurnStay(t *testing.T) {
	d := newDisk()
	begun := make(chan struct{})
	e, kill := d.live(t, func(ctx context.Context, x *task.Execution) error {
		x.AddUsage(10, 20)
		err := wait1(x, begun)
		<-ctx.Done()
		return err
	}, task.WithResume(0))
	id := start(t, e, send("hi")).ID
	<-begun
	get(t, e, id)
	kill()
	e, kill = d.live(t, func(_ context.Context, x *task.Execution) error {
		x.AddUsage(1, 2)
		return nil
	}, task.WithResume(0))
	defer kill()
	for range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
	}
	if got := fmt.Sprint(get(t, e, id).Metadata[task.MetadataUsage]); got != "map[input_tokens:11 output_tokens:22]" {
		t.Errorf("usage is %s", got)
	}
}

func wait1(x *task.Execution, begun chan struct{}) error {
	_, err := x.WriteText([]byte("begun"))
	close(begun)
	return err
}

// TestAStoreOfALaterVersionIsLeftAlone.
func TestAStoreOfALaterVersionIsLeftAlone(t *testing.T) {
	d := newDisk()
	if err := d.Commit(t.Context(), []task.Op{{Kind: task.Put, Bucket: task.BucketMeta, Key: "format", Value: []byte("99")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := task.Open(t.Context(), d, echo); !errors.Is(err, task.ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}

// TestTwoAtOnceWakeATask: callers that come at the same time to a task that
// rests in the store see one another, and nobody reads half of a change.
func TestTwoAtOnceWakeATask(t *testing.T) {
	log := &logged{}
	e := task.NewEngine(travel, task.WithLogger(log.logger()))
	defer drain(t, e)
	for range 500 {
		id := finish(t, e, send("a trip")).ID
		var callers sync.WaitGroup
		for n := range 6 {
			callers.Go(func() {
				switch n % 3 {
				case 0:
					if _, err := cancel(t.Context(), e, id); err != nil && !errors.Is(err, a2a.ErrTaskNotCancelable) {
						t.Errorf("CancelTask: %v", err)
					}
				case 1:
					if _, err := e.SendMessage(t.Context(), reply(id, "Oslo")); err != nil && !errors.Is(err, a2a.ErrUnsupportedOperation) {
						t.Errorf("SendMessage: %v", err)
					}
				case 2:
					for _, err := range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
						if err != nil {
							t.Errorf("SubscribeToTask: %v", err)
						}
					}
				}
			})
		}
		callers.Wait()
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log has an error: %.500s", log)
	}
}
