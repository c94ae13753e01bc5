package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// takeOver makes this process the one that has a task which was read from the
// store and is not at rest there, and marks it as canceled if it is to be. It
// changes the row alone: what the other one writes in the meantime does not, so
// that it cannot keep the task by being fast. After that it cannot write, and what
// is read then is all there is of the task.
//
// Whoever calls holds the task. The context is not the caller's: a task that was
// taken must not be left.
func (e *Engine) takeOver(t *task, cancel bool) (leftover, error) {
	ctx, stop := context.WithTimeout(e.commits.ctx, patience)
	defer stop()
	l := leftover{id: t.info.TaskID}
	e.mu.Lock()
	draining := e.draining
	e.mu.Unlock()
	if draining { // it would only be taken from who has it
		return l, ErrShutdown
	}
	mine, err := decodeRow(t.saved.row)
	if err != nil {
		return l, err
	}
	mine.Holder, mine.Canceled = e.hosts.holder(), mine.Canceled || cancel
	id := string(l.id)
	err = e.store.Commit(ctx, []Op{
		{Kind: Expect, Bucket: BucketTasks, Key: id, Value: t.saved.row},
		{Kind: Put, Bucket: BucketTasks, Key: id, Value: mustJSON(mine)},
		{Kind: Put, Bucket: BucketOpen, Key: id, Value: []byte(e.hosts.id)},
	})
	if err != nil {
		return l, fmt.Errorf("task: take %s over: %w", id, err)
	}
	l.t, l.damaged, l.err = e.read(ctx, l.id)
	if l.err != nil && !errors.Is(l.err, errDamaged) {
		return l, fmt.Errorf("task: read %s that was taken over: %w", id, l.err)
	}
	return l, nil
}

// takeToCancel takes a task from whoever has it elsewhere, and cancels it; that
// one finds out with the next thing it writes. A task that changes hands at this
// moment is returned as it is.
func (e *Engine) takeToCancel(ctx context.Context, t *task) (*task, error) {
	l, err := e.takeOver(t, true)
	switch {
	case errors.Is(err, ErrConflict):
		return t, nil
	case errors.Is(err, ErrShutdown):
		return nil, errDraining()
	case err != nil:
		e.log.LogAttrs(ctx, slog.LevelError, "a task of another process cannot be canceled in the store",
			slog.String("task_id", string(l.id)), slog.Any("error", err))
		return nil, errStore()
	case e.recoverTask(ctx, l):
		return nil, errDraining()
	case l.t == nil:
		return t, nil
	}
	return l.t, nil
}
