package task

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// queue is the turns that wait. The turns of one conversation form a lane in
// which one runs at a time, in the order their messages came; the lanes take
// turns. It is guarded by the engine's mutex.
type queue struct {
	lanes  map[lane]*line
	ready  []*line // lanes whose next turn may begin, the one that waits longest first
	length int     // turns that wait
	owners map[string]int
	took   time.Duration // how long turns take, roughly
}

// lane is a conversation of an owner, or a single task where conversations do
// not matter.
type lane struct{ owner, context string }

type line struct {
	lane lane
	jobs []*job
	busy bool // one of its turns runs
}

// job is a turn that waits.
type job struct {
	t   *task
	x   *Execution
	ctx context.Context // of the request that brought the message
}

func newQueue() queue {
	return queue{lanes: map[lane]*line{}, owners: map[string]int{}}
}

// enqueue lets a task have its turn, at once if it can. Both mutexes are held.
func (e *Engine) enqueue(t *task, ctx context.Context, metadata map[string]any) {
	j := &job{t: t, ctx: ctx, x: &Execution{
		e: e, t: t, message: t.input.message, metadata: metadata,
		before: t.said(), written: t.journal.text.String(),
	}}
	q := &e.queue
	key := e.laneOf(t)
	l := q.lanes[key]
	if l == nil {
		l = &line{lane: key}
		q.lanes[key] = l
	}
	l.jobs = append(l.jobs, j)
	q.length++
	e.tell.queued.Add(ctx, 1)
	q.owners[t.owner]++
	if !l.busy && len(l.jobs) == 1 {
		q.ready = append(q.ready, l)
	}
	e.commits.mark(t)
	e.schedule(t)
}

func (e *Engine) laneOf(t *task) lane {
	if e.cfg.parallel {
		return lane{context: string(t.info.TaskID)}
	}
	return lane{owner: t.owner, context: t.info.ContextID}
}

// schedule begins as many turns as may run. The engine's mutex is held, and
// that of the task held, if any.
func (e *Engine) schedule(held *task) {
	q := &e.queue
	for len(q.ready) > 0 && len(e.running) < e.cfg.limits.MaxRunning {
		l := q.ready[0]
		q.ready[0] = nil
		q.ready = q.ready[1:]
		j := l.jobs[0]
		l.jobs[0] = nil
		l.jobs = l.jobs[1:]
		l.busy = true
		q.length--
		e.begin(j, j.t == held)
	}
}

// begin starts a turn.
func (e *Engine) begin(j *job, locked bool) {
	t := j.t
	if !locked {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(j.ctx))
	t.turn.ctx, t.turn.cancel = ctx, cancel
	// It is decided once where a turn runs: one that was begun here goes on here.
	dispatched := e.cfg.dispatcher != nil && (t.attempt == 0 || t.placed)
	t.turn.again = t.placed
	if t.placed = dispatched; !dispatched { // else it waits on
		e.tell.queued.Add(j.ctx, -1)
		t.attempt++
		j.x.attempt = t.attempt
	}
	if t.status.State == a2a.TaskStateSubmitted {
		t.setStatus(a2a.TaskStateWorking, nil, nil)
	}
	e.commits.mark(t)
	e.running[t.info.TaskID] = t
	t.turn.x = j.x
	if t.turn.begun != nil {
		close(t.turn.begun)
	}
	if dispatched {
		e.turns.Go(func() { e.place(ctx, cancel, t, j.x) })
		return
	}
	e.turns.Go(func() { e.turn(ctx, cancel, t, j.x, e.run) })
}

// release gives back what a turn held and lets the next ones begin. The
// engine's mutex is held and no task's.
func (e *Engine) release(t *task, took time.Duration) {
	q := &e.queue
	delete(e.running, t.info.TaskID)
	e.leaveQueue(t)
	q.took += (took - q.took) / 8
	key := e.laneOf(t)
	l := q.lanes[key]
	l.busy = false
	if len(l.jobs) > 0 {
		q.ready = append(q.ready, l)
	} else {
		delete(q.lanes, key)
	}
	e.schedule(nil)
	e.checkIdle()
}

// leaveQueue takes one from the count of the owner's turns.
func (e *Engine) leaveQueue(t *task) {
	if e.queue.owners[t.owner]--; e.queue.owners[t.owner] <= 0 {
		delete(e.queue.owners, t.owner)
	}
}

// dequeue takes a task out of the queue and reports whether it was there; outcome
// is what becomes of its turn then. The engine's mutex is held.
func (e *Engine) dequeue(t *task, outcome string) bool {
	q := &e.queue
	key := e.laneOf(t)
	l := q.lanes[key]
	if l == nil {
		return false
	}
	for i, j := range l.jobs {
		if j.t != t {
			continue
		}
		l.jobs = append(l.jobs[:i:i], l.jobs[i+1:]...)
		q.length--
		e.tell.queued.Add(j.ctx, -1)
		e.tell.unbegun(j.ctx, outcome)
		e.leaveQueue(t)
		if len(l.jobs) == 0 && !l.busy {
			delete(q.lanes, key)
			for k, r := range q.ready {
				if r == l {
					q.ready = append(q.ready[:k:k], q.ready[k+1:]...)
					break
				}
			}
		}
		e.checkIdle()
		return true
	}
	return false
}

// checkIdle tells Drain when nothing runs or waits any more. The engine's mutex
// is held.
func (e *Engine) checkIdle() {
	if len(e.running) == 0 && e.queue.length == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// room says why no more turns are taken, nil when they are. The engine's mutex
// is held.
func (e *Engine) room(owner string) error {
	l, q := e.cfg.limits, &e.queue
	switch {
	case len(e.running)+q.length >= l.MaxRunning+l.MaxQueued:
		return e.busy("the agent is busy: %d messages are being answered and %d wait", len(e.running), q.length)
	case l.MaxPerOwner > 0 && q.owners[owner] >= l.MaxPerOwner:
		return e.busy("%d of your messages are being answered or wait, which is as many as one caller may have", q.owners[owner])
	}
	return nil
}

// busy makes the error of a message that cannot be taken now. It guesses when
// it could from how long turns have taken.
func (e *Engine) busy(format string, args ...any) error {
	wait := e.queue.took * time.Duration(e.queue.length+1) / time.Duration(e.cfg.limits.MaxRunning)
	return newBusyError(min(max(wait, time.Second), time.Minute), format, args...)
}
