package task_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func cancel(ctx context.Context, e *task.Engine, id a2a.TaskID) (*a2a.Task, error) {
	return e.CancelTask(ctx, &a2a.CancelTaskRequest{ID: id})
}

func TestCancelReachesTheTurn(t *testing.T) {
	g := newGate()
	cause, late := make(chan error, 1), make(chan error, 1)
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		x.AddUsage(3, 4)
		err := g.run(ctx, x)
		cause <- err
		_, err = x.WriteText([]byte("too late"))
		late <- err
		x.AddUsage(1, 1) // what a canceled turn costs counts
		return nil       // and says that all is well
	})
	defer drain(t, e)
	id := start(t, e, send("hi")).ID
	<-g.begun
	got, err := cancel(t.Context(), e, id)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, got, a2a.TaskStateCanceled)
	wantError(t, <-cause, task.ErrCanceled)
	wantError(t, <-late, task.ErrCanceled)
	if text := replyText(got); text != "before " {
		t.Errorf("the reply is %q, want what was written before", text)
	}
	if usage, _ := got.Metadata[task.MetadataUsage].(map[string]any); usage["input_tokens"] != int64(4) {
		t.Errorf("the usage is %v", usage)
	}

	twice, err := cancel(t.Context(), e, id)
	if err != nil || twice.ID != id || twice.Status.State != a2a.TaskStateCanceled {
		t.Errorf("canceled twice: %v, %v", twice, err)
	}
}

func TestCanceledTaskCannotComplete(t *testing.T) {
	for range 200 { // the end of the turn and the cancellation race
		e := task.NewEngine(echo)
		id := start(t, e, send("hi")).ID
		got, err := cancel(t.Context(), e, id)
		drain(t, e)
		after := get(t, e, id)
		switch {
		case err == nil && (got.Status.State != a2a.TaskStateCanceled || after.Status.State != a2a.TaskStateCanceled):
			t.Fatalf("canceled, but then %s", after.Status.State)
		case err != nil && (!errors.Is(err, a2a.ErrTaskNotCancelable) || after.Status.State != a2a.TaskStateCompleted):
			t.Fatalf("refused with %v, but then %s", err, after.Status.State)
		}
	}
}

func TestCancelOfATaskThatHasEnded(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	done := finish(t, e, send("hi"))
	_, err := cancel(t.Context(), e, done.ID)
	wantError(t, err, a2a.ErrTaskNotCancelable, "COMPLETED")

	failing := task.NewEngine(func(context.Context, *task.Execution) error { return errors.New("no") })
	defer drain(t, failing)
	_, err = cancel(t.Context(), failing, finish(t, failing, send("hi")).ID)
	wantError(t, err, a2a.ErrTaskNotCancelable, "FAILED")

	_, err = cancel(t.Context(), e, "nobody")
	wantError(t, err, a2a.ErrTaskNotFound)
	_, err = cancel(t.Context(), e, "")
	wantError(t, err, a2a.ErrInvalidParams)
	_, err = e.CancelTask(t.Context(), nil)
	wantError(t, err, a2a.ErrInvalidParams)
}

func TestStreamsSeeTheCancellation(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	var last []string
	var wg sync.WaitGroup
	wg.Go(func() {
		e.StreamMessage(t.Context(), send("hi"), func(seq uint64, ev a2a.Event) bool {
			last = append(last, numbered(seq, ev))
			return true
		})
	})
	if _, err := cancel(t.Context(), e, <-g.begun); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := last[len(last)-1]; got != "4 status TASK_STATE_CANCELED" {
		t.Errorf("the last event is %s", got)
	}
}

func TestCancelOfADeafTurnAnswersAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		g := newGate()
		e := task.NewEngine(g.deaf, task.WithCancelGrace(3*time.Second), task.WithLogger(log.logger()),
			task.WithLimits(task.Limits{MaxQueued: -1, MaxRunning: 1}))
		id := start(t, e, send("hi")).ID
		<-g.begun
		begin := time.Now()
		var wg sync.WaitGroup
		for range 3 { // callers that come one after another wait for the same
			wg.Go(func() {
				got, err := cancel(t.Context(), e, id)
				if err != nil || got.Status.State != a2a.TaskStateCanceled {
					t.Errorf("canceled: %v, %v", got, err)
				}
			})
			time.Sleep(time.Second)
		}
		wg.Wait()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it took %v, want the grace", took)
		}

		// The turn is still there and still costs a slot.
		_, err := e.SendMessage(t.Context(), send("another"))
		wantError(t, err, task.ErrBusy)
		close(g.open)
		drain(t, e)
		got := get(t, e, id)
		wantState(t, got, a2a.TaskStateCanceled)
		if text := replyText(got); text != "" {
			t.Errorf("the reply is %q, though it was written after the end", text)
		}
		wantLogged(t, log, "has not returned after the end of its context", "ended without it", string(id))
	})
}

