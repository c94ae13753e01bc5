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
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// onceAgent runs do as a turn and returns what it returns.
func onceAgent(results chan<- error, do func(ctx context.Context, x *task.Execution) error) task.RunFunc {
	return func(ctx context.Context, x *task.Execution) error {
		err := do(ctx, x)
		results <- err
		return err
	}
}

// TestOnceMakesAnEffectAtMostOnce: concurrently, in a later attempt, and in a
// later turn of the task.
func TestOnceMakesAnEffectAtMostOnce(t *testing.T) {
	d := newDisk()
	var made atomic.Int32
	order := func(context.Context) ([]byte, error) { return fmt.Appendf(nil, "order %d", made.Add(1)), nil }
	seen := make(chan string, 100)
	turn := func(ctx context.Context, x *task.Execution) error {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				result, err := x.Once(ctx, "order", order)
				if err != nil {
					t.Error(err)
				}
				seen <- string(result)
			})
		}
		wg.Wait()
		if x.Message().Parts[0].Text() == "wait" && x.Attempt() == 1 {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return x.Ask(a2a.NewTextPart("more?"))
	}
	e, kill := d.live(t, turn, task.WithResume(0))
	id := start(t, e, send("wait")).ID
	for range 10 {
		if got := <-seen; got != "order 1" {
			t.Errorf("got %q", got)
		}
	}
	kill()
	e, kill = d.live(t, turn, task.WithResume(0))
	defer kill()
	for range 10 {
		if got := <-seen; got != "order 1" {
			t.Errorf("got %q in the second attempt", got)
		}
	}
	for range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) { // until it asks
	}
	finish(t, e, reply(id, "another turn"))
	if got := <-seen; got != "order 1" {
		t.Errorf("got %q in another turn", got)
	}
	if n := made.Load(); n != 1 {
		t.Errorf("it was made %d times", n)
	}
}

