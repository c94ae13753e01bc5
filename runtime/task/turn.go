package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// What a caller reads about a failure that is not his business.
const (
	failedText   = "The agent failed to answer. Its log says why, under the id of this task."
	shutdownText = "The agent was shut down before it had answered. Send the message again."
)

// errExited is how a turn fails that has left its goroutine.
var errExited = errors.New("the agent called runtime.Goexit")

// panicError is how a turn fails that has panicked.
type panicError struct {
	value string
	stack []byte
}

func (p *panicError) Error() string { return "the agent panicked: " + p.value }

// turn runs the agent and brings its task to rest, whatever the agent does. It
// begins once it is in the store that it does: a turn that has begun is known
// to have begun, also after a crash.
//
// The result is the agent's error, for a dispatched turn.
func (e *Engine) turn(ctx context.Context, cancel context.CancelCauseFunc, t *task, x *Execution, run RunFunc) (err error) {
	begin := time.Now()
	stop := func() {}
	err = errExited
	ctx, told := e.tell.begin(ctx, t, x)
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: fmt.Sprint(v), stack: debug.Stack()}
		}
		stop()
		v := e.settle(t, err, time.Since(begin))
		cancel(ErrEnded)
		e.report(ctx, t, v, err, time.Since(begin))
		told.end(ctx, v, err)
	}()
	if err = t.awaitStored(ctx); err != nil {
		return err
	}
	begin = time.Now()
	stop = e.watch(t)
	err = errExited
	err = run(ctx, x)
	return err
}

// awaitStored waits until everything about the task is in the store.
func (t *task) awaitStored(ctx context.Context) error {
	t.mu.Lock()
	asked := t.saved.asked
	for t.saved.stored < asked {
		if t.journal.left != nil {
			defer t.mu.Unlock()
			return t.journal.left
		}
		changed := t.journal.changed()
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		t.mu.Lock()
	}
	t.mu.Unlock()
	return nil
}

// verdict is what has become of a turn.
type verdict struct {
	state   a2a.TaskState
	late    bool // the task had been brought to its end without the turn
	left    bool // the task goes on in another process
	refused error
	chunks  uint64 // that it has written
}

// settle gives the turn's slot back and the task its status, in one step: who
// has seen the status finds the slot free.
func (e *Engine) settle(t *task, err error, took time.Duration) verdict {
	text, public := publicText(err)
	question := questionOf(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.settleTask(t, err, text, public, question)
	e.release(t, took)
	return v
}

func (e *Engine) settleTask(t *task, err error, text string, public bool, question *a2a.Message) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn.cancel, t.turn.ctx, t.turn.x = nil, nil, nil
	v := verdict{late: t.journal.ended, left: t.journal.left != nil, refused: t.turn.refuse, chunks: t.turn.chunks}
	switch {
	case v.late, v.left:
	case t.canceled:
		e.finish(t, a2a.TaskStateCanceled, "")
	case question != nil && !t.turn.lost:
		t.flushText()
		e.ask(t, question)
	case err == nil && !t.turn.lost:
		t.flushText()
		e.finish(t, a2a.TaskStateCompleted, "")
	case errors.Is(t.turn.refuse, ErrShutdown) && e.outlives(t):
		t.flushText()
		e.commits.mark(t)
		e.leaveLocked(t, ErrShutdown)
		v.left = true
	default:
		if !public {
			text = e.failureText(t)
		}
		t.flushText()
		e.finish(t, a2a.TaskStateFailed, text)
	}
	v.state = t.status.State
	return v
}

// outlives reports whether a turn that is interrupted goes on in the next
// process: one that the agent can resume, or that had not begun.
func (e *Engine) outlives(t *task) bool {
	return e.durable() && (e.cfg.resume || t.placed && t.attempt == 0)
}

func (e *Engine) failureText(t *task) string {
	switch {
	case t.turn.expired != nil:
		return expiredText(t.turn.expired)
	case errors.Is(t.turn.refuse, ErrShutdown):
		return shutdownText
	}
	return failedText
}

// finish gives a task its final status. Both mutexes are held.
func (e *Engine) finish(t *task, state a2a.TaskState, text string) {
	var message *a2a.Message
	if text != "" {
		message = a2a.NewMessageForTask(a2a.MessageRoleAgent, t.info, a2a.NewTextPart(text))
	}
	t.setStatus(state, message, nil)
	e.rest(t)
}

// ask lets a task wait for the caller. Both mutexes are held.
func (e *Engine) ask(t *task, question *a2a.Message) {
	question.TaskID, question.ContextID = t.info.TaskID, t.info.ContextID
	t.setStatus(a2a.TaskStateInputRequired, question, nil)
	e.rest(t)
}

// rest ends the writing of a turn whose task has come to rest.
func (e *Engine) rest(t *task) {
	if t.turn.refuse == nil {
		t.turn.refuse = ErrEnded
	}
	e.unbound(t)
	e.commits.mark(t)
}

// publicText is the message of the [PublicError] in err. Looking for it calls
// methods of a foreign error, which may be a nil pointer in disguise.
func publicText(err error) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	var public *PublicError
	if errors.As(err, &public) && public.Message != "" {
		return public.Message, true
	}
	return "", false
}

// report logs how a turn went.
func (e *Engine) report(ctx context.Context, t *task, v verdict, err error, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("task_id", string(t.info.TaskID)),
		slog.String("context_id", t.info.ContextID),
		slog.String("message_id", t.input.message.ID),
		slog.Duration("took", took),
	}
	level, text := slog.LevelDebug, "turn completed"
	panicked, isPanic := err.(*panicError) //nolint:errorlint // ours, never wrapped; an agent's error may break errors.As
	switch {
	case isPanic:
		level, text = slog.LevelError, "turn failed: the agent panicked"
		attrs = append(attrs, slog.String("panic", panicked.value), slog.String("stack", string(panicked.stack)))
	case v.left && errors.Is(v.refused, ErrShutdown):
		level, text = slog.LevelInfo, "turn was interrupted by the shutdown and goes on with the next start"
	case v.left && errors.Is(v.refused, errRefused):
		level, text = slog.LevelWarn, "turn was given up: the store refuses its task"
	case v.left:
		level, text = slog.LevelWarn, "turn was given up here: its task is in the hands of another process"
	case v.late:
		level, text = slog.LevelWarn, "turn returned after its task had been ended without it: agents should return soon after the end of their context"
		attrs = append(attrs, slog.Any("error", err))
	case v.state == a2a.TaskStateCanceled:
		level, text = slog.LevelInfo, "turn canceled by the caller"
	case v.state == a2a.TaskStateInputRequired:
		text = "turn asks the caller for more"
	case v.state == a2a.TaskStateFailed && errors.Is(v.refused, ErrShutdown):
		level, text = slog.LevelWarn, "turn cut off by the shutdown"
		attrs = append(attrs, slog.Any("error", err))
	case v.state == a2a.TaskStateFailed:
		level, text = slog.LevelError, "turn failed"
		attrs = append(attrs, slog.Any("error", err))
	}
	e.log.LogAttrs(ctx, level, text, attrs...)
}
