package task

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// hold lets one caller at a time bring a task back to life that has come to
// rest. Two that have both read it from the store would otherwise act on the
// same state one after the other, and the second on one that is past. release
// lets the next one in.
func (e *Engine) hold(ctx context.Context, id a2a.TaskID) (release func(), err error) {
	mine := make(chan struct{})
	for {
		e.mu.Lock()
		other := e.waking[id]
		if other == nil {
			e.waking[id] = mine
			e.mu.Unlock()
			return e.releaser(id, mine), nil
		}
		e.mu.Unlock()
		stuck, _ := e.commits.trouble()
		select {
		case <-other:
		case <-stuck: // it may be held by who forgets it, and waits for the store
			return nil, errStore()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tryHold is hold for who wants to forget the task: nothing is done unless it is
// at rest and nobody holds it.
func (e *Engine) tryHold(id a2a.TaskID) (release func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waking[id] != nil || e.live[id] != nil {
		return nil, false
	}
	mine := make(chan struct{})
	e.waking[id] = mine
	return e.releaser(id, mine), true
}

func (e *Engine) releaser(id a2a.TaskID, mine chan struct{}) func() {
	return func() {
		e.mu.Lock()
		delete(e.waking, id)
		e.mu.Unlock()
		close(mine)
	}
}