func TestOnceInterruptedIsOfUnknownOutcome(t *testing.T) {
	d := newDisk()
	begun, results := make(chan struct{}), make(chan error, 2)
	var calls atomic.Int32
	turn := onceAgent(results, func(ctx context.Context, x *task.Execution) error {
		_, err := x.Once(ctx, "order", func(ctx context.Context) ([]byte, error) {
			calls.Add(1)
			close(begun)
			<-ctx.Done()
			return []byte("made"), nil
		})
		return err
	})
	e, kill := d.live(t, turn, task.WithResume(0))
	start(t, e, send("hi"))
	<-begun
	kill()
	wantError(t, <-results, task.ErrUnknownOutcome)
	_, kill = d.live(t, turn, task.WithResume(0))
	defer kill()
	wantError(t, <-results, task.ErrUnknownOutcome, `"order"`)
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// TestOnceAndErrors: an error is "not made" unless nobody can know.
func TestOnceAndErrors(t *testing.T) {
	no := errors.New("refused")
	var calls int
	fails := func(err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { calls++; return nil, err }
	}
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		for range 2 {
			_, err := x.Once(ctx, "refused", fails(no))
			wantError(t, err, no)
		}
		if calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
		calls = 0
		_, err := x.Once(ctx, "timeout", fails(fmt.Errorf("no answer: %w", task.ErrUnknownOutcome)))
		wantError(t, err, task.ErrUnknownOutcome, "no answer")
		_, err = x.Once(ctx, "timeout", fails(nil))
		wantError(t, err, task.ErrUnknownOutcome)
		ended, end := context.WithCancel(ctx)
		_, err = x.Once(ended, "ended", func(context.Context) ([]byte, error) { end(); return nil, no })
		wantError(t, err, task.ErrUnknownOutcome, "refused")
		_, err = x.Once(ctx, "ended", fails(nil))
		wantError(t, err, task.ErrUnknownOutcome)
		func() {
			defer func() { _ = recover() }()
			_, _ = x.Once(ctx, "panic", func(context.Context) ([]byte, error) { panic("no") })
		}()
		_, err = x.Once(ctx, "panic", fails(nil))
		wantError(t, err, task.ErrUnknownOutcome)
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
		for _, key := range []string{"", strings.Repeat("k", task.MaxOnceKey+1)} {
			if _, err := x.Once(ctx, key, fails(nil)); err == nil || !strings.Contains(err.Error(), "1 to 128 bytes") {
				t.Errorf("key of %d bytes: %v", len(key), err)
			}
		}
		_, err = x.Once(ctx, strings.Repeat("k", task.MaxOnceKey), func(context.Context) ([]byte, error) {
			return make([]byte, task.MaxOnceResult+1), nil
		})
		wantError(t, err, task.ErrUnknownOutcome, "1048577 bytes")
		got, err := x.Once(ctx, "nothing", func(context.Context) ([]byte, error) { return nil, nil })
		if err != nil || len(got) != 0 {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
	defer drain(t, e)
	wantState(t, finish(t, e, send("hi")), a2a.TaskStateCompleted)
}

// TestOnceAfterTheEnd: a turn that is over begins no effect.
func TestOnceAfterTheEnd(t *testing.T) {
	var left *task.Execution
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error { left = x; return nil })
	defer drain(t, e)
	finish(t, e, send("hi"))
	_, err := left.Once(t.Context(), "late", func(context.Context) ([]byte, error) {
		t.Error("it was called")
		return nil, nil
	})
	wantError(t, err, task.ErrEnded)
}

// TestOnceByWhoHasLostTheTask: a process whose task was taken over makes no
// effect.
func TestOnceByWhoHasLostTheTask(t *testing.T) {
	d, o := newDisk(), newOffice()
	begun, goOn := make(chan struct{}), make(chan struct{})
	results := make(chan error, 1)
	e, kill := d.live(t, onceAgent(results, func(ctx context.Context, x *task.Execution) error {
		close(begun)
		<-goOn
		_, err := x.Once(ctx, "order", func(context.Context) ([]byte, error) {
			t.Error("it was made by who has lost the task")
			return nil, nil
		})
		return err
	}), task.WithDispatcher(o), task.WithResume(0))
	defer kill()
	start(t, e, send("hi"))
	turn := <-o.turns
	first := bring(t.Context(), e, turn)
	<-begun
	e2, kill2 := d.live(t, func(ctx context.Context, x *task.Execution) error {
		_, err := x.Once(ctx, "order", func(context.Context) ([]byte, error) { return nil, nil })
		return err
	}, task.WithDispatcher(newOffice()), task.WithResume(0))
	defer kill2()
	if err := e2.RunTurn(t.Context(), turn); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-results; err != nil {
		wantError(t, err, task.ErrElsewhere)
	}
	wantError(t, <-first, task.ErrElsewhere)
}

func TestOnceGoesWithItsTask(t *testing.T) {
	d := newDisk()
	e, kill := d.live(t, func(ctx context.Context, x *task.Execution) error {
		_, err := x.Once(ctx, "k", func(context.Context) ([]byte, error) { return []byte("v"), nil })
		return err
	}, task.WithLimits(task.Limits{MaxFinished: 2}))
	for range 5 {
		finish(t, e, send("hi"))
	}
	drain(t, e)
	kill()
	entries, err := d.Scan(t.Context(), task.Range{Bucket: task.BucketOnce})
	if err != nil || len(entries) != 2 {
		t.Errorf("%d effects are kept, want those of 2 tasks (%v)", len(entries), err)
	}
}

// TestOnceReturnsWhenTheStoreRefusesItsResult: the task is given up, and its turn
// must not hold its slot for ever.
func TestOnceReturnsWhenTheStoreRefusesItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &choosy{Store: task.NewMemory()}
		p.refuse(func(op task.Op) bool {
			return op.Bucket == task.BucketOnce && string(op.Value) == "=too large"
		})
		results := make(chan error, 1)
		e, err := task.Open(t.Context(), p, onceAgent(results, func(ctx context.Context, x *task.Execution) error {
			_, err := x.Once(ctx, "order", func(context.Context) ([]byte, error) { return []byte("too large"), nil })
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		time.Sleep(time.Minute)
		select {
		case err := <-results:
			wantError(t, err, task.ErrUnknownOutcome, `"order"`)
			wantError(t, err, task.ErrStore, "refuses")
		default:
			t.Error("Once has not returned")
		}
		wantState(t, get(t, e, id), a2a.TaskStateFailed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
		e.Close()
	})
}
