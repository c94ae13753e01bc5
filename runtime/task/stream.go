package task

import (
	"context"
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// StreamTask yields what happens to a task, with the sequence of each event,
// until its final status or until yield returns false.
//
// With after 0 it begins with the task as it is now, under the sequence of the
// last event that is in it. With the sequence of the last event a reader has
// seen it begins with the next one, so that a reader that comes back misses
// nothing and sees nothing twice, also when the task has ended meanwhile. A
// sequence the task has not reached is none of its own, and counts as 0.
//
// The specification (3.1.6) refuses readers of a task that has ended; here they
// get its end, so that who lost the connection a moment before it need not ask
// in another way. An unknown task is a2a.ErrTaskNotFound.
func (e *Engine) StreamTask(ctx context.Context, req *a2a.SubscribeToTaskRequest, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	if req == nil {
		return refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	t, err := e.find(req.ID)
	if err != nil {
		return err
	}
	if after == 0 || !t.reached(after) {
		snapshot, seq := t.present()
		if !yield(seq, snapshot) {
			return nil
		}
		after = seq
	}
	return t.stream(ctx, after, yield)
}

// SubscribeToTask is [Engine.StreamTask] from the present state of the task on,
// without the sequence.
func (e *Engine) SubscribeToTask(ctx context.Context, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return events(func(yield func(uint64, a2a.Event) bool) error { return e.StreamTask(ctx, req, 0, yield) })
}

// reached reports whether the task has an event of this sequence.
func (t *task) reached(seq uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seq <= t.journal.last()
}

// present is the task as it is now and the sequence of the last event in it.
func (t *task) present() (*a2a.Task, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshotLocked(nil, true), t.journal.last()
}

// stream yields the events after a sequence until the last one. It takes what
// is there and calls yield without the lock: a slow reader is late, not in the
// way.
func (t *task) stream(ctx context.Context, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	for {
		t.mu.Lock()
		b, wait := t.journal.since(after)
		t.mu.Unlock()
		if !b.each(t.info, yield) || b.ended {
			return nil
		}
		after += uint64(len(b.records))
		if wait == nil {
			if ctx.Err() == nil {
				continue
			}
		} else {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
			}
		}
		return fmt.Errorf("task: the reader of task %s left, it goes on: %w", t.info.TaskID, context.Cause(ctx))
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
