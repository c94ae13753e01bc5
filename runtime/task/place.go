package task

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// How turns are placed.
const (
	dispatchTimeout  = 10 * time.Second       // for one call
	minDispatchRetry = 100 * time.Millisecond // then twice as long each time
	maxDispatchRetry = 10 * time.Second
	minPlaceAgain    = 5 * time.Second // for a placed turn to come back, then twice as long each time
	maxPlaceAgain    = 40 * time.Second
)

// lostTurns are those that cannot be placed and must not run here.
type lostTurns struct {
	mu     sync.Mutex
	errors map[a2a.TaskID]error
}

func (l *lostTurns) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.errors {
		return fmt.Errorf("task: %d turns cannot be dispatched: %w", len(l.errors), err)
	}
	return nil
}

// note reports whether it is the first of a turn.
func (l *lostTurns) note(id a2a.TaskID, err error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.errors == nil {
		l.errors = map[a2a.TaskID]error{}
	}
	first = l.errors[id] == nil
	l.errors[id] = err
	return first
}

func (l *lostTurns) found(id a2a.TaskID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.errors, id)
}

// awaitClaim places a turn and waits until somebody runs it here, or its context
// ends. Who has taken it may lose it, or bring it to a process that does not know
// its task, so it is placed again while it does not come back. It cannot run here
// by then, since it may be running elsewhere: that is seen in the store. Nor may
// it while a [Gate] is closed.
func (e *Engine) awaitClaim(ctx context.Context, t *task, turn DispatchedTurn) error {
	t.mu.Lock()
	claimed, again := t.turn.claimed, t.turn.again || t.turn.adopted
	next := time.Now()
	if t.turn.adopted {
		next = next.Add(minPlaceAgain)
	}
	t.mu.Unlock()
	w := &watch{stop: func() {}, most: maxPlaceAgain, pause: maxPlaceAgain}
	if e.shared() {
		w = e.watchTask(ctx, t.info.TaskID)
	}
	defer w.stop()
	defer e.lost.found(turn.TaskID)
	for pause, retry := minPlaceAgain, minDispatchRetry; ; {
		if !time.Now().Before(next) {
			err := protect(ctx, dispatchTimeout, turn, e.cfg.dispatcher.Dispatch)
			switch {
			case err == nil:
				e.lost.found(turn.TaskID)
				again, next = true, time.Now().Add(pause)
				pause, retry = min(2*pause, maxPlaceAgain), minDispatchRetry
			case ctx.Err() != nil, !again && e.gate() == nil:
				return err
			default:
				e.noteLost(ctx, turn, err)
				next, retry = time.Now().Add(retry), min(2*retry, maxDispatchRetry)
			}
		}
		w.wait(time.Until(next), claimed, ctx.Done())
		select {
		case <-claimed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
			e.disownIfTaken(ctx, t)
		}
	}
}

// gate says why the dispatcher takes nothing, nil when it does or has no [Gate].
func (e *Engine) gate() error {
	if gate, ok := e.cfg.dispatcher.(Gate); ok {
		return gate.Open()
	}
	return nil
}

// noteLost says once of a turn that it waits for its dispatcher.
func (e *Engine) noteLost(ctx context.Context, turn DispatchedTurn, err error) {
	if e.lost.note(turn.TaskID, err) {
		e.log.LogAttrs(ctx, slog.LevelError, "turn cannot be dispatched, it waits until it can",
			slog.String("task_id", string(turn.TaskID)), slog.Any("error", err))
	}
}

// protect calls foreign code.
func protect(ctx context.Context, limit time.Duration, turn DispatchedTurn, do func(context.Context, DispatchedTurn) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the dispatcher panicked: %v", v)
		}
	}()
	return do(ctx, turn)
}
