package task

import (
	"context"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// CancelTask ends the context of a running turn with the cause [ErrCanceled]
// and waits until the turn has returned, or for the cancel grace at most; then
// the task is canceled without it. From the call on the task cannot complete
// any more, also when the process ends before the turn. A task that waits, for
// its turn or for the caller, is canceled at once. When ctx ends the call stops
// waiting but the cancellation goes on.
//
// Canceling a canceled task returns it again. A task that has ended in another
// way is a2a.ErrTaskNotCancelable, an unknown one a2a.ErrTaskNotFound.
func (e *Engine) CancelTask(ctx context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	if req == nil {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	t, err := e.cancel(ctx, req.ID)
	for again := 0; err == nil && e.isElsewhere(t) && again < maxReads; again++ {
		t, err = e.cancel(ctx, req.ID) // it has changed hands meanwhile
	}
	if err != nil {
		return nil, err
	}
	if err := t.leftWhy(); err != nil {
		return nil, err
	}
	task, err := e.present(ctx, t, nil, true)
	if err != nil {
		return nil, err
	}
	if task.Status.State != a2a.TaskStateCanceled {
		return nil, refused(a2a.ErrTaskNotCancelable, "task %s has already ended: it is %s", req.ID, task.Status.State)
	}
	return task, nil
}

// cancel cancels a task and waits for its end.
func (e *Engine) cancel(ctx context.Context, id a2a.TaskID) (*task, error) {
	t, done, end, err := e.tryCancel(ctx, id)
	if err != nil {
		return nil, err
	}
	noteTask(ctx, t)
	if turn, placed := t.canceledTurn(); placed && e.cfg.dispatcher != nil {
		e.noteCancel(ctx, turn)
	}
	if end != nil {
		end(ErrCanceled)
	}
	stuck, _ := e.commits.trouble()
	select {
	case <-done:
	case <-stuck:
		return nil, errStore()
	case <-ctx.Done():
		return nil, fmt.Errorf("task: the caller left before task %s was canceled, the cancellation goes on: %w", id, context.Cause(ctx))
	}
	return t, nil
}

// tryCancel finds a task and begins to cancel it; see beginCancel.
func (e *Engine) tryCancel(ctx context.Context, id a2a.TaskID) (*task, <-chan struct{}, context.CancelCauseFunc, error) {
	release, err := e.hold(ctx, id)
	if err != nil {
		return nil, nil, nil, err
	}
	defer release()
	t, err := e.find(ctx, e.cfg.owner(ctx), id)
	if err != nil {
		return nil, nil, nil, err
	}
	if e.isOthers(t) {
		if t, err = e.takeToCancel(ctx, t); err != nil {
			return nil, nil, nil, err
		}
	}
	t, done, end := e.beginCancel(t)
	return t, done, end, nil
}

// isOthers reports whether a task was read from the store that another process
// has, or had.
func (e *Engine) isOthers(t *task) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := t.journal.left != nil && t.saved.asked == 0 && !t.journal.rest && e.live[t.info.TaskID] == nil
	return fresh && !e.draining && (e.shared() || t.placed && e.cfg.dispatcher != nil)
}

// beginCancel marks a task as canceled, and brings it to its end if it only
// waits. It returns the task that is live by now, what is closed at its end,
// and what ends the context of its turn, nil when there is none.
func (e *Engine) beginCancel(t *task) (*task, <-chan struct{}, context.CancelCauseFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if live := e.live[t.info.TaskID]; live != nil {
		t = live
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	done := t.turn.done
	switch {
	case t.journal.ended, t.canceled, t.journal.left != nil:
		return t, done, nil
	case t.journal.rest: // it waits for the caller
		t.canceled = true
		turn := e.newTurn()
		if !t.journal.atRest() { // the question is on its way to the store, and somebody waits for it
			turn.done = done
		}
		t.turn = turn
		e.live[t.info.TaskID] = t
		e.finish(t, a2a.TaskStateCanceled, "")
		return t, t.turn.done, nil
	case e.dequeue(t, outcomeCanceled):
		t.canceled = true
		e.finish(t, a2a.TaskStateCanceled, "")
		return t, done, nil
	}
	t.canceled = true
	t.turn.refuse = ErrCanceled
	e.bound(t, ErrCanceled)
	e.commits.mark(t)
	return t, done, t.turn.cancel
}
