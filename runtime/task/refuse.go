package task

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// refusedText is what the caller reads of a task that the store refuses.
const refusedText = "The agent could not store what belongs to this task, so it was given up. The agent's log says why."

// errRefused says that the store does not take a commit and takes others, so
// that it is no use to wait for it to get well.
var errRefused = fmt.Errorf("%w: it refuses this and takes other things", ErrStore)

// takesOther reports whether the store can be written to: it writes what is
// there.
func (c *committer) takesOther() bool {
	return c.e.store.Commit(c.ctx, []Op{{Kind: Put, Bucket: BucketMeta, Key: formatKey, Value: []byte(format)}}) == nil
}

// giveUp ends a task that the store refuses, so that the others go on. Who waits
// for it here is told. What is in the store of it stays, and is failed there; if
// not even that is taken, the next process tries it again.
func (e *Engine) giveUp(t *task, err error) {
	e.log.LogAttrs(context.Background(), slog.LevelError, "the task store refuses a task and takes others, the task is given up",
		slog.String("task_id", string(t.info.TaskID)), slog.Any("error", err))
	stored, _, err := e.read(e.commits.ctx, t.info.TaskID)
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	cancel, again := t.turn.cancel, t.refused
	e.leaveLocked(t, errRefused)
	e.dequeue(t, outcomeFailed)
	t.mu.Unlock()
	if cancel != nil {
		cancel(errRefused)
	}
	if again || err != nil || stored.journal.rest { // or it never got there, or it waits on for an answer
		return
	}
	stored.mu.Lock()
	defer stored.mu.Unlock()
	stored.refused = true
	e.revive(stored)
	e.finish(stored, a2a.TaskStateFailed, refusedText)
}
