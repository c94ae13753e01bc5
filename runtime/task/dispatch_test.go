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

// office is a dispatcher that notes what it is given.
type office struct {
	turns    chan task.DispatchedTurn
	canceled chan task.DispatchedTurn
	refuse   error
}

func newOffice() *office {
	return &office{turns: make(chan task.DispatchedTurn, 100), canceled: make(chan task.DispatchedTurn, 100)}
}

func (o *office) Dispatch(_ context.Context, turn task.DispatchedTurn) error {
	o.turns <- turn
	return o.refuse
}

func (o *office) Cancel(_ context.Context, turn task.DispatchedTurn) error {
	o.canceled <- turn
	return nil
}

// bring lets an engine run a turn, and returns what RunTurn says.
func bring(ctx context.Context, e *task.Engine, turn task.DispatchedTurn) <-chan error {
	over := make(chan error, 1)
	go func() { over <- e.RunTurn(ctx, turn) }()
	return over
}

func TestADispatchedTurnRunsWhenItIsBrought(t *testing.T) {
	o := newOffice()
	e, kill := newDisk().live(t, echo, task.WithDispatcher(o))
	defer kill()
	made := start(t, e, send("hi"))
	turn := <-o.turns
	if turn != (task.DispatchedTurn{TaskID: made.ID, Sequence: 1}) {
		t.Errorf("dispatched %+v", turn)
	}
	if got := get(t, e, made.ID); replyText(got) != "" {
		t.Errorf("it ran before it was brought: %q", replyText(got))
	}
	if err := <-bring(t.Context(), e, turn); err != nil {
		t.Errorf("RunTurn: %v", err)
	}
	got := get(t, e, made.ID)
	wantState(t, got, a2a.TaskStateCompleted)
	if replyText(got) != "hi" {
		t.Errorf("the reply is %q", replyText(got))
	}
	// What comes late is not run.
	for _, late := range []task.DispatchedTurn{turn, {TaskID: made.ID, Sequence: 7}} {
		wantError(t, <-bring(t.Context(), e, late), task.ErrNotDispatched)
	}
}

func TestATurnThatIsNotPlacedRunsHereOnce(t *testing.T) {
	o := newOffice()
	o.refuse = errors.New("nobody is there")
	log := &logged{}
	e, kill := newDisk().live(t, echo, task.WithDispatcher(o), task.WithLogger(log.logger()))
	defer kill()
	got := finish(t, e, send("hi"))
	if replyText(got) != "hi" {
		t.Errorf("the reply is %q", replyText(got))
	}
	wantError(t, <-bring(t.Context(), e, <-o.turns), task.ErrNotDispatched)
	wantLogged(t, log, "nobody is there")
}

func TestADispatchedTurnGoesOnInTheNextProcess(t *testing.T) {
	o, d, g := newOffice(), newDisk(), newGate()
	e, kill := d.live(t, g.run, task.WithDispatcher(o), task.WithResume(0))
	id := start(t, e, send("hi")).ID
	turn := <-o.turns
	first := bring(t.Context(), e, turn)
	<-g.begun
	get(t, e, id)
	kill()
	wantError(t, <-first, task.ErrShutdown)

	attempts := 0
	e, stop := d.live(t, func(_ context.Context, x *task.Execution) error {
		attempts = x.Attempt()
		_, err := x.WriteText([]byte("and " + x.Written()))
		return err
	}, task.WithDispatcher(o), task.WithResume(0))
	defer stop()
	if again := <-o.turns; again != turn {
		t.Errorf("dispatched again as %+v, want %+v", again, turn)
	}
	if err := <-bring(t.Context(), e, turn); err != nil {
		t.Fatal(err)
	}
	if got := get(t, e, id); replyText(got) != "before and before " || attempts != 2 {
		t.Errorf("attempt %d, reply %q", attempts, replyText(got))
	}
}

// TestATurnIsTakenOverByAnotherProcess: both are alive, and use one store.
func TestATurnIsTakenOverByAnotherProcess(t *testing.T) {
	o, d, g := newOffice(), newDisk(), newGate()
	e, kill := d.live(t, g.run, task.WithDispatcher(o), task.WithResume(0))
	defer kill()
	id := start(t, e, send("hi")).ID
	turn := <-o.turns
	first := bring(t.Context(), e, turn)
	<-g.begun
	get(t, e, id)

	other := newOffice()
	e2, kill2 := d.live(t, answer("by the other"), task.WithDispatcher(other), task.WithResume(0))
	defer kill2()
	if err := <-bring(t.Context(), e2, turn); err != nil {
		t.Fatal(err)
	}
	close(g.open) // the first one writes, and finds out
	wantError(t, <-first, task.ErrElsewhere)
	if got := get(t, e2, id); replyText(got) != "before by the other" {
		t.Errorf("the reply is %q", replyText(got))
	}
}

