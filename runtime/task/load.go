package task

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxTaskIDLength is more than the ids have that are made here.
const maxTaskIDLength = 128

// maxReads is how often a task is read again that changes while it is read.
const maxReads = 10

// find returns an owner's task by its id: the live one, or what the store has.
func (e *Engine) find(ctx context.Context, owner string, id a2a.TaskID) (*task, error) {
	if id == "" {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	t := e.alive(id)
	// A task that is at work in the store and not here is in other hands, or
	// has come back to life and to rest while it was read: then it is read once
	// more.
	for again := 0; t == nil; again++ {
		loaded, err := e.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if t = e.alive(id); t == nil && (loaded.journal.rest || again == maxReads || e.shared()) {
			t = loaded
		}
	}
	if t.owner != owner {
		return nil, errUnknown(id) // not even that it exists
	}
	return t, nil
}

// alive returns a live task by its id, nil when there is none.
func (e *Engine) alive(id a2a.TaskID) *task {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[id]
}

// load reads a task from the store. One that is not at rest there, and not
// live here, is in the hands of another process, or of a later life of this
// one.
func (e *Engine) load(ctx context.Context, id a2a.TaskID) (*task, error) {
	if len(id) > maxTaskIDLength {
		return nil, errUnknown(id)
	}
	t, _, err := e.read(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, errUnknown(id)
	}
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "a task cannot be read from the store", slog.String("task_id", string(id)), slog.Any("error", err))
		return nil, refused(a2a.ErrInternalError, "task %s cannot be read from the agent's store; its log says why", id)
	}
	if !t.journal.rest {
		t.journal.left = ErrElsewhere
		close(t.turn.done) // who waits here waits in vain
	}
	return t, nil
}

// read returns what the store has of a task. When the error is errDamaged the task
// is what could be read: its row, as it is, and its events before damaged, the key
// of the first frame that could not. With any other error nothing is known of it.
//
// The row and the events are two reads, between which the task may change: what
// looks damaged is so only if the row is still the same.
func (e *Engine) read(ctx context.Context, id a2a.TaskID) (t *task, damaged string, err error) {
	for again := 0; ; again++ {
		value, err := e.store.Get(ctx, BucketTasks, string(id))
		if err != nil {
			return nil, "", asDamaged(err)
		}
		t, damaged, err := e.readEvents(ctx, id, value)
		if err == nil || again == maxReads {
			return t, damaged, err
		}
		if now, getErr := e.store.Get(ctx, BucketTasks, string(id)); getErr == nil && bytes.Equal(now, value) {
			return t, damaged, err
		}
	}
}

// asDamaged makes what a store says of a value of what is damaged for the engine.
func asDamaged(err error) error {
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// readEvents is read, with the row.
func (e *Engine) readEvents(ctx context.Context, id a2a.TaskID, value []byte) (t *task, damaged string, err error) {
	r, err := decodeRow(value)
	fresh := func() *task {
		t := &task{
			info:  a2a.TaskInfo{TaskID: id, ContextID: r.Context},
			owner: r.Owner, attempt: r.Attempt, canceled: r.Canceled, placed: r.Placed,
		}
		t.saved.row, t.saved.space = value, r.Size
		t.turn = e.newTurn()
		return t
	}
	t = fresh()
	if err != nil {
		return t, "", err
	}
	entries, err := e.store.Scan(ctx, Range{Bucket: BucketEvents, From: eventsFrom(id, 0), To: eventsEnd(id)})
	if err = asDamaged(err); err != nil && !errors.Is(err, errDamaged) {
		return nil, "", err
	}
	for i, entry := range entries { // which are whole even if one behind them is not
		if err := t.replay(entry.Value); err != nil {
			t = fresh() // without what was whole in this one: the frame is all or nothing
			for _, before := range entries[:i] {
				_ = t.replay(before.Value)
			}
			return e.restored(t), entry.Key, err
		}
	}
	switch {
	case err != nil:
		damaged = eventsFrom(id, t.journal.last()+1)
	case t.journal.last() == 0:
		err, damaged = fmt.Errorf("%w: it has no events", errDamaged), eventsFrom(id, 0)
	case string(t.status.State) != r.State:
		err, damaged = fmt.Errorf("%w: its events end in %s, its row in %s", errDamaged, t.status.State, r.State), eventsFrom(id, t.journal.last()+1)
	}
	return e.restored(t), damaged, err
}

// restored finishes a task that was read: all of it is in the store.
func (e *Engine) restored(t *task) *task {
	if t.journal.last() == 0 {
		return t
	}
	t.journal.committed = t.journal.last()
	t.saved.upTo = t.journal.last()
	t.saved.listed = listedKey(t.owner, t.status.Timestamp.UnixMilli(), t.info.TaskID)
	t.saved.open = !t.journal.rest
	t.saved.size = t.size
	t.counted = false
	if t.journal.rest {
		t.saved.kept = timeKey(t.status.Timestamp.UnixMilli(), string(t.info.TaskID))
		t.saved.space = cmp.Or(t.saved.space, t.size)
		close(t.turn.done)
	}
	return t
}
