package task

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// CancelTask ends the context of a running turn with the cause [ErrCanceled]
// and waits until the turn has returned, or for the cancel grace at most; then
// the task is canceled without it. From the call on the task cannot complete
// any more. When ctx ends the call stops waiting but the cancellation goes on.
//
// Canceling a canceled task returns it again. A task that has ended in another
// way is a2a.ErrTaskNotCancelable, an unknown one a2a.ErrTaskNotFound.
func (e *Engine) CancelTask(ctx context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	if req == nil {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	t, err := e.find(req.ID)
	if err != nil {
		return nil, err
	}
	if end := e.beginCancel(t); end != nil {
		end(ErrCanceled)
	}
	if !t.await(ctx) {
		return nil, fmt.Errorf("task: the caller left before task %s was canceled, the cancellation goes on: %w", req.ID, context.Cause(ctx))
	}
	task := t.snapshot(nil, true)
	if task.Status.State != a2a.TaskStateCanceled {
		return nil, refused(a2a.ErrTaskNotCancelable, "task %s has already ended: it is %s", req.ID, task.Status.State)
	}
	return task, nil
}

// beginCancel marks a running task and sets the end of the patience with its
// turn. It returns what ends the turn's context, nil when there is nothing to
// do.
func (e *Engine) beginCancel(t *task) context.CancelCauseFunc {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.journal.ended || t.canceled {
		return nil
	}
	t.canceled = true
	t.refuse = ErrCanceled
	t.grace = time.AfterFunc(e.cfg.grace, func() {
		if e.abandon(t) {
			e.noteAbandoned(t, e.cfg.grace, ErrCanceled)
		}
	})
	return t.cancel
}

// abandon gives a task its final status although its turn has not returned. The
// turn keeps its slot: it still costs what a turn costs.
func (e *Engine) abandon(t *task) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.journal.ended {
		return false
	}
	if t.canceled {
		e.finish(t, a2a.TaskStateCanceled, "")
	} else {
		e.finish(t, a2a.TaskStateFailed, shutdownText)
	}
	return true
}

// noteAbandoned logs a turn that does not heed the end of its context.
func (e *Engine) noteAbandoned(t *task, grace time.Duration, cause error) {
	e.log.LogAttrs(context.Background(), slog.LevelWarn,
		"turn has not returned after the end of its context, its task was ended without it",
		slog.String("task_id", string(t.info.TaskID)),
		slog.Duration("grace", grace),
		slog.Any("cause", cause))
}
