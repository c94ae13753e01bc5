package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// DispatchedTurn names one turn of a task.
type DispatchedTurn struct {
	TaskID   a2a.TaskID
	Sequence uint64 // of the event that the turn answers; a task that has asked its caller has several
}

// Dispatcher decides where turns run, such as one on a durable execution
// service. Its methods are called from goroutines of the engine, several at
// once; package temporal has an implementation.
type Dispatcher interface {
	// Dispatch places a turn. It is called once the turn has its slot and the
	// store knows that it is dispatched. nil: the turn comes back through
	// [Engine.RunTurn], in this process or another one. It is called again for
	// the same turn while that has not come back, after 5 s and then ever more
	// seldom, also by a process that has been started meanwhile: a turn that is
	// placed stays as it is, and one that was lost, or was taken to be over, is
	// placed once more. An error: it is not placed, or nobody knows. It then runs
	// here at once, and a RunTurn that comes all the same gets [ErrNotDispatched];
	// but a turn that was placed before may be running elsewhere, and none may run
	// here while the dispatcher is a [Gate] that is closed: that is tried again
	// until it is taken, and [Engine.Health] says so meanwhile. A call has ten
	// seconds.
	Dispatch(ctx context.Context, turn DispatchedTurn) error

	// Cancel tells whoever has placed the turn that a caller has canceled its
	// task. It is best effort: the engine ends the turn by itself when it runs
	// here, and the task is canceled in any case.
	Cancel(ctx context.Context, turn DispatchedTurn) error
}

// Gate is for a [Dispatcher] that may have no room, or that all turns must go
// through: while Open returns an error new messages are refused with it, and a
// turn that was let in before and that Dispatch does not take waits until it
// does, instead of running here. The text is read by callers; for the transport
// there should be a sentinel of package a2a in it.
type Gate interface{ Open() error }

// ErrNotDispatched is returned by [Engine.RunTurn] for a turn that is not there
// to be run: it runs or ran by itself, or it has ended. Nothing is left to do.
var ErrNotDispatched = errors.New("task: the turn is not dispatched, or is over")

// ErrUnknownTurn is returned by [Engine.RunTurn] and [Engine.CancelTurn] for a
// turn of a task that is not in this process's store. The dispatcher should bring
// it to another process, or again later; a task that was forgotten long ago is in
// none.
var ErrUnknownTurn = errors.New("task: this store has no such task")

// FailedError is returned by [Engine.RunTurn] for a turn whose task has failed.
// Its text does not say why, since that may be private; the cause, which may be
// nil, is wrapped.
type FailedError struct{ Err error }

func (*FailedError) Error() string { return "task: the turn has failed" }

// Unwrap returns the agent's error.
func (e *FailedError) Unwrap() error { return e.Err }

// cancelNotice bounds how long a cancellation waits for the dispatcher to hear
// of it.
const cancelNotice = time.Second

// WithDispatcher lets d decide where turns run. Such a turn waits in the same
// queue for the same slots, and its events take the same way. When the process
// ends it is not gone on with by [Open] but by the dispatcher's next RunTurn;
// that needs [WithResume] if it had begun. [Engine.Drain] hands running turns
// over at once instead of waiting for them, if they can be resumed. Default:
// all turns run here.
func WithDispatcher(d Dispatcher) Option {
	return optionFunc(func(c *config) { c.dispatcher = d })
}

// dispatched names the task's present turn. The task's mutex is held.
func (t *task) dispatched() DispatchedTurn {
	return DispatchedTurn{TaskID: t.info.TaskID, Sequence: t.inputAt}
}

// canceledTurn names the task's turn if it is dispatched and canceled.
func (t *task) canceledTurn() (turn DispatchedTurn, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dispatched(), t.placed && t.canceled
}

// place gives a turn that has its slot to the dispatcher, and runs it here when
// it is not taken. Once it is placed it waits for RunTurn, or for its end.
func (e *Engine) place(ctx context.Context, cancel context.CancelCauseFunc, t *task, x *Execution) {
	t.mu.Lock()
	turn := t.dispatched()
	t.mu.Unlock()
	err := t.awaitStored(ctx)
	if err == nil {
		if err = e.awaitClaim(ctx, t, turn); err == nil {
			return
		}
	}
	t.mu.Lock()
	mine := e.claim(ctx, t)
	here := mine && ctx.Err() == nil && t.journal.left == nil
	if here {
		t.placed = false
		t.attempt++
		x.attempt = t.attempt
		e.commits.mark(t)
	}
	t.mu.Unlock()
	switch {
	case !mine: // it has come back all the same
	case !here:
		e.turn(ctx, cancel, t, x, func(context.Context, *Execution) error { return context.Cause(ctx) })
	default:
		e.log.LogAttrs(ctx, slog.LevelWarn, "turn cannot be dispatched and runs in this process: it is not taken over by another one",
			slog.String("task_id", string(turn.TaskID)), slog.Any("error", err))
		e.turn(ctx, cancel, t, x, e.run)
	}
}

