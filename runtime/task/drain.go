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
// It returns nil when every turn has come to its own end, and else an error
// that says how many had to be cut off, with the cause of ctx. It may be called
// again, also at the same time.
func (e *Engine) Drain(ctx context.Context) error {
	idle, ends := e.refuseNew()
	defer e.commits.wait()
	for _, end := range ends {
		end(ErrShutdown)
	}
	select {
	case <-idle:
		e.turns.Wait() // they have ended; what remains is their last line in the log
		return nil
	case <-ctx.Done():
	}
	e.dropQueue()
	cut := e.cutOff()
	if cut == 0 { // the last one returned at this moment
		e.turns.Wait()
		return nil
	}
	grace := time.NewTimer(e.cfg.cutOff)
	defer grace.Stop()
	select {
	case <-idle:
	case <-grace.C:
		if left := e.abandonAll(); left > 0 {
			return fmt.Errorf("task: %d turns were cut off by the shutdown and %d of them have not returned within %v: %w",
				cut, left, e.cfg.cutOff, context.Cause(ctx))
		}
	}
	e.turns.Wait()
	return fmt.Errorf("task: %d turns were cut off by the shutdown: %w", cut, context.Cause(ctx))
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
