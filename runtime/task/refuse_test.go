package task_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// choosy is a store that takes no commit with an operation it does not like.
type choosy struct {
	task.Store
	refuses atomic.Pointer[func(task.Op) bool]
}

func (p *choosy) Commit(ctx context.Context, ops []task.Op) error {
	if refuses := p.refuses.Load(); refuses != nil && slices.ContainsFunc(ops, *refuses) {
		return errors.New("the value is too much")
	}
	return p.Store.Commit(ctx, ops)
}

func (p *choosy) refuse(what func(task.Op) bool) { p.refuses.Store(&what) }

// TestATaskThatTheStoreRefusesFailsAlone: the others are not kept waiting by it.
func TestATaskThatTheStoreRefusesFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		p := &choosy{Store: task.NewMemory()}
		p.refuse(func(op task.Op) bool {
			return op.Bucket == task.BucketEvents && strings.Contains(string(op.Value), "poison!")
		})
		g := make(chan struct{})
		cause := make(chan error, 1)
		e, err := task.Open(t.Context(), p, func(ctx context.Context, x *task.Execution) error {
			if x.Message().Parts[0].Text() != "bad" {
				<-g // comes to its end in the same commit, or waits behind it
				return echo(ctx, x)
			}
			if _, err := x.WriteText([]byte("before ")); err != nil {
				return err
			}
			<-g
			if _, err := x.WriteText([]byte("poison!")); err != nil {
				return err
			}
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return context.Cause(ctx)
		}, task.WithLogger(log.logger()))
		if err != nil {
			t.Fatal(err)
		}
		bad := send("bad")
		id := start(t, e, bad).ID
		var read []string
		var streamed error
		var wg sync.WaitGroup
		wg.Go(func() {
			streamed = e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, 1, func(seq uint64, ev a2a.Event) bool {
				read = append(read, numbered(seq, ev))
				return true
			})
		})
		for range 5 {
			wg.Go(func() { wantState(t, finish(t, e, send("good")), a2a.TaskStateCompleted) })
		}
		synctest.Wait()
		close(g)
		wg.Wait()

		wantError(t, streamed, task.ErrStore, string(id), "log")
		if got := strings.Join(read, "\n"); !strings.Contains(got, "before") || strings.Contains(got, "poison") {
			t.Errorf("the reader got %q", got)
		}
		wantError(t, <-cause, task.ErrStore)
		got := get(t, e, id)
		wantState(t, got, a2a.TaskStateFailed)
		if !strings.Contains(statusText(got), "could not store") || replyText(got) != "before " {
			t.Errorf("the task says %q after %q", statusText(got), replyText(got))
		}
		if err := e.Health(); err != nil {
			t.Errorf("Health: %v", err)
		}
		if again := finish(t, e, again(bad)); again.ID != id {
			t.Errorf("the message is answered by %s, want %s", again.ID, id)
		}
		wantState(t, finish(t, e, send("good")), a2a.TaskStateCompleted)
		drain(t, e)
		e.Close()
		wantLogged(t, log, "refuses a task and takes others", "too much", string(id))
	})
}

// TestATaskThatTheStoreNeverTakesIsNoTask: its caller is told, and nothing stays.
func TestATaskThatTheStoreNeverTakesIsNoTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &choosy{Store: task.NewMemory()}
		p.refuse(func(op task.Op) bool { return strings.Contains(string(op.Value), "poison!") })
		e, err := task.Open(t.Context(), p, echo)
		if err != nil {
			t.Fatal(err)
		}
		req := send("poison!")
		_, err = e.SendMessage(t.Context(), req)
		wantError(t, err, task.ErrStore, "could not store")
		wantState(t, finish(t, e, send("good")), a2a.TaskStateCompleted)
		if n := len(listed(t, e, nil)); n != 1 {
			t.Errorf("%d tasks are listed, want 1", n)
		}
		p.refuse(func(task.Op) bool { return false })
		wantState(t, finish(t, e, again(req)), a2a.TaskStateCompleted)
		drain(t, e)
		e.Close()
	})
}

// TestATaskThatCannotEvenFailIsLeft: the store takes nothing about it any more.
// The next process brings it to its end.
func TestATaskThatCannotEvenFailIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &choosy{Store: task.NewMemory()}
		g := newGate()
		e, err := task.Open(t.Context(), p, g.run)
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		<-g.begun
		get(t, e, id)
		p.refuse(func(op task.Op) bool { return op.Key == string(id) })
		close(g.open)
		time.Sleep(time.Minute) // who comes before it is known is told to come again
		wantState(t, finish(t, e, send("good")), a2a.TaskStateCompleted)
		drain(t, e)
		e.Close()
		p.refuse(func(task.Op) bool { return false })
		e, err = task.Open(t.Context(), p, echo)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantState(t, get(t, e, id), a2a.TaskStateFailed)
		drain(t, e)
		e.Close()
	})
}

// TestAStoreThatComesBackRefusesNothing: whenever it does, also between a commit
// that it could not take and the look whether it takes another one.
func TestAStoreThatComesBackRefusesNothing(t *testing.T) {
	for outage := 2600 * time.Millisecond; outage < 4600*time.Millisecond; outage += 20 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			s := &slowlyDown{Store: task.NewMemory()}
			g := newGate()
			e, err := task.Open(t.Context(), s, g.run)
			if err != nil {
				t.Fatal(err)
			}
			id := start(t, e, send("hi")).ID
			<-g.begun
			get(t, e, id)
			s.down.Store(true)
			close(g.open)
			time.Sleep(outage)
			s.down.Store(false)
			time.Sleep(10 * time.Second)
			if got := get(t, e, id); got.Status.State != a2a.TaskStateCompleted {
				t.Errorf("after an outage of %v the task is %s: %s", outage, got.Status.State, statusText(got))
			}
			drain(t, e)
			e.Close()
		})
	}
}

// slowlyDown is a store that is away for a while, and says so after it has tried.
type slowlyDown struct {
	task.Store
	down atomic.Bool
}

func (s *slowlyDown) Commit(ctx context.Context, ops []task.Op) error {
	if s.down.Load() {
		time.Sleep(60 * time.Millisecond)
		if s.down.Load() {
			return errors.New("connection refused")
		}
	}
	return s.Store.Commit(ctx, ops)
}
