package task

import (
	"context"
	"errors"
	"log/slog"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// lostText stands for the message of a task whose record of it cannot be read.
const lostText = "What was asked here is lost: the record of this task is damaged."

// clearDamage removes what cannot be read of a task: what comes now takes its
// place. Another process may have found the same damage and have brought the task
// to its end since, which must not be removed, so the row has to be the one that
// was read. clearDamage reports whether it was; else who waits for the task here
// is told that it is not to be had.
func (e *Engine) clearDamage(l leftover) bool {
	t := l.t
	err := e.commits.commit([]Op{
		{Kind: Expect, Bucket: BucketTasks, Key: string(l.id), Value: t.saved.row},
		{Kind: DeleteRange, Bucket: BucketEvents, Key: l.damaged, To: eventsEnd(l.id)},
	})
	if err == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, ErrConflict):
		t.journal.leave(ErrElsewhere)
	case errors.Is(err, errRefused):
		t.journal.leave(errRefused)
	default:
		t.journal.leave(ErrShutdown)
	}
	closeDone(t)
	return false
}

// startOver makes a journal for a task of which only the row can be read, so that
// it can be seen to have failed. It reports whether there is a row.
func (l leftover) startOver() bool {
	t := l.t
	if t == nil {
		return false
	}
	r, err := decodeRow(t.saved.row)
	if err != nil {
		return false
	}
	said := a2a.NewMessageForTask(a2a.MessageRoleAgent, t.info, a2a.NewTextPart(lostText))
	t.submit(&input{message: said}, r.At)
	t.saved.listed = listedKey(t.owner, r.At, l.id)
	if rests(a2a.TaskState(r.State)) {
		t.saved.kept = timeKey(r.At, string(l.id))
	}
	return true
}

// strike takes a task out of those that have work left to do of which nothing can
// be shown to anybody.
func (e *Engine) strike(ctx context.Context, l leftover) {
	e.log.LogAttrs(ctx, slog.LevelError, "a task that was running is lost: the store has no record of it that can be read",
		slog.String("task_id", string(l.id)), slog.Any("error", l.err))
	ops := []Op{{Kind: Delete, Bucket: BucketOpen, Key: string(l.id)}}
	switch {
	case l.t != nil:
		ops = append(ops, Op{Kind: Expect, Bucket: BucketTasks, Key: string(l.id), Value: l.t.saved.row})
	case errors.Is(l.err, ErrNotFound):
		ops = append(ops, Op{Kind: Expect, Bucket: BucketTasks, Key: string(l.id)})
	}
	_ = e.commits.commit(ops) // else it is not as it was, or the next process does it
}