// claim takes the one right to run the task's placed turn, and reports whether
// it was there to take. The task's mutex is held.
func (e *Engine) claim(ctx context.Context, t *task) bool {
	select {
	case <-t.turn.claimed:
		return false
	default:
		close(t.turn.claimed)
		e.tell.queued.Add(ctx, -1)
		return true
	}
}

// RunTurn runs a dispatched turn in the calling goroutine until its task is at
// rest. It waits for the turn's slot first. A turn that another process has, or
// had, is taken over: that one is stopped as soon as it writes. When the turn
// runs here already, the call waits for its end like the first one.
//
// When ctx ends with the cause [ErrCanceled] the task is canceled; with any
// other, the turn is interrupted, and goes on with the next RunTurn if the agent
// can resume. The agent's context has the values of the request that brought the
// message, where this process knows them, and those of ctx.
//
// nil says that the task has completed or asks its caller for more. Otherwise
// the error is one of [ErrCanceled], [ErrTimeout] and *[FailedError] (the task
// is at rest), [ErrShutdown] (the turn goes on with the next RunTurn),
// [ErrElsewhere] (another process has taken it over), [ErrNotDispatched],
// [ErrUnknownTurn], or that of the store.
func (e *Engine) RunTurn(ctx context.Context, turn DispatchedTurn) error {
	t, err := e.dispatchedTask(ctx, turn)
	if err != nil {
		return err
	}
	t.mu.Lock()
	begun, done := t.turn.begun, t.turn.done
	t.mu.Unlock()
	select {
	case <-begun:
	case <-done:
		return t.outcome(nil)
	case <-ctx.Done():
		if err := e.interrupted(ctx, t, turn); !errors.Is(err, ErrCanceled) {
			return err
		}
		<-done // not before it is in the store
		return t.outcome(nil)
	}
	stop := context.AfterFunc(ctx, func() { _ = e.interrupted(ctx, t, turn) })
	defer stop()

	e.mu.Lock()
	t.mu.Lock()
	x, run, cancel := t.turn.x, t.turn.ctx, t.turn.cancel
	if t.turn.done != done || run == nil || t.turn.refuse != nil || t.taken() {
		t.mu.Unlock()
		e.mu.Unlock()
		<-done // the one who runs it ends it, when ctx ends as well
		return t.outcome(nil)
	}
	e.turns.Add(1) // while place still counts, so that Drain waits for both
	defer e.turns.Done()
	e.claim(run, t)
	t.attempt++
	x.attempt, x.written = t.attempt, t.journal.text.String()
	e.commits.mark(t)
	t.mu.Unlock()
	e.mu.Unlock()
	failure := e.turn(withValues{run, ctx}, cancel, t, x, e.run)
	<-done
	return t.outcome(failure)
}

// withValues has the values of the request that brought a message, as far as
// this process knows them, and those of the call of RunTurn.
type withValues struct {
	context.Context
	call context.Context
}

func (c withValues) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.call.Value(key)
}

// dispatchedTask finds the task of a dispatched turn, live or, when another
// process has had it, in the store.
func (e *Engine) dispatchedTask(ctx context.Context, turn DispatchedTurn) (*task, error) {
	release, err := e.hold(ctx, turn.TaskID)
	if err != nil {
		return nil, err
	}
	defer release()
	e.mu.Lock()
	t, draining := e.live[turn.TaskID], e.draining
	e.mu.Unlock()
	if t == nil && draining {
		return nil, ErrShutdown
	}
	if t == nil {
		l := leftover{id: turn.TaskID}
		l.t, l.damaged, l.err = e.read(ctx, turn.TaskID)
		if err := l.refuses(turn); err != nil {
			return nil, err
		}
		if l.err == nil {
			if l, err = e.takeOver(l.t, false); errors.Is(err, ErrConflict) {
				return nil, ErrElsewhere
			}
			if err == nil {
				err = l.refuses(turn)
			}
			if err != nil {
				return nil, err
			}
		}
		l.adopted = true
		if e.recoverTask(ctx, l) {
			return nil, ErrShutdown
		}
		t = l.t
	}
	t.mu.Lock()
	placed, at := t.placed, t.inputAt
	t.mu.Unlock()
	if placed && at == turn.Sequence {
		return t, nil
	}
	// The dispatcher takes the turn to be over then, so this must be what the
	// store says, not what is known here: that may be on its way to the store
	// when the process dies, or waiting here while another process has placed it.
	if err := t.awaitStored(ctx); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ErrCanceled) {
			return nil, errors.Join(ErrShutdown, err)
		}
		return nil, err
	}
	value, err := e.store.Get(ctx, BucketTasks, string(turn.TaskID))
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotDispatched
	}
	if err != nil {
		return nil, err
	}
	if r, err := decodeRow(value); err == nil && r.Placed && at <= turn.Sequence {
		return nil, ErrElsewhere
	}
	return nil, ErrNotDispatched
}

