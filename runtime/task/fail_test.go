package task_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// nilError is an error whose methods break when it is a nil pointer, which is
// what a forgotten `return err` of a concrete type makes.
type nilError struct{ text string }

func (e *nilError) Error() string   { return e.text }
func (e *nilError) Unwrap() error   { return errors.New(e.text) }
func (e *nilError) Is(error) bool   { return e.text == "" }
func (e *nilError) As(any) bool     { return e.text == "" }
func (e *nilError) Message() string { return e.text }

const secret = "password=hunter2 in /srv/agent/config"

func TestFailingAgentGivesAFailedTask(t *testing.T) {
	const said = "The agent failed to answer."
	for _, tc := range []struct {
		name   string
		agent  task.RunFunc
		says   string // to the caller
		logged string
	}{
		{"error", func(context.Context, *task.Execution) error { return errors.New(secret) }, said, "hunter2"},
		{"public error", func(context.Context, *task.Execution) error {
			return task.Public(errors.New(secret), "The model is not available today.")
		}, "The model is not available today.", "hunter2"},
		{"public error, wrapped", func(context.Context, *task.Execution) error {
			return fmt.Errorf("%s: %w", secret, task.Public(nil, "Try again."))
		}, "Try again.", "hunter2"},
		{"public error without a text", func(context.Context, *task.Execution) error { return task.Public(errors.New(secret), "") }, said, "hunter2"},
		{"panic", func(context.Context, *task.Execution) error { panic(secret) }, said, "hunter2"},
		{"panic with an error", func(context.Context, *task.Execution) error { panic(fmt.Errorf("%s", secret)) }, said, "hunter2"},
		{"panic with a public error", func(context.Context, *task.Execution) error { panic(task.Public(nil, "Boom.")) }, said, "Boom."},
		{"panic with nil", func(context.Context, *task.Execution) error { panic(nil) }, said, "panic called with nil"},
		{"index out of range", func(_ context.Context, x *task.Execution) error {
			_ = x.History()[len(x.TaskID())]
			return nil
		}, said, "index out of range"},
		{"a nil pointer as error", func(context.Context, *task.Execution) error { return (*nilError)(nil) }, said, "turn failed"},
		{"goroutine left", func(context.Context, *task.Execution) error { goruntime.Goexit(); return nil }, said, "Goexit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := &logged{}
			e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
				x.WriteText([]byte("so far"))
				return tc.agent(ctx, x)
			}, task.WithLogger(log.logger()), task.WithLimits(task.Limits{MaxQueued: -1, MaxRunning: 1}))
			req := send("hi")
			got := finish(t, e, req)
			wantState(t, got, a2a.TaskStateFailed)
			if text := statusText(got); !strings.HasPrefix(text, tc.says) || strings.Contains(text, "hunter2") {
				t.Errorf("the caller reads %q, want %q", text, tc.says)
			}
			if m := got.Status.Message; m.Role != a2a.MessageRoleAgent || m.TaskID != got.ID || m.ContextID != got.ContextID {
				t.Errorf("the message of the status is %+v", m)
			}
			if text := replyText(got); text != "so far" {
				t.Errorf("the reply is %q, want what was written before", text)
			}

			// The slot, the message id and the locks are free.
			if again := finish(t, e, again(req)); again.ID != got.ID {
				t.Error("the same message made another task")
			}
			if other := finish(t, e, send("another")); other.ID == got.ID {
				t.Error("another message got the same task")
			}
			if _, err := e.ListTasks(t.Context(), nil); err != nil {
				t.Error(err)
			}
			drain(t, e)
			wantLogged(t, log, "level=ERROR", tc.logged, string(got.ID))
		})
	}
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	log := &logged{}
	e := task.NewEngine(func(context.Context, *task.Execution) error { panic("boom") }, task.WithLogger(log.logger()))
	finish(t, e, send("hi"))
	drain(t, e)
	wantLogged(t, log, "the agent panicked", "panic=boom", "fail_test.go")
}

func TestFailureIsLoggedOnce(t *testing.T) {
	log := &logged{}
	e := task.NewEngine(func(context.Context, *task.Execution) error { return errors.New("no") }, task.WithLogger(log.logger()))
	finish(t, e, send("hi"))
	drain(t, e)
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log, want one:\n%s", n, log)
	}
}

func TestNoAgent(t *testing.T) {
	e := task.NewEngine(nil)
	defer drain(t, e)
	wantState(t, finish(t, e, send("hi")), a2a.TaskStateFailed)
}

func TestPublicErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	err := task.Public(cause, "text")
	if !errors.Is(err, cause) || err.Error() != "text: cause" {
		t.Errorf("%q has lost its cause", err)
	}
	var public *task.PublicError
	if !errors.As(fmt.Errorf("outer: %w", err), &public) || public.Message != "text" {
		t.Errorf("found %+v", public)
	}
	if got := task.Public(nil, "text").Error(); got != "text" {
		t.Errorf("without a cause: %q", got)
	}
}
