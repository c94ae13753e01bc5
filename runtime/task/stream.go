package task

import (
	"context"
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// StreamTask yields what happens to a task, with the sequence of each event,
// until it has ended or asks for more, or until yield returns false.
//
// With after 0 it begins with the task as it is now, under the sequence of the
// last event that is in it. With the sequence of the last event a reader has
// seen it begins with the next one, so that a reader that comes back misses
// nothing and sees nothing twice, also when the task has ended or the process
// was restarted meanwhile. A sequence the task has not reached is none of its
// own, and counts as 0.
//
// The specification (3.1.6) refuses readers of a task that has ended; here they
// get its end, so that who lost the connection a moment before it need not ask
// in another way. An unknown task is a2a.ErrTaskNotFound.
func (e *Engine) StreamTask(ctx context.Context, req *a2a.SubscribeToTaskRequest, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	if req == nil {
		return refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	t, err := e.find(ctx, e.cfg.owner(ctx), req.ID)
	if err != nil {
		return err
	}
	if after > 0 && !t.reached(after) && e.shared() {
		// Another process may have taken the task over and be further.
		if c, err := e.load(ctx, req.ID); err == nil && c.reached(after) {
			return e.streamElsewhere(ctx, req.ID, after, yield)
		}
	}
	if after == 0 || !t.reached(after) {
		after = fromNow
	}
	return e.streamFrom(ctx, t, after, yield)
}

// SubscribeToTask is [Engine.StreamTask] from the present state of the task on,
// without the sequence.
func (e *Engine) SubscribeToTask(ctx context.Context, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return events(func(yield func(uint64, a2a.Event) bool) error { return e.StreamTask(ctx, req, 0, yield) })
}

// reached reports whether readers of the task have seen this sequence.
func (t *task) reached(seq uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seq <= t.journal.committed
}

// present is the task as it is now, once all that is in it is in the store.
func (e *Engine) present(ctx context.Context, t *task, history *int, withArtifacts bool) (*a2a.Task, error) {
	s, seq := t.snapshot(history, withArtifacts)
	err := e.awaitCommitted(ctx, t, seq)
	if err != nil && e.isElsewhere(t) {
		if t, err = e.load(ctx, t.info.TaskID); err != nil {
			return nil, err
		}
		s, _ = t.snapshot(history, withArtifacts)
	}
	return s, err
}

// awaitCommitted waits until an event is in the store.
func (e *Engine) awaitCommitted(ctx context.Context, t *task, seq uint64) error {
	stuck, _ := e.commits.trouble()
	t.mu.Lock()
	for t.journal.committed < seq {
		if left := t.journal.left; left != nil {
			t.mu.Unlock()
			return errLeft(t.info.TaskID, left)
		}
		changed := t.journal.changed()
		t.mu.Unlock()
		select {
		case <-changed:
		case <-stuck:
			return errStore()
		case <-ctx.Done():
			return errReaderLeft(ctx, t)
		}
		t.mu.Lock()
	}
	t.mu.Unlock()
	return nil
}

func errReaderLeft(ctx context.Context, t *task) error {
	return fmt.Errorf("task: the reader of task %s left, it goes on: %w", t.info.TaskID, context.Cause(ctx))
}

// streamFrom yields the events after a sequence until the task is at rest. It
// takes what is there and calls yield without the lock: a slow reader is late,
// not in the way.
func (e *Engine) streamFrom(ctx context.Context, t *task, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	noteTask(ctx, t)
	if e.isElsewhere(t) {
		return e.streamElsewhere(ctx, t.info.TaskID, after, yield)
	}
	if after == fromNow {
		s, seq := t.snapshot(nil, true)
		if err := e.awaitCommitted(ctx, t, seq); err != nil {
			if e.isElsewhere(t) {
				return e.streamElsewhere(ctx, t.info.TaskID, after, yield)
			}
			return err
		}
		if !yield(seq, s) {
			return nil
		}
		after = seq
	}
	stuck, _ := e.commits.trouble()
	for {
		t.mu.Lock()
		b, wait := t.journal.since(after)
		t.mu.Unlock()
		if !b.each(t.info, yield) || b.rest {
			return nil
		}
		after += uint64(len(b.records))
		switch {
		case wait != nil:
		case b.left != nil && e.isElsewhere(t):
			return e.streamElsewhere(ctx, t.info.TaskID, after, yield)
		case b.left != nil:
			return errLeft(t.info.TaskID, b.left)
		case ctx.Err() != nil:
			return errReaderLeft(ctx, t)
		default:
			continue
		}
		select {
		case <-wait:
		case <-stuck:
			return errStore()
		case <-ctx.Done():
			return errReaderLeft(ctx, t)
		}
	}
}

// events turns a stream with sequences into one without.
func events(stream func(yield func(uint64, a2a.Event) bool) error) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if err := stream(func(_ uint64, ev a2a.Event) bool { return yield(ev, nil) }); err != nil {
			yield(nil, err)
		}
	}
}
