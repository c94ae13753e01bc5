package task_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestDrainWaitsForRunningTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
			time.Sleep(time.Second)
			return echo(t.Context(), x)
		})
		req := send("hi")
		id := start(t, e, req).ID
		begin := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { drain(t, e) })
		}
		synctest.Wait()

		_, err := e.SendMessage(t.Context(), send("late"))
		wantError(t, err, task.ErrShutdown, "shutting down")
		wantError(t, err, a2a.ErrServerError)
		wantState(t, finish(t, e, again(req)), a2a.TaskStateCompleted) // it was accepted before
		wg.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v, want as long as the turn", took)
		}
		if text := replyText(get(t, e, id)); text != "hi" {
			t.Errorf("the reply is %q", text)
		}
		drain(t, e) // once more
	})
}

func TestDrainCutsOffWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		g := newGate()
		cause := make(chan error, 1)
		e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
			err := g.run(ctx, x)
			cause <- err
			return err
		}, task.WithLogger(log.logger()))
		id := start(t, e, send("hi")).ID
		<-g.begun
		ctx, stop := context.WithTimeout(t.Context(), 8*time.Second)
		defer stop()
		begin := time.Now()
		err := e.Drain(ctx)
		wantError(t, err, context.DeadlineExceeded, "1 turns were cut off")
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("it took %v", took)
		}
		wantError(t, <-cause, task.ErrShutdown)
		got := get(t, e, id)
		wantState(t, got, a2a.TaskStateFailed)
		if text := statusText(got); text != "The agent was shut down before it had answered. Send the message again." {
			t.Errorf("the caller reads %q", text)
		}
		wantLogged(t, log, "level=WARN", "cut off by the shutdown", string(id))
	})
}

func TestDrainLeavesADeafTurnBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		g := newGate()
		e := task.NewEngine(g.deaf, task.WithShutdownGrace(2*time.Second), task.WithLogger(log.logger()))
		id := start(t, e, send("hi")).ID
		<-g.begun
		ended, end := context.WithCancel(t.Context())
		end()
		begin := time.Now()
		wantError(t, e.Drain(ended), context.Canceled, "1 of them have not returned within 2s")
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("it took %v, want the grace", took)
		}
		wantState(t, get(t, e, id), a2a.TaskStateFailed)
		close(g.open)
		synctest.Wait()
		wantState(t, get(t, e, id), a2a.TaskStateFailed)
		wantLogged(t, log, "has not returned", "returned after its task had been ended", "task: the agent is shutting down")
	})
}

func TestTurnThatEndsWellInTheGraceCompletes(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	begun := make(chan a2a.TaskID, 1)
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		x.WriteText([]byte("all of it"))
		begun <- x.TaskID()
		<-ctx.Done()
		x.AddUsage(1, 2)
		return nil
	})
	start(t, e, send("hi"))
	id := <-begun
	wantError(t, e.Drain(ended), context.Canceled)
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateCompleted)
	if got.Metadata[task.MetadataUsage] == nil {
		t.Error("the usage is not there")
	}
}

// TestTurnThatLostTextInTheGraceDoesNotComplete: half an answer must not look
// like a whole one because the agent does not look at the errors of its writes.
func TestTurnThatLostTextInTheGraceDoesNotComplete(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	begun := make(chan a2a.TaskID, 1)
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		x.WriteText([]byte("half of "))
		begun <- x.TaskID()
		<-ctx.Done()
		if _, err := x.WriteText([]byte("it")); !errors.Is(err, task.ErrShutdown) {
			t.Errorf("the write got %v", err)
		}
		return nil
	})
	start(t, e, send("hi"))
	id := <-begun
	wantError(t, e.Drain(ended), context.Canceled)
	wantState(t, get(t, e, id), a2a.TaskStateFailed)
}

func TestCancelDuringTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := task.NewEngine(g.run)
		id := start(t, e, send("hi")).ID
		<-g.begun
		done := make(chan error)
		go func() { done <- e.Drain(t.Context()) }()
		synctest.Wait()
		got, err := cancel(t.Context(), e, id)
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, got, a2a.TaskStateCanceled)
		if err := <-done; err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

// drainedWhileItReads is a store that lets its engine be drained while it reads
// a task's row.
type drainedWhileItReads struct {
	task.Store
	e     atomic.Pointer[task.Engine] // nil: not now
	reads atomic.Int32                // before that
	over  chan error
}

func (s *drainedWhileItReads) Get(ctx context.Context, b task.Bucket, key string) ([]byte, error) {
	if e := s.e.Load(); e != nil && b == task.BucketTasks && s.reads.Add(-1) == 0 {
		go func() { s.over <- e.Drain(context.WithoutCancel(ctx)) }()
		time.Sleep(time.Second)
	}
	return s.Store.Get(ctx, b, key)
}

