package task

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Timeouts bounds how long a turn may take. Zero means no bound.
type Timeouts struct {
	Total   time.Duration // from its beginning to its end
	Silence time.Duration // without anything written to the reply, and no tool or token counted
}

// timeoutError is the cause when a turn takes too long; it is an [ErrTimeout].
type timeoutError struct {
	limit   time.Duration
	silence bool
}

func (e *timeoutError) Error() string {
	if e.silence {
		return fmt.Sprintf("%v: nothing was written for %v", ErrTimeout, e.limit)
	}
	return fmt.Sprintf("%v: it has not ended within %v", ErrTimeout, e.limit)
}

func (e *timeoutError) Unwrap() error { return ErrTimeout }

// expiredText is what the caller reads.
func expiredText(err error) string {
	if t, ok := err.(*timeoutError); ok && t.silence { //nolint:errorlint // ours, never wrapped
		return fmt.Sprintf("The agent was stopped because nothing had come from it for %v.", t.limit)
	} else if ok {
		return fmt.Sprintf("The agent was stopped because it had not answered within %v.", t.limit)
	}
	if r, ok := err.(*replyError); ok { //nolint:errorlint // ours, never wrapped
		return fmt.Sprintf("The agent was stopped because its reply was larger than the %d bytes a task may have.", r.limit)
	}
	return failedText
}

// watch holds a turn against the timeouts until stop is called.
func (e *Engine) watch(t *task) (stop func()) {
	limits := e.cfg.timeouts
	var timers []*time.Timer
	if limits.Total > 0 {
		timers = append(timers, time.AfterFunc(limits.Total, func() {
			e.expire(t, &timeoutError{limit: limits.Total})
		}))
	}
	if limits.Silence > 0 {
		timers = append(timers, e.watchSilence(t, limits.Silence))
	}
	return func() {
		for _, timer := range timers {
			timer.Stop()
		}
	}
}

// watchSilence looks at what was written only when the time may be over, so
// that a chunk does not cost the setting of a timer.
func (e *Engine) watchSilence(t *task, limit time.Duration) *time.Timer {
	var mu sync.Mutex // the timer is set before its function reads it
	mu.Lock()
	defer mu.Unlock()
	var timer *time.Timer
	seen := uint64(0)
	timer = time.AfterFunc(limit, func() {
		mu.Lock()
		defer mu.Unlock()
		t.mu.Lock()
		writes, last, over := t.turn.writes, t.turn.wrote, t.journal.rest
		t.mu.Unlock()
		switch {
		case over:
		case writes == seen:
			e.expire(t, &timeoutError{limit: limit, silence: true})
		default:
			seen = writes
			timer.Reset(max(limit-time.Since(last), time.Millisecond))
		}
	})
	return timer
}

// expire ends a turn that takes too long, as a cancellation does, but its task
// fails.
func (e *Engine) expire(t *task, why *timeoutError) {
	t.mu.Lock()
	cancel := t.turn.cancel
	if t.journal.rest || t.turn.refuse != nil || cancel == nil {
		t.mu.Unlock()
		return
	}
	t.turn.refuse, t.turn.expired, t.turn.lost = why, why, true
	e.bound(t, why)
	t.mu.Unlock()
	cancel(why)
}

// bound ends the patience with a turn whose context has ended after the cancel
// grace, counted from the first time. Its function counts as a part of the turn
// for who waits for turns. The task's mutex is held.
func (e *Engine) bound(t *task, why error) {
	if t.turn.grace != nil {
		return
	}
	grace := e.cfg.grace
	e.turns.Add(1)
	t.turn.grace = time.AfterFunc(grace, func() {
		defer e.turns.Done()
		if e.abandon(t) {
			e.noteAbandoned(t, grace, why)
		}
	})
}

// unbound takes bound back, if there is still time. The task's mutex is held.
func (e *Engine) unbound(t *task) {
	if t.turn.grace != nil && t.turn.grace.Stop() {
		e.turns.Done()
	}
}

// abandon gives a task its final status although its turn has not returned. The
// turn keeps its slot: it still costs what a turn costs.
func (e *Engine) abandon(t *task) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.journal.rest || t.journal.left != nil:
		return false
	case t.canceled:
		e.finish(t, a2a.TaskStateCanceled, "")
	case t.turn.expired == nil && e.outlives(t):
		e.leaveLocked(t, ErrShutdown)
	default:
		t.flushText()
		e.finish(t, a2a.TaskStateFailed, e.failureText(t))
	}
	return true
}

// noteAbandoned logs a turn that does not heed the end of its context.
func (e *Engine) noteAbandoned(t *task, grace time.Duration, cause error) {
	t.mu.Lock()
	told, outcome := t.turn.span, e.outcomeOfAbandoned(t, cause)
	t.mu.Unlock()
	told.is(e.commits.ctx, outcome)
	e.log.LogAttrs(e.commits.ctx, slog.LevelWarn,
		"turn has not returned after the end of its context, its task was ended without it",
		slog.String("task_id", string(t.info.TaskID)),
		slog.Duration("grace", grace),
		slog.Any("cause", cause))
}
