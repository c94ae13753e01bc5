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
)

// lostTurns are those that an earlier life has placed and that cannot be placed
// again.
type lostTurns struct {
	mu     sync.Mutex
	errors map[a2a.TaskID]error
}

func (l *lostTurns) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.errors {
		return fmt.Errorf("task: %d interrupted turns cannot be dispatched again: %w", len(l.errors), err)
	}
	return nil
}

func (l *lostTurns) note(id a2a.TaskID, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.errors == nil {
		l.errors = map[a2a.TaskID]error{}
	}
	l.errors[id] = err
}

func (l *lostTurns) found(id a2a.TaskID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.errors, id)
}

// dispatch calls the dispatcher. A turn that was placed before may be running
// elsewhere: it is placed again, however long it takes, unless it comes back by
// itself.
func (e *Engine) dispatch(ctx context.Context, t *task, turn DispatchedTurn) error {
	t.mu.Lock()
	again, claimed := t.turn.again, t.turn.claimed
	t.mu.Unlock()
	defer e.lost.found(turn.TaskID)
	for wait := minDispatchRetry; ; wait = min(2*wait, maxDispatchRetry) {
		err := protect(ctx, dispatchTimeout, turn, e.cfg.dispatcher.Dispatch)
		if err == nil || !again || ctx.Err() != nil {
			return err
		}
		e.log.LogAttrs(ctx, slog.LevelError, "interrupted turn cannot be dispatched again, it waits until it can",
			slog.String("task_id", string(turn.TaskID)), slog.Any("error", err), slog.Duration("retry_in", wait))
		e.lost.note(turn.TaskID, err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			continue
		case <-claimed:
			err = nil
		case <-ctx.Done():
		}
		timer.Stop()
		return err
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
