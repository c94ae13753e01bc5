package task_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// TestAPlacedTurnThatDoesNotComeBackIsPlacedAgain: who has taken it may have lost
// it. It does not run here by itself, and readiness says when it waits.
func TestAPlacedTurnThatDoesNotComeBackIsPlacedAgain(t *testing.T) {
	for name, opts := range map[string][]task.Option{
		"alone":             nil,
		"on a shared store": {task.WithShared(0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fickle{office: newOffice()}
				e, kill := newDisk().live(t, echo, append(opts, task.WithDispatcher(f))...)
				defer kill()
				begin := time.Now()
				id := start(t, e, send("hi")).ID
				turn := <-f.turns
				if again := <-f.turns; again != turn {
					t.Errorf("%+v was placed again, want %+v", again, turn)
				}
				if took := time.Since(begin); took < 5*time.Second || took > 10*time.Second {
					t.Errorf("it was placed again after %v", took)
				}
				synctest.Wait()
				f.refusals.Store(1000)
				time.Sleep(12 * time.Second)
				wantError(t, e.Health(), errClosed, "1 turns")
				f.refusals.Store(2)
				<-f.turns
				synctest.Wait()
				if err := e.Health(); err != nil {
					t.Errorf("unhealthy after all: %v", err)
				}
				if got := get(t, e, id); replyText(got) != "" {
					t.Errorf("it ran: %q", replyText(got))
				}
				if err := e.RunTurn(t.Context(), turn); err != nil {
					t.Error(err)
				}
				wantState(t, get(t, e, id), a2a.TaskStateCompleted)
				time.Sleep(time.Hour)
				if n := len(f.turns); n != 0 {
					t.Errorf("it was placed %d times after its end", n)
				}
			})
		})
	}
}

// TestATurnThatIsBroughtWhileItCannotBePlacedAgain: readiness does not wait for
// the dispatcher any more.
func TestATurnThatIsBroughtWhileItCannotBePlacedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fickle{office: newOffice()}
		e, kill := newDisk().live(t, echo, task.WithDispatcher(f))
		defer kill()
		start(t, e, send("hi"))
		turn := <-f.turns
		f.refusals.Store(1000)
		time.Sleep(6 * time.Second)
		wantError(t, e.Health(), errClosed)
		if err := e.RunTurn(t.Context(), turn); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := e.Health(); err != nil {
			t.Errorf("unhealthy after all: %v", err)
		}
	})
}

// TestAPlacedTurnThatRanElsewhereIsLetGo: the store says so, also to a process
// that does not know of the others.
func TestAPlacedTurnThatRanElsewhereIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		e, kill := d.live(t, echo, task.WithDispatcher(o), task.WithLimits(task.Limits{MaxRunning: 1}))
		defer kill()
		start(t, e, send("hi"))
		turn := <-o.turns
		other, killOther := d.live(t, echo, task.WithDispatcher(newOffice()))
		defer killOther()
		if err := other.RunTurn(t.Context(), turn); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		next := start(t, e, send("next")).ID
		synctest.Wait()
		for len(o.turns) > 0 {
			turn = <-o.turns
		}
		if turn.TaskID != next {
			t.Error("it has its slot still")
		}
	})
}

// TestATurnOfAnotherStore: it is for who has its task.
func TestATurnOfAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		e, kill := newDisk().live(t, echo, task.WithDispatcher(o))
		defer kill()
		id := start(t, e, send("hi")).ID
		turn := <-o.turns
		stranger, killStranger := newDisk().live(t, echo, task.WithDispatcher(newOffice()))
		defer killStranger()
		wantError(t, stranger.RunTurn(t.Context(), turn), task.ErrUnknownTurn)
		wantError(t, stranger.CancelTurn(t.Context(), turn), task.ErrUnknownTurn)
		if err := e.RunTurn(t.Context(), turn); err != nil {
			t.Error(err)
		}
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	})
}

// TestATurnThatNoProcessWaitsForIsPlacedAgain: the one that has placed it is dead,
// or another one had it and was told to let it go, and then it was lost.
func TestATurnThatNoProcessWaitsForIsPlacedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, f := newDisk(), newOffice(), &fickle{office: newOffice()}
		g := newGate()
		dead, kill := d.live(t, echo, task.WithShared(0), task.WithDispatcher(o), task.WithResume(0))
		e, killLast := d.live(t, g.run, task.WithShared(0), task.WithDispatcher(f), task.WithResume(0))
		defer killLast()
		id := start(t, dead, send("hi")).ID
		turn := <-o.turns
		kill()
		for range 3 {
			if again := <-f.turns; again != turn {
				t.Errorf("%+v was placed again, want %+v", again, turn)
			}
		}
		ctx, end := context.WithCancelCause(t.Context())
		over := bring(ctx, e, turn)
		<-g.begun
		end(task.ErrShutdown)
		wantError(t, <-over, task.ErrShutdown)
		f.refusals.Store(1000)
		time.Sleep(time.Minute)
		wantError(t, e.Health(), errClosed, "1 turns")
		f.refusals.Store(0)
		<-f.turns
		close(g.open)
		if err := e.RunTurn(t.Context(), turn); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := get(t, e, id); replyText(got) != "before before after" {
			t.Errorf("the reply is %q", replyText(got))
		}
		if err := e.Health(); err != nil {
			t.Errorf("unhealthy after all: %v", err)
		}
	})
}

