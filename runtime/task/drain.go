package task

import (
	"context"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Drain ends the engine's work. From the call on new messages are refused with
// [ErrShutdown]; everything else is answered as before, also a message that was
// sent before. It waits for the running turns, until ctx ends; then it ends
// their contexts with the cause [ErrShutdown] and gives them the shutdown grace
// to return.
//
// A turn that was cut off, and those that still waited for their turn, go on
// when the store is opened again, if it outlives the process and, for turns
// that had begun, if the agent can resume ([WithResume]); who waits for them
// here gets [ErrShutdown]. Otherwise their tasks are failed.
//
// What has happened is in the store then. While the store does not take it Drain
// waits as long as it does for turns, until ctx ends and for the shutdown grace,
// and a tenth of a second longer for what was said last; what is not written by
// then may still be until [Engine.Close], and is lost, as in a crash, with that.
//
// It returns nil when every turn has come to its own end, and else an error
// that says how many had to be cut off, with the cause of ctx. The error wraps
// [ErrStore], and what the store says, when not all is in the store. It may be
// called again, also at the same time.
func (e *Engine) Drain(ctx context.Context) error {
	idle, ends := e.refuseNew()
	for _, end := range ends {
		end(ErrShutdown)
	}
	p := &allowance{ctx: ctx, grace: e.cfg.cutOff}
	defer p.stop()
	err := e.endTurns(p, idle)
	if unwritten := e.endCommits(p); unwritten != nil && err != nil {
		return fmt.Errorf("%w; %w", err, unwritten)
	} else if unwritten != nil {
		return unwritten
	}
	return err
}

// endTurns waits for the turns, and cuts off those that take too long.
func (e *Engine) endTurns(p *allowance, idle <-chan struct{}) error {
	select {
	case <-idle:
		p.wait(e.turns.gone()) // they have ended; what remains is their last line in the log
		return nil
	case <-p.ctx.Done():
	}
	e.dropQueue()
	cut := e.cutOff()
	if cut == 0 { // the last one returned at this moment
		p.wait(e.turns.gone())
		return nil
	}
	if !p.wait(idle) {
		left := e.abandonAll()
		p.atLeast(lastWait)
		if left > 0 {
			return fmt.Errorf("task: %d turns were cut off by the shutdown and %d of them have not returned within %v: %w",
				cut, left, e.cfg.cutOff, context.Cause(p.ctx))
		}
	}
	p.wait(e.turns.gone())
	return fmt.Errorf("task: %d turns were cut off by the shutdown: %w", cut, context.Cause(p.ctx))
}

// endCommits waits until everything is written.
func (e *Engine) endCommits(p *allowance) error {
	p.atLeast(lastWait)
	if p.wait(e.commits.done()) {
		return nil
	}
	err := context.Cause(p.ctx)
	if _, says := e.commits.trouble(); says != nil {
		err = fmt.Errorf("%w (%w)", says, err)
	}
	return fmt.Errorf("%w: not all that has happened is in it: %w", ErrStore, err)
}

// lastWait is for the tasks of turns that took all the time there was, or have not
// returned by then: how they ended has to be written, too.
const lastWait = 100 * time.Millisecond

// allowance is the time that Drain has: until a context ends, and a grace.
type allowance struct {
	ctx   context.Context
	grace time.Duration
	timer *time.Timer // nil until ctx has ended
	end   time.Time   // when it fires
}

// atLeast sees to it that so much is left.
func (p *allowance) atLeast(d time.Duration) {
	if p.timer != nil && time.Until(p.end) < d {
		p.end = time.Now().Add(d)
		p.timer.Reset(d)
	}
}

// wait reports whether done is closed in time.
func (p *allowance) wait(done <-chan struct{}) bool {
	if p.timer == nil {
		select {
		case <-done:
			return true
		case <-p.ctx.Done():
			p.timer, p.end = time.NewTimer(p.grace), time.Now().Add(p.grace)
		}
	}
	select {
	case <-done:
		return true
	case <-p.timer.C:
		p.timer.Reset(0) // for the next wait
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (p *allowance) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// refuseNew closes the door; the channel is closed when nothing runs or waits.
func (e *Engine) refuseNew() (idle <-chan struct{}, ends []context.CancelCauseFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draining = true
	if e.durable() { // those who wait have a later life to do so
		e.emptyQueue(outcomeInterrupted, func(t *task) { e.leaveLocked(t, ErrShutdown) })
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle = e.idle
	e.checkIdle()
	return idle, e.handOver()
}

// dropQueue fails the tasks that wait for their turn.
func (e *Engine) dropQueue() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emptyQueue(outcomeShutdown, func(t *task) { e.finish(t, a2a.TaskStateFailed, shutdownText) })
}

// emptyQueue takes all tasks out of the queue. The engine's mutex is held; end
// is called with that of each task.
func (e *Engine) emptyQueue(outcome string, end func(t *task)) {
	var waiting []*task
	for _, l := range e.queue.lanes {
		for _, j := range l.jobs {
			waiting = append(waiting, j.t)
		}
	}
	for _, t := range waiting {
		t.mu.Lock()
		if e.dequeue(t, outcome) {
			end(t)
		}
		t.mu.Unlock()
	}
}

// cutOff ends the contexts of the running turns and returns how many these are.
func (e *Engine) cutOff() int {
	e.mu.Lock()
	ends := make([]context.CancelCauseFunc, 0, len(e.running))
	for _, t := range e.running {
		t.mu.Lock()
		if t.turn.refuse == nil {
			t.turn.refuse = ErrShutdown
		}
		if t.turn.cancel != nil {
			ends = append(ends, t.turn.cancel)
		}
		t.mu.Unlock()
	}
	e.mu.Unlock()
	for _, end := range ends {
		end(ErrShutdown)
	}
	return len(ends)
}

// abandonAll ends the tasks of the turns that are still running without them,
// and returns how many turns these are.
func (e *Engine) abandonAll() int {
	e.mu.Lock()
	left := make([]*task, 0, len(e.running))
	for _, t := range e.running {
		left = append(left, t)
	}
	e.mu.Unlock()
	for _, t := range left {
		if e.abandon(t) {
			e.noteAbandoned(t, e.cfg.cutOff, ErrShutdown)
		}
	}
	return len(left)
}