// TestDrainWaitsForTheLineAboutADeafTurn: no goroutine of the engine is left
// when the engine has been drained, however slow the log.
func TestDrainWaitsForTheLineAboutADeafTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		g := newGate()
		e := task.NewEngine(g.deaf, task.WithLogger(slog.New(slow{log.logger().Handler()})))
		id := start(t, e, send("hi")).ID
		<-g.begun
		if _, err := cancel(t.Context(), e, id); err != nil {
			t.Error(err)
		}
		close(g.open)
		drain(t, e)
		wantLogged(t, log, "has not returned after the end of its context", string(id))
	})
}

// slow is a log that takes a second for a line.
type slow struct{ slog.Handler }

func (s slow) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(time.Second)
	return s.Handler.Handle(ctx, r)
}

func TestCancelGoesOnWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := task.NewEngine(g.deaf)
		id := start(t, e, send("hi")).ID
		<-g.begun
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		_, err := cancel(ctx, e, id)
		wantError(t, err, context.DeadlineExceeded, "goes on")
		wantState(t, get(t, e, id), a2a.TaskStateWorking)
		time.Sleep(task.DefaultCancelGrace)
		synctest.Wait()
		wantState(t, get(t, e, id), a2a.TaskStateCanceled)
		close(g.open)
		drain(t, e)
	})
}

func TestPanicOfACanceledTurn(t *testing.T) {
	log := &logged{}
	begun := make(chan a2a.TaskID)
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		begun <- x.TaskID()
		<-ctx.Done()
		panic("out of control")
	}, task.WithLogger(log.logger()))
	start(t, e, send("hi"))
	got, err := cancel(t.Context(), e, <-begun)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, got, a2a.TaskStateCanceled)
	drain(t, e)
	wantLogged(t, log, "the agent panicked", "out of control", "cancel_test.go")
}

func TestContextEndsWithTheTurn(t *testing.T) {
	var turn context.Context
	var x *task.Execution
	e := task.NewEngine(func(ctx context.Context, xx *task.Execution) error {
		turn, x = ctx, xx
		return nil
	})
	done := finish(t, e, send("hi"))
	drain(t, e)
	wantError(t, context.Cause(turn), task.ErrEnded)
	_, err := x.WriteText([]byte("late"))
	wantError(t, err, task.ErrEnded)
	wantError(t, x.WriteParts(a2a.NewTextPart("late")), task.ErrEnded)
	wantError(t, x.AddArtifact(&a2a.Artifact{Parts: a2a.ContentParts{a2a.NewTextPart("late")}}), task.ErrEnded)
	x.AddUsage(1, 1)
	x.AddToolTrace(task.ToolTrace{Tool: "late"})
	if got := get(t, e, done.ID); len(got.Artifacts) != 0 || got.Metadata != nil {
		t.Errorf("a write after the end has changed the task: %+v", got)
	}
}

// TestCancelOfAQuestionOnItsWayToTheStore: those who wait for the question hear
// of it as well.
func TestCancelOfAQuestionOnItsWayToTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ask := &life{Store: newDisk().Memory}, make(chan bool)
		e, err := task.Open(t.Context(), l, func(_ context.Context, x *task.Execution) error {
			<-ask
			return x.Ask(a2a.NewTextPart("what?"))
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		req := send("hi")
		id := start(t, e, req).ID
		var wg sync.WaitGroup
		wg.Go(func() { wantState(t, finish(t, e, again(req)), a2a.TaskStateCanceled) })
		l.full.Store(true)
		ask <- true
		synctest.Wait()
		wg.Go(func() {
			if _, err := cancel(t.Context(), e, id); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		l.full.Store(false)
		wg.Wait()
		drain(t, e)
	})
}