// refuses says why a turn of the task is not run.
func (l leftover) refuses(turn DispatchedTurn) error {
	switch {
	case l.t == nil && errors.Is(l.err, ErrNotFound):
		return ErrUnknownTurn
	case l.t == nil, l.err != nil && !errors.Is(l.err, errDamaged):
		return l.err
	case l.err != nil && l.t.placed && l.t.inputAt < turn.Sequence:
		return nil // its beginning is what is damaged: it has to be brought to an end
	case l.t.journal.rest, !l.t.placed, l.t.inputAt != turn.Sequence:
		return ErrNotDispatched
	}
	return nil
}

// interrupted ends a dispatched turn whose RunTurn has been ended.
func (e *Engine) interrupted(ctx context.Context, t *task, turn DispatchedTurn) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrCanceled) {
		e.cancelTurn(t, turn)
		return ErrCanceled
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.journal.rest || t.turn.refuse != nil || t.inputAt != turn.Sequence {
		return ErrShutdown
	}
	t.turn.refuse = ErrShutdown
	if t.turn.cancel != nil {
		t.turn.cancel(ErrShutdown)
		e.bound(t, ErrShutdown)
	} else if e.dequeue(t, outcomeInterrupted) {
		e.leaveLocked(t, ErrShutdown)
	}
	return ErrShutdown
}

// cancelTurn cancels the task if the turn is still its present one.
func (e *Engine) cancelTurn(t *task, turn DispatchedTurn) {
	t.mu.Lock()
	same := t.inputAt == turn.Sequence
	t.mu.Unlock()
	if !same {
		return
	}
	if _, _, end := e.beginCancel(t); end != nil {
		end(ErrCanceled)
	}
}

// CancelTurn cancels the task of a dispatched turn, wherever it is, for a
// dispatcher that was told to by its own users. A turn that is over is
// [ErrNotDispatched], one whose task is not in this process's store
// [ErrUnknownTurn].
func (e *Engine) CancelTurn(ctx context.Context, turn DispatchedTurn) error {
	t, err := e.dispatchedTask(ctx, turn)
	if err != nil {
		return err
	}
	e.cancelTurn(t, turn)
	select {
	case <-t.doneChannel():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch err := t.outcome(nil); {
	case errors.Is(err, ErrCanceled):
		return nil
	case errors.Is(err, ErrShutdown), errors.Is(err, ErrElsewhere):
		return err
	}
	return ErrNotDispatched
}

// outcome is what RunTurn says of a turn that is over.
func (t *task) outcome(failure error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.journal.left != nil:
		return t.journal.left
	case t.status.State == a2a.TaskStateCanceled:
		return ErrCanceled
	case t.status.State != a2a.TaskStateFailed:
		return nil
	case errors.Is(t.turn.expired, ErrTimeout):
		return t.turn.expired
	case t.turn.expired != nil: // its reply was too large
		failure = t.turn.expired
	}
	return &FailedError{Err: failure}
}

// noteCancel tells the dispatcher that a task is canceled.
func (e *Engine) noteCancel(ctx context.Context, turn DispatchedTurn) {
	ctx = context.WithoutCancel(ctx)
	if err := protect(ctx, cancelNotice, turn, e.cfg.dispatcher.Cancel); err != nil {
		e.log.LogAttrs(ctx, slog.LevelWarn, "the dispatcher could not be told that a task is canceled",
			slog.String("task_id", string(turn.TaskID)), slog.Any("error", err))
	}
}

// handOver ends the running turns that are dispatched and can be resumed, so
// that another process has them at once. The engine's mutex is held.
func (e *Engine) handOver() (ends []context.CancelCauseFunc) {
	if e.cfg.dispatcher == nil || !e.durable() {
		return nil
	}
	for _, t := range e.running {
		t.mu.Lock()
		if t.placed && (e.cfg.resume || !t.taken()) && t.turn.refuse == nil && t.turn.cancel != nil {
			t.turn.refuse = ErrShutdown
			ends = append(ends, t.turn.cancel)
		}
		t.mu.Unlock()
	}
	return ends
}

// taken reports whether somebody runs the placed turn.
func (t *task) taken() bool {
	select {
	case <-t.turn.claimed:
		return true
	default:
		return false
	}
}

// newTurn is the state of a turn that waits.
func (e *Engine) newTurn() turnState {
	s := turnState{done: make(chan struct{}), holder: e.hosts.holder()}
	if e.cfg.dispatcher != nil {
		s.begun, s.claimed = make(chan struct{}), make(chan struct{})
	}
	return s
}