// TestNoWorkBeginsAfterTheDrain: also what is found in the store at that moment is
// left to the others.
func TestNoWorkBeginsAfterTheDrain(t *testing.T) {
	open := func(t *testing.T, d *disk, opts ...task.Option) (*task.Engine, *drainedWhileItReads) {
		s := &drainedWhileItReads{Store: d.Memory, over: make(chan error, 1)}
		e, err := task.Open(t.Context(), s, func(context.Context, *task.Execution) error {
			t.Error("the agent was begun")
			return nil
		}, append(opts, task.WithShared(0), task.WithResume(0))...)
		if err != nil {
			t.Fatal(err)
		}
		return e, s
	}
	t.Run("a task of a dead process", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk()
			dead, kill := d.live(t, newGate().run, task.WithShared(0), task.WithResume(0))
			id := start(t, dead, send("hi")).ID
			synctest.Wait()
			e, s := open(t, d)
			s.reads.Store(2) // the second one is behind the look at the door
			s.e.Store(e)
			kill()
			time.Sleep(30 * time.Second)
			if err := <-s.over; err != nil {
				t.Errorf("Drain: %v", err)
			}
			e.Close()
			next, stop := d.live(t, answer("after"), task.WithShared(0), task.WithResume(0))
			defer stop()
			time.Sleep(2 * task.DefaultLease)
			wantState(t, get(t, next, id), a2a.TaskStateCompleted)
		})
	})
	t.Run("a turn that is brought", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, o := newDisk(), newOffice()
			owner, kill := d.live(t, echo, task.WithShared(0), task.WithDispatcher(o))
			defer kill()
			start(t, owner, send("hi"))
			turn := <-o.turns
			e, s := open(t, d, task.WithDispatcher(newOffice()))
			s.reads.Store(1)
			s.e.Store(e)
			wantError(t, e.RunTurn(t.Context(), turn), task.ErrShutdown)
			if err := <-s.over; err != nil {
				t.Errorf("Drain: %v", err)
			}
			e.Close()
			if err := owner.RunTurn(t.Context(), turn); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestDrainOfAnIdleEngine(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for range 100 {
		if err := task.NewEngine(echo).Drain(ended); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDrainDoesNotWaitForAStoreForEver: what is not written by then is for the
// next process, and Close lets go of it.
func TestDrainDoesNotWaitForAStoreForEver(t *testing.T) {
	for name, dispatched := range map[string]bool{"a turn": false, "a turn that was brought": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, g, o := &life{Store: task.NewMemory()}, newGate(), newOffice()
				var opts []task.Option
				if dispatched {
					opts = append(opts, task.WithDispatcher(o))
				}
				e, err := task.Open(t.Context(), l, g.run, opts...)
				if err != nil {
					t.Fatal(err)
				}
				id := start(t, e, send("hi")).ID
				var brought <-chan error
				if dispatched {
					brought = bring(t.Context(), e, <-o.turns)
				}
				<-g.begun
				get(t, e, id)
				l.full.Store(true)
				close(g.open) // it comes to its end, which cannot be stored
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				done := make(chan error, 1)
				begin := time.Now()
				go func() { done <- e.Drain(ctx) }()
				time.Sleep(time.Minute)
				select {
				case err := <-done:
					wantError(t, err, task.ErrStore, "not all that has happened is in it", "disk is full")
					wantError(t, err, context.DeadlineExceeded)
				default:
					t.Errorf("it has not returned after %v", time.Since(begin))
				}
				l.full.Store(false) // also after that
				time.Sleep(time.Minute)
				wantState(t, get(t, e, id), a2a.TaskStateCompleted)
				l.full.Store(true)
				e.Close()
				if dispatched {
					if err := <-brought; err != nil {
						t.Errorf("RunTurn: %v", err)
					}
				}
			})
		})
	}
}

// TestCloseLetsGoOfWhatDrainHasLeft: nobody waits any more.
func TestCloseLetsGoOfWhatDrainHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, g, o := &life{Store: task.NewMemory()}, newGate(), newOffice()
		e, err := task.Open(t.Context(), l, g.run, task.WithDispatcher(o))
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		brought := bring(t.Context(), e, <-o.turns)
		<-g.begun
		get(t, e, id)
		l.full.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		wantError(t, e.Drain(ctx), task.ErrStore, "1 turns were cut off")
		if took, want := time.Since(begin), 10*time.Second+task.DefaultShutdownGrace+100*time.Millisecond; took > want {
			t.Errorf("Drain took %v, want %v at most", took, want)
		}
		e.Close()
		wantError(t, <-brought, task.ErrShutdown)
	})
}

// TestAGoodEndAtTheLastMomentIsWritten: a turn that returns just within the grace
// has completed, however long the store takes for it.
func TestAGoodEndAtTheLastMomentIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		const grace = time.Second
		e, err := task.Open(t.Context(), tardy{d.Memory}, func(ctx context.Context, x *task.Execution) error {
			<-ctx.Done()
			time.Sleep(grace - 10*time.Millisecond)
			return nil
		}, task.WithShutdownGrace(grace))
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Drain(ctx); errors.Is(err, task.ErrStore) {
			t.Errorf("Drain: %v", err)
		}
		e.Close()
		e, kill := d.live(t, echo)
		defer kill()
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	})
}

// tardy is a store that takes its time.
type tardy struct{ task.Store }

func (s tardy) Commit(ctx context.Context, ops []task.Op) error {
	time.Sleep(50 * time.Millisecond)
	return s.Store.Commit(ctx, ops)
}