func TestCancelingADispatchedTurn(t *testing.T) {
	for name, running := range map[string]bool{"running": true, "waiting": false} {
		t.Run("a caller, "+name, func(t *testing.T) {
			o, g := newOffice(), newGate()
			e, kill := newDisk().live(t, g.run, task.WithDispatcher(o))
			defer kill()
			id := start(t, e, send("hi")).ID
			turn := <-o.turns
			var over <-chan error
			if running {
				over = bring(t.Context(), e, turn)
				<-g.begun
			}
			got, err := e.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: id})
			if err != nil {
				t.Fatal(err)
			}
			wantState(t, got, a2a.TaskStateCanceled)
			if told := <-o.canceled; told != turn {
				t.Errorf("the dispatcher was told of %+v", told)
			}
			if running {
				wantError(t, <-over, task.ErrCanceled)
			}
			wantError(t, <-bring(t.Context(), e, turn), task.ErrNotDispatched)
		})
	}
	t.Run("the dispatcher, running", func(t *testing.T) {
		o, g := newOffice(), newGate()
		e, kill := newDisk().live(t, g.run, task.WithDispatcher(o))
		defer kill()
		id := start(t, e, send("hi")).ID
		ctx, cancel := context.WithCancelCause(t.Context())
		over := bring(ctx, e, <-o.turns)
		<-g.begun
		cancel(task.ErrCanceled)
		wantError(t, <-over, task.ErrCanceled)
		wantState(t, get(t, e, id), a2a.TaskStateCanceled)
	})
	t.Run("the dispatcher, before it is brought, in another process", func(t *testing.T) {
		o, d := newOffice(), newDisk()
		e, kill := d.live(t, echo, task.WithDispatcher(o))
		id := start(t, e, send("hi")).ID
		turn := <-o.turns
		kill()
		e, stop := d.live(t, echo, task.WithDispatcher(o))
		defer stop()
		if err := e.CancelTurn(t.Context(), turn); err != nil {
			t.Fatal(err)
		}
		wantState(t, get(t, e, id), a2a.TaskStateCanceled)
	})
}

// TestDrainHandsDispatchedTurnsOver: at once, although there is all the time in
// the world, and those that have not begun as well.
func TestDrainHandsDispatchedTurnsOver(t *testing.T) {
	o, d, g := newOffice(), newDisk(), newGate()
	e, kill := d.live(t, g.run, task.WithDispatcher(o), task.WithResume(0))
	running := start(t, e, send("running")).ID
	over := bring(t.Context(), e, <-o.turns)
	<-g.begun
	waiting := start(t, e, send("waiting")).ID
	<-o.turns
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	wantError(t, <-over, task.ErrShutdown)
	kill()

	e, stop := d.live(t, answer("after"), task.WithDispatcher(o), task.WithResume(0))
	defer stop()
	for range 2 {
		if err := <-bring(t.Context(), e, <-o.turns); err != nil {
			t.Error(err)
		}
	}
	if got := replyText(get(t, e, running)); got != "before after" {
		t.Errorf("the one that ran says %q", got)
	}
	if got := replyText(get(t, e, waiting)); got != "after" {
		t.Errorf("the one that waited says %q", got)
	}
}

func TestWhatRunTurnSaysOfAFailure(t *testing.T) {
	o := newOffice()
	secret := errors.New("the key is 123")
	e, kill := newDisk().live(t, func(ctx context.Context, x *task.Execution) error {
		switch x.Message().Parts[0].Text() {
		case "slow":
			<-ctx.Done()
			return context.Cause(ctx)
		case "long":
			_, err := x.WriteText(make([]byte, 5000))
			return err
		}
		return secret
	}, task.WithDispatcher(o), task.WithTimeouts(task.Timeouts{Total: 20 * time.Millisecond}), task.WithLimits(task.Limits{MaxReplyBytes: 1000}))
	defer kill()
	start(t, e, send("fast"))
	err := <-bring(t.Context(), e, <-o.turns)
	var failed *task.FailedError
	if !errors.As(err, &failed) || !errors.Is(err, secret) || failed.Error() != "task: the turn has failed" {
		t.Errorf("a failure is %v", err)
	}
	start(t, e, send("long"))
	err = <-bring(t.Context(), e, <-o.turns)
	if !errors.As(err, &failed) || !errors.Is(err, task.ErrReplyTooLarge) {
		t.Errorf("a failure is %v", err)
	}
	start(t, e, send("slow"))
	wantError(t, <-bring(t.Context(), e, <-o.turns), task.ErrTimeout)
}

