package task

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// A stray is a task that is this process's in the store and that nobody here has.
// There is one where a commit of several tasks was made and its answer was lost
// for so long that each of them was tried alone, which conflicts with what was
// made; that looks as if another process had taken the task. No other one takes
// it up while this one is alive.

// maxStrays is how often a stray is taken up again. The store may refuse all there
// is to say of it, and each time costs the others some seconds.
const maxStrays = 3

// isStray reports whether a task that the store has just said to be this
// process's is a stray, as far as that is known without asking the store again.
func (e *Engine) isStray(id a2a.TaskID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[id] == nil && e.running[id] == nil && !e.draining && e.hosts.strays[id] < maxStrays
}

// isStill reports whether a task is not at rest, and still the host's. The look
// at the store by which it was found is older than the one at what is live here:
// in between it may have come to rest, or have gone to another process. Called
// once nobody can bring the task to life here, it holds until that is let go: a
// task is live before the commit that makes it this process's.
func (e *Engine) isStill(ctx context.Context, id a2a.TaskID, host string) bool {
	now, err := e.store.Get(ctx, BucketOpen, string(id))
	return err == nil && string(now) == host
}

// forgetStrays forgets those that have come to rest.
func (e *Engine) forgetStrays(open map[a2a.TaskID]bool) {
	for id := range e.hosts.strays {
		if !open[id] {
			delete(e.hosts.strays, id)
		}
	}
}
