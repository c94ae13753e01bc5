package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// What a caller reads about a task whose turn was interrupted.
const (
	interruptedText = "The agent was restarted before it had answered, and cannot go on with it. Send the message again under a new id."
	givenUpText     = "The agent was restarted again and again while it answered this, so it was given up. Its log says more."
	damagedText     = "The record of this task is damaged, so it cannot be gone on with. Send the message again under a new id."
)

// recover looks after what an earlier process has left in the store. The time
// it takes depends on the tasks that were not at rest, not on all there are.
func (e *Engine) recover(ctx context.Context) error {
	if err := e.checkFormat(ctx); err != nil {
		return err
	}
	if err := e.listWaiting(ctx); err != nil {
		return err
	}
	if err := e.count(ctx); err != nil {
		return err
	}
	e.prune(ctx)
	if err := e.outbox.recover(ctx); err != nil {
		return err
	}
	if e.shared() {
		return e.join(ctx)
	}
	open, err := e.store.Scan(ctx, Range{Bucket: BucketOpen})
	if err != nil {
		return err
	}
	left := make([]leftover, len(open))
	for i, entry := range open {
		l := leftover{id: a2a.TaskID(entry.Key)}
		l.t, l.damaged, l.err = e.read(ctx, l.id)
		if l.err != nil && !isLost(l.err) {
			return fmt.Errorf("task %s: %w", l.id, l.err)
		}
		left[i] = l
	}
	slices.SortStableFunc(left, leftover.compare)
	for _, l := range left {
		e.recoverTask(ctx, l)
	}
	return nil
}

// isLost reports whether an error of a read says that what the store had is not
// there any more, and not only that it cannot be read now.
func isLost(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, errDamaged) }

// leftover is a task that was not at rest when the process ended, as read has
// found it.
type leftover struct {
	id      a2a.TaskID
	host    string // whose it is; empty where there is no other
	t       *task
	damaged string
	err     error
	adopted bool // its dispatcher has sent for it
}

// compare puts what had begun before what waited, and that into the order in
// which its messages came.
func (l leftover) compare(m leftover) int {
	rank := func(l leftover) (waits int, since int64) {
		if l.t == nil || l.t.status.Timestamp == nil {
			return 0, 0
		}
		if l.t.attempt == 0 {
			waits = 1
		}
		return waits, l.t.status.Timestamp.UnixMilli()
	}
	lWaits, lSince := rank(l)
	mWaits, mSince := rank(m)
	return cmp.Or(cmp.Compare(lWaits, mWaits), cmp.Compare(lSince, mSince), cmp.Compare(l.id, m.id))
}

func (e *Engine) checkFormat(ctx context.Context) error {
	value, err := e.store.Get(ctx, BucketMeta, formatKey)
	switch {
	case errors.Is(err, ErrNotFound):
		return e.store.Commit(ctx, []Op{{Kind: Put, Bucket: BucketMeta, Key: formatKey, Value: []byte(format)}})
	case err != nil:
		return err
	case string(value) != format:
		return fmt.Errorf("%w: it has format %.20q and this program knows %q: use the program that has written it, or move the store away", ErrFormat, value, format)
	}
	return nil
}

// listWaiting does once what versions before did not: they had only those tasks
// in BucketFinished that have ended, so that the others were kept for ever.
func (e *Engine) listWaiting(ctx context.Context) error {
	_, err := e.store.Get(ctx, BucketMeta, waitingKey)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	entries, err := e.store.Scan(ctx, Range{Bucket: BucketListed})
	if err != nil {
		return err
	}
	ops := []Op{{Kind: Put, Bucket: BucketMeta, Key: waitingKey, Value: []byte{}}}
	for _, entry := range entries {
		l, err := decodeListed(entry)
		if err != nil || l.state != a2a.TaskStateInputRequired {
			continue
		}
		t, _, err := e.read(ctx, l.id)
		if err != nil && !isLost(err) {
			return fmt.Errorf("task %s: %w", l.id, err)
		}
		if err != nil || t.status.State != l.state {
			continue // which is said when somebody asks for it
		}
		ops = append(ops, Op{
			Kind: Put, Bucket: BucketFinished, Key: entry.Key[ownerKeySize:],
			Value: keptValue(t.saved.space, entry.Key[:ownerKeySize], true),
		})
	}
	return e.store.Commit(ctx, ops)
}

// count counts what is kept.
func (e *Engine) count(ctx context.Context) error {
	finished, err := e.store.Scan(ctx, Range{Bucket: BucketFinished})
	if err != nil {
		return err
	}
	seen, err := e.store.Scan(ctx, Range{Bucket: BucketSeen})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = kept{messages: len(seen)}
	e.kept.countFinished(finished)
	return nil
}

// recoverTask goes on with one task, or brings it to an end. An engine that drains
// does nothing with it.
func (e *Engine) recoverTask(ctx context.Context, l leftover) (drains bool) {
	id, t, err := l.id, l.t, l.err
	if (t == nil || t.journal.last() == 0) && !l.startOver() {
		e.strike(ctx, l)
		return
	}
	if err != nil && !e.clearDamage(l) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.draining {
		return true
	}
	t.saved.open = true
	rested := t.journal.rest
	switch {
	case err != nil:
		e.log.LogAttrs(ctx, slog.LevelError, "a task that was running is damaged in the store",
			slog.String("task_id", string(id)), slog.Any("error", err))
		if t.journal.rest { // all that was written is whole after all
			e.revive(t)
			e.commits.mark(t)
			return
		}
		e.revive(t)
		e.finish(t, a2a.TaskStateFailed, damagedText)
	case t.journal.rest:
		e.revive(t)
		e.commits.mark(t)
	case t.canceled:
		e.revive(t)
		e.finish(t, a2a.TaskStateCanceled, "")
	case t.attempt > 0 && !e.cfg.resume:
		e.note(ctx, slog.LevelWarn, "turn was interrupted by the end of the process and is failed: the agent cannot resume", t)
		e.revive(t)
		e.finish(t, a2a.TaskStateFailed, interruptedText)
	case t.attempt >= e.cfg.attempts:
		e.note(ctx, slog.LevelError, "turn was interrupted by the end of the process too often and is failed", t)
		e.revive(t)
		e.finish(t, a2a.TaskStateFailed, givenUpText)
	default:
		e.note(ctx, slog.LevelInfo, "turn was interrupted by the end of the process and goes on", t)
		e.revive(t)
		t.turn.adopted = l.adopted
		e.enqueue(t, context.Background(), t.input.metadata)
	}
	if t.journal.rest && !rested && (l.host == "" || l.host != e.hosts.id) { // what was this process's it has told of
		e.tell.unbegun(ctx, outcomeOf(verdict{state: t.status.State}, nil))
	}
	return false
}

// revive makes a task live that was read from the store. Both mutexes are held.
func (e *Engine) revive(t *task) {
	t.turn = e.newTurn()
	e.live[t.info.TaskID] = t
	if in := t.input; in != nil {
		e.know(t, keyOfMessage(t.owner, t.info.ContextID, in.message.ID))
	}
}

// know lets the engine find a live task by a message. Both mutexes are held.
func (e *Engine) know(t *task, keys ...messageKey) {
	for _, key := range keys {
		t.keys = append(t.keys, key)
		e.messages[key] = t
	}
}

func (e *Engine) note(ctx context.Context, level slog.Level, text string, t *task) {
	e.log.LogAttrs(ctx, level, text,
		slog.String("task_id", string(t.info.TaskID)),
		slog.String("context_id", t.info.ContextID),
		slog.Int("attempt", t.attempt))
}
