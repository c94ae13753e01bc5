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

// turn runs the agent and brings its task to an end, whatever the agent does.
func (e *Engine) turn(ctx context.Context, cancel context.CancelCauseFunc, t *task, x *Execution) {
	begin := time.Now()
	err := errExited
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: fmt.Sprint(v), stack: debug.Stack()}
		}
		v := e.settle(t, err)
		cancel(ErrEnded)
		e.report(ctx, t, v, err, time.Since(begin))
	}()
	err = e.run(ctx, x)
}

// verdict is what has become of a turn.
type verdict struct {
	state   a2a.TaskState
	late    bool // the task had been brought to its end without the turn
	refused error
}

// settle gives the turn's slot back and the task its final status, in one step:
// who has seen the status finds the slot free.
func (e *Engine) settle(t *task, err error) verdict {
	text, public := publicText(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	e.release(t)
	t.cancel = nil
	v := verdict{late: t.journal.ended, refused: t.refuse}
	switch {
	case v.late:
	case t.canceled:
		e.finish(t, a2a.TaskStateCanceled, "")
	case err == nil && !t.lost:
		t.flushText()
		e.finish(t, a2a.TaskStateCompleted, "")
	default:
		if !public {
			text = failedText
			if errors.Is(t.refuse, ErrShutdown) {
				text = shutdownText
			}
		}
		t.flushText()
		e.finish(t, a2a.TaskStateFailed, text)
	}
	v.state = t.status.State
	return v
}

// release gives back what a running turn holds. The caller holds the engine's
// mutex.
func (e *Engine) release(t *task) {
	delete(e.running, t.info.TaskID)
	if len(e.running) == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// finish gives a task its final status. The caller holds both mutexes.
func (e *Engine) finish(t *task, state a2a.TaskState, text string) {
	var message *a2a.Message
	if text != "" {
		message = a2a.NewMessageForTask(a2a.MessageRoleAgent, t.info, a2a.NewTextPart(text))
	}
	t.setStatus(state, message)
	if t.refuse == nil {
		t.refuse = ErrEnded
	}
	if t.grace != nil {
		t.grace.Stop()
	}
	close(t.done)
	e.retire(t)
}

// await waits for the end of the task and reports whether it came before the
// end of ctx.
func (t *task) await(ctx context.Context) bool {
	select {
	case <-t.done:
		return true
	case <-ctx.Done():
		return t.ended()
	}
}

// ended reports whether the task has its final status.
func (t *task) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.journal.ended
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
		slog.String("message_id", t.message.ID),
		slog.Duration("took", took),
	}
	level, text := slog.LevelDebug, "turn completed"
	panicked, isPanic := err.(*panicError) //nolint:errorlint // ours, never wrapped; an agent's error may break errors.As
	switch {
	case isPanic:
		level, text = slog.LevelError, "turn failed: the agent panicked"
		attrs = append(attrs, slog.String("panic", panicked.value), slog.String("stack", string(panicked.stack)))
	case v.late:
		level, text = slog.LevelWarn, "turn returned after its task had been ended without it: agents should return soon after the end of their context"
		attrs = append(attrs, slog.Any("error", err))
	case v.state == a2a.TaskStateCanceled:
		level, text = slog.LevelInfo, "turn canceled by the caller"
	case v.state == a2a.TaskStateFailed && errors.Is(v.refused, ErrShutdown):
		level, text = slog.LevelWarn, "turn cut off by the shutdown"
		attrs = append(attrs, slog.Any("error", err))
	case v.state == a2a.TaskStateFailed:
		level, text = slog.LevelError, "turn failed"
		attrs = append(attrs, slog.Any("error", err))
	}
	e.log.LogAttrs(ctx, level, text, attrs...)
}
