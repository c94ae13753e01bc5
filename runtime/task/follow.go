package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// How often a task is looked at that runs in another process: at first, and at
// most, without and with a [Watcher].
const (
	minFollow  = 10 * time.Millisecond
	maxFollow  = 250 * time.Millisecond
	maxWatched = 2 * time.Second
)

// isElsewhere reports whether a task is to be followed through the store.
func (e *Engine) isElsewhere(t *task) bool {
	if !e.shared() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.journal.left == ErrElsewhere //nolint:errorlint // set by us, never wrapped
}

// conflicts waits until a task is in the store and reports whether it cannot be,
// because another process was first.
func (e *Engine) conflicts(ctx context.Context, t *task) bool {
	stuck, _ := e.commits.trouble()
	t.mu.Lock()
	defer t.mu.Unlock()
	for asked := t.saved.asked; t.saved.stored < asked && t.journal.left == nil; {
		changed, over := t.journal.changed(), false
		t.mu.Unlock()
		select {
		case <-changed:
		case <-stuck:
			over = true
		case <-ctx.Done():
			over = true
		}
		t.mu.Lock()
		if over {
			return false
		}
	}
	return t.journal.left == ErrElsewhere //nolint:errorlint // set by us, never wrapped
}

// watch waits for changes of one task by other processes.
type watch struct {
	changed <-chan struct{}
	stop    func()
	least   time.Duration
	most    time.Duration
	pause   time.Duration
}

func (e *Engine) watchTask(ctx context.Context, id a2a.TaskID) *watch {
	w := &watch{stop: func() {}, least: minFollow, most: maxFollow, pause: minFollow}
	watcher, ok := e.store.(Watcher)
	if !ok {
		return w
	}
	changed, stop, err := watcher.Watch(ctx, id)
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelDebug, "a task cannot be watched in the store, it is looked at instead",
			slog.String("task_id", string(id)), slog.Any("error", err))
		return w
	}
	return &watch{changed: changed, stop: stop, least: maxFollow, most: maxWatched, pause: maxFollow}
}

// wait returns when there may be something new, after limit, or when one of the
// others is closed.
func (w *watch) wait(limit time.Duration, one, two <-chan struct{}) {
	timer := time.NewTimer(min(w.pause, limit))
	defer timer.Stop()
	select {
	case <-w.changed:
	case <-timer.C:
		w.pause = min(2*w.pause, w.most)
	case <-one:
	case <-two:
	}
}

// follow reads a task again and again and calls step with it, until that returns
// true.
func (e *Engine) follow(ctx context.Context, id a2a.TaskID, step func(t *task) bool) error {
	w := e.watchTask(ctx, id)
	defer w.stop()
	t, err := e.load(ctx, id)
	if err != nil {
		return err
	}
	for !step(t) {
		w.wait(w.most, ctx.Done(), e.commits.ctx.Done())
		switch {
		case ctx.Err() != nil:
			return errReaderLeft(ctx, t)
		case e.commits.ctx.Err() != nil:
			return errDraining()
		}
		last := t.journal.last()
		if err := e.refresh(ctx, t); err != nil {
			return err
		}
		if t.journal.last() > last {
			w.pause = w.least
		}
	}
	return nil
}

// refresh adds to a task that nobody else has what was written to the store
// since it was read.
func (e *Engine) refresh(ctx context.Context, t *task) error {
	id := t.info.TaskID
	entries, err := e.store.Scan(ctx, Range{Bucket: BucketEvents, From: eventsFrom(id, t.journal.last()+1), To: eventsEnd(id)})
	for i := 0; err == nil && i < len(entries); i++ {
		err = t.replay(entries[i].Value)
	}
	if err == nil && len(entries) == 0 {
		if _, err = e.store.Get(ctx, BucketTasks, string(id)); errors.Is(err, ErrNotFound) {
			return errUnknown(id)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return errReaderLeft(ctx, t)
		}
		e.log.LogAttrs(ctx, slog.LevelError, "a task cannot be read from the store", slog.String("task_id", string(id)), slog.Any("error", err))
		return refused(a2a.ErrInternalError, "task %s cannot be read from the agent's store; its log says why", id)
	}
	t.journal.committed = t.journal.last()
	if t.journal.rest {
		t.journal.left = nil
	}
	return nil
}

// awaitElsewhere waits for the end of a task that runs in another process.
func (e *Engine) awaitElsewhere(ctx context.Context, id a2a.TaskID) (*task, error) {
	var ended *task
	err := e.follow(ctx, id, func(t *task) bool {
		ended = t
		return t.journal.rest
	})
	return ended, err
}

// streamElsewhere is streamFrom for a task that runs in another process.
func (e *Engine) streamElsewhere(ctx context.Context, id a2a.TaskID, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	return e.follow(ctx, id, func(t *task) bool {
		if after == fromNow {
			s, seq := t.snapshot(nil, true)
			if after = seq; !yield(seq, s) {
				return true
			}
		}
		if after > t.journal.last() {
			return t.journal.rest
		}
		b, _ := t.journal.since(after)
		after += uint64(len(b.records))
		return !b.each(t.info, yield) || b.rest
	})
}