// TestAPlacedTurnRunsWhereThereIsNoDispatcher: nobody else would place it again.
func TestAPlacedTurnRunsWhereThereIsNoDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		dead, kill := d.live(t, echo, task.WithShared(0), task.WithDispatcher(o))
		e, killLast := d.live(t, echo, task.WithShared(0))
		defer killLast()
		id := start(t, dead, send("hi")).ID
		<-o.turns
		kill()
		time.Sleep(2 * task.DefaultLease)
		got := get(t, e, id)
		wantState(t, got, a2a.TaskStateCompleted)
		if replyText(got) != "hi" {
			t.Errorf("the reply is %q", replyText(got))
		}
	})
}

// stuck is a dispatcher that does not answer once it is, and refuses before.
type stuck struct{ on atomic.Bool }

func (s *stuck) Dispatch(ctx context.Context, _ task.DispatchedTurn) error {
	if s.on.Load() {
		<-ctx.Done()
	}
	return errClosed
}

func (*stuck) Cancel(context.Context, task.DispatchedTurn) error { return nil }

// TestAProcessStaysAliveWhileItsDispatcherDoesNotAnswer: it is not robbed of what
// it runs while it looks after what the dead have left.
func TestAProcessStaysAliveWhileItsDispatcherDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, s, g := newDisk(), newOffice(), &stuck{}, newGate()
		dead, kill := d.live(t, echo, task.WithShared(0), task.WithDispatcher(o))
		for range 2 {
			start(t, dead, send("placed"))
			<-o.turns
		}
		e, killLiving := d.live(t, g.run, task.WithShared(0), task.WithDispatcher(s))
		defer killLiving()
		id := start(t, e, send("mine")).ID
		<-g.begun
		_, killOther := d.live(t, echo, task.WithShared(0), task.WithDispatcher(newOffice()))
		defer killOther()
		synctest.Wait()
		s.on.Store(true)
		kill()
		time.Sleep(time.Minute)
		wantState(t, get(t, e, id), a2a.TaskStateWorking)
		close(g.open)
		synctest.Wait()
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	})
}

// guarded is a fickle office that is closed from the first refusal on.
type guarded struct {
	fickle
	shut atomic.Bool
}

func (g *guarded) Dispatch(ctx context.Context, turn task.DispatchedTurn) error {
	err := g.fickle.Dispatch(ctx, turn)
	g.shut.Store(err != nil)
	return err
}

func (g *guarded) Open() error {
	if g.shut.Load() {
		return a2a.NewError(a2a.ErrServerError, "closed for now")
	}
	return nil
}

// TestNoTurnRunsHereWhileTheGateIsClosed: also one that was let in before.
func TestNoTurnRunsHereWhileTheGateIsClosed(t *testing.T) {
	begin := func(t *testing.T) (d *disk, g *guarded, e *task.Engine, kill func(), id a2a.TaskID) {
		d, g = newDisk(), &guarded{fickle: fickle{office: newOffice()}}
		g.refusals.Store(1000)
		e, kill = d.live(t, echo, task.WithDispatcher(g))
		id = start(t, e, send("hi")).ID
		time.Sleep(time.Minute)
		wantState(t, get(t, e, id), a2a.TaskStateWorking)
		wantError(t, e.Health(), errClosed, "1 turns")
		return d, g, e, kill, id
	}
	t.Run("until it opens", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, g, e, kill, id := begin(t)
			defer kill()
			g.refusals.Store(0)
			turn := <-g.turns
			synctest.Wait()
			if err := e.Health(); err != nil {
				t.Errorf("unhealthy after all: %v", err)
			}
			if err := e.RunTurn(t.Context(), turn); err != nil {
				t.Error(err)
			}
			wantState(t, get(t, e, id), a2a.TaskStateCompleted)
		})
	})
	t.Run("until it is canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, e, kill, id := begin(t)
			defer kill()
			got, err := cancel(t.Context(), e, id)
			if err != nil {
				t.Fatal(err)
			}
			wantState(t, got, a2a.TaskStateCanceled)
			synctest.Wait()
			if err := e.Health(); err != nil {
				t.Errorf("unhealthy after all: %v", err)
			}
		})
	})
	t.Run("until the process ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, g, e, kill, id := begin(t)
			drain(t, e)
			kill()
			g.refusals.Store(0)
			e, kill = d.live(t, echo, task.WithDispatcher(g))
			defer kill()
			if err := e.RunTurn(t.Context(), <-g.turns); err != nil {
				t.Error(err)
			}
			wantState(t, get(t, e, id), a2a.TaskStateCompleted)
		})
	})
}

// TestAPlacedTurnWhoseBeginningIsDamagedFails: nobody can run it, and it must not
// be taken to be over.
func TestAPlacedTurnWhoseBeginningIsDamagedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		e, kill := d.live(t, newGate().run, task.WithDispatcher(o), task.WithResume(0))
		defer kill()
		id := start(t, e, send("hi")).ID
		turn := <-o.turns
		ctx, interrupt := context.WithCancelCause(t.Context())
		interrupt(task.ErrShutdown)
		if err := e.RunTurn(ctx, turn); !errors.Is(err, task.ErrShutdown) {
			t.Fatalf("RunTurn: %v", err)
		}
		synctest.Wait()
		if err := d.Commit(t.Context(), []task.Op{{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: string(id) + ":", To: string(id) + ";"}}); err != nil {
			t.Fatal(err)
		}
		var failed *task.FailedError
		if err := e.RunTurn(t.Context(), turn); !errors.As(err, &failed) {
			t.Errorf("RunTurn: %v", err)
		}
		wantState(t, get(t, e, id), a2a.TaskStateFailed)
	})
}