// TestTwoRunTurnsAreOne: a dispatcher that has lost sight of a turn brings it
// again while it runs.
func TestTwoRunTurnsAreOne(t *testing.T) {
	o, g := newOffice(), newGate()
	e, kill := newDisk().live(t, g.run, task.WithDispatcher(o), task.WithResume(0))
	defer kill()
	id := start(t, e, send("hi")).ID
	turn := <-o.turns
	first := bring(t.Context(), e, turn)
	<-g.begun
	second := bring(t.Context(), e, turn)
	close(g.open)
	if err := errors.Join(<-first, <-second); err != nil && !errors.Is(err, task.ErrNotDispatched) {
		t.Error(err)
	}
	if got := get(t, e, id); replyText(got) != "before after" {
		t.Errorf("the reply is %q", replyText(got))
	}
}

// closedOffice takes no messages.
type closedOffice struct{ *office }

func (closedOffice) Open() error { return a2a.NewError(a2a.ErrServerError, "closed today") }

func TestAGateRefusesMessages(t *testing.T) {
	e, kill := newDisk().live(t, echo, task.WithDispatcher(closedOffice{newOffice()}))
	defer kill()
	_, err := e.SendMessage(t.Context(), send("hi"))
	wantError(t, err, a2a.ErrServerError, "closed today")
}

var errClosed = errors.New("the office is closed")

// fickle is a dispatcher that refuses a number of times, and then panics once.
type fickle struct {
	*office
	refusals atomic.Int32
}

func (f *fickle) Dispatch(ctx context.Context, turn task.DispatchedTurn) error {
	switch n := f.refusals.Add(-1); {
	case n > 0:
		return errClosed
	case n == 0:
		panic("the office burns")
	}
	return f.office.Dispatch(ctx, turn)
}

// TestAPlacedTurnIsNotRunHereBecauseItCannotBePlacedAgain: it may be running
// elsewhere.
func TestAPlacedTurnIsNotRunHereBecauseItCannotBePlacedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		e, kill := d.live(t, echo, task.WithDispatcher(o), task.WithResume(0))
		id := start(t, e, send("hi")).ID
		turn := <-o.turns
		kill()

		f := &fickle{office: newOffice()}
		f.refusals.Store(4)
		e, kill = d.live(t, echo, task.WithDispatcher(f), task.WithResume(0))
		defer kill()
		synctest.Wait()
		wantError(t, e.Health(), errClosed, "1 turns")
		if again := <-f.turns; again != turn {
			t.Errorf("%+v was placed again, want %+v", again, turn)
		}
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
	})
}

// TestATurnThatWasBegunHereGoesOnHere: where it runs is decided once.
func TestATurnThatWasBegunHereGoesOnHere(t *testing.T) {
	d, g, o := newDisk(), newGate(), newOffice()
	o.refuse = errors.New("nobody is there")
	e, kill := d.live(t, g.run, task.WithDispatcher(o), task.WithResume(0))
	id := start(t, e, send("hi")).ID
	<-g.begun
	get(t, e, id)
	kill()

	o = newOffice()
	e, kill = d.live(t, answer("after"), task.WithDispatcher(o), task.WithResume(0))
	defer kill()
	events := e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id})
	for range events { // until its end
	}
	wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	if n := len(o.turns); n != 0 {
		t.Errorf("it was dispatched %d times", n)
	}
}

// blind is a store in which events cannot be read for a time.
type blind struct {
	task.Store
	on atomic.Bool
}

var errBlind = errors.New("the connection is lost")

func (b *blind) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	if r.Bucket == task.BucketEvents && b.on.Load() {
		return nil, errBlind
	}
	return b.Store.Scan(ctx, r)
}

// TestAStoreThatCannotBeReadIsNoEndOfATurn: the dispatcher has to bring it again.
func TestAStoreThatCannotBeReadIsNoEndOfATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		e, kill := d.live(t, echo, task.WithShared(0), task.WithDispatcher(o))
		defer kill()
		id := start(t, e, send("hi")).ID
		turn := <-o.turns
		b := &blind{Store: d.Memory}
		other, err := task.Open(t.Context(), b, echo, task.WithShared(0), task.WithDispatcher(newOffice()))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		b.on.Store(true)
		wantError(t, other.RunTurn(t.Context(), turn), errBlind)
		b.on.Store(false)
		if err := other.RunTurn(t.Context(), turn); err != nil {
			t.Error(err)
		}
		wantState(t, get(t, other, id), a2a.TaskStateCompleted)
		drain(t, other)
	})
}
