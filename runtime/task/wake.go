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
			return func() {
				e.mu.Lock()
				delete(e.waking, id)
				e.mu.Unlock()
				close(mine)
			}, nil
		}
		e.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
