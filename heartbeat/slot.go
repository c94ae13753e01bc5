package heartbeat

import (
	"context"
	"sync"
	"time"
)

// slot holds one call to the platform that is under way. The call runs in a
// goroutine of its own so that Run's goroutine stays open for everything else;
// what came of it is applied by Run's goroutine, which is therefore the only
// one that touches the state.
type slot struct {
	kind   errand
	done   chan func() // nil when free; gives the function that applies the answer
	cancel context.CancelFunc
}

// errand names what a slot is busy with.
type errand int

const (
	beatCall errand = iota
	registerCall
	lookCall
	verifyCall
	cardCall
	saveCall
)

func (s *slot) busy() bool { return s.done != nil }

// start makes a call with a deadline of its own. The group is waited for at the
// end of Run.
func (s *slot) start(ctx context.Context, group *sync.WaitGroup, kind errand, timeout time.Duration, call func(context.Context) func()) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	done := make(chan func(), 1) // one place: a dropped call ends all the same
	s.kind, s.done, s.cancel = kind, done, cancel
	group.Go(func() { done <- call(ctx) })
}

// drop cancels the call, if there is one, and forgets it: nobody wants its
// answer any more.
func (s *slot) drop() {
	if s.busy() {
		s.cancel()
		s.done = nil
	}
}
