package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestTooManyTurnsAreRefused(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run, task.WithLimits(task.Limits{MaxQueued: -1, MaxRunning: 2}))
	defer drain(t, e)
	first := send("first")
	start(t, e, first)
	start(t, e, send("second"))
	third := send("third")
	_, err := e.SendMessage(t.Context(), third)
	wantError(t, err, task.ErrBusy, "2 messages are being answered")
	wantError(t, err, a2a.ErrServerError)
	var said *a2a.Error
	if !errors.As(err, &said) {
		t.Errorf("%T is no *a2a.Error", err)
	}
	start(t, e, again(first)) // costs nothing
	close(g.open)
	finish(t, e, again(first))
	// Who was refused may send the same message again.
	wantState(t, finish(t, e, third), a2a.TaskStateCompleted)
}

// TestSlotIsFreeWhenTheAnswerIsThere sends one message after the other with
// room for one.
func TestSlotIsFreeWhenTheAnswerIsThere(t *testing.T) {
	e := task.NewEngine(echo, task.WithLimits(task.Limits{MaxQueued: -1, MaxRunning: 1}))
	defer drain(t, e)
	for range 1000 {
		finish(t, e, send("hi"))
	}
}

func TestOldestFinishedTasksAreForgotten(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits task.Limits
		text   string
	}{
		{"by count", task.Limits{MaxFinished: 3}, "x"},
		{"by size", task.Limits{MaxFinishedBytes: 350_000}, strings.Repeat("x", 100_000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := task.NewEngine(answer(tc.text), task.WithLimits(tc.limits))
			defer drain(t, e)
			var reqs []*a2a.SendMessageRequest
			var ids []a2a.TaskID
			for i := range 10 {
				reqs = append(reqs, send(fmt.Sprint(i)))
				ids = append(ids, finish(t, e, reqs[i]).ID)
			}
			drain(t, e) // forgetting goes on behind the answers
			for i, id := range ids {
				_, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
				if kept := i >= 7; kept != (err == nil) {
					t.Errorf("task %d: %v", i, err)
				} else if err != nil {
					wantError(t, err, a2a.ErrTaskNotFound, "forgotten")
				}
			}
			if got := finish(t, e, again(reqs[9])); got.ID != ids[9] {
				t.Error("the newest message is forgotten")
			}
			// A message is remembered for longer than its task: it is not answered
			// twice although the first answer is gone.
			_, err := e.SendMessage(t.Context(), again(reqs[0]))
			wantError(t, err, a2a.ErrTaskNotFound, string(ids[0]), "was answered before", "new id")
		})
	}
}

func TestNewestTaskIsKeptHoweverLarge(t *testing.T) {
	e := task.NewEngine(answer(strings.Repeat("x", 1000)), task.WithLimits(task.Limits{MaxFinishedBytes: 1}))
	defer drain(t, e)
	finish(t, e, send("hi"))
	id := finish(t, e, send("hi")).ID
	drain(t, e) // forgetting goes on behind the answers
	get(t, e, id)
	if n := len(listed(t, e, nil)); n != 1 {
		t.Errorf("%d tasks are kept", n)
	}
}

// TestReaderOfAForgottenTaskReadsOn: forgetting takes nothing away from those
// who have it.
func TestReaderOfAForgottenTaskReadsOn(t *testing.T) {
	e := task.NewEngine(write(10), task.WithLimits(task.Limits{MaxFinished: 1}))
	defer drain(t, e)
	n := 0
	for _, err := range e.SendStreamingMessage(t.Context(), send("hi")) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			for range 3 {
				finish(t, e, send("another"))
			}
		}
	}
	if n != 13 {
		t.Errorf("%d events, want 13", n)
	}
}

// TestReplyIsBounded: a turn that writes more than a task may hold is stopped,
// keeps what it has written, and its caller reads why.
func TestReplyIsBounded(t *testing.T) {
	const limit = 1000
	block := strings.Repeat("x", 400)
	for name, write := range map[string]func(x *task.Execution) error{
		"text":  func(x *task.Execution) error { _, err := x.WriteText([]byte(block)); return err },
		"parts": func(x *task.Execution) error { return x.WriteParts(a2a.NewRawPart([]byte(block))) },
		"artifact": func(x *task.Execution) error {
			return x.AddArtifact(&a2a.Artifact{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart(block)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			refused, cause := make(chan error, 1), make(chan error, 1)
			e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
				for {
					if err := write(x); err != nil {
						refused <- err
						<-ctx.Done()
						cause <- context.Cause(ctx)
						return nil // a turn that does not care
					}
				}
			}, task.WithLimits(task.Limits{MaxReplyBytes: limit}))
			defer drain(t, e)
			got := finish(t, e, send("hi"))
			wantError(t, <-refused, task.ErrReplyTooLarge, "1000 bytes", "MaxReplyBytes")
			wantError(t, <-cause, task.ErrReplyTooLarge)
			wantState(t, got, a2a.TaskStateFailed)
			if text := statusText(got); !strings.Contains(text, "larger than the 1000 bytes") {
				t.Errorf("the caller reads %q", text)
			}
			if len(got.Artifacts) != 1 {
				t.Errorf("%d artifacts, want what was written before", len(got.Artifacts))
			}
		})
	}
}

// TestReplyIsBoundedAcrossTurnsAndRestarts: the bound is on the task.
func TestReplyIsBoundedAcrossTurnsAndRestarts(t *testing.T) {
	block := []byte(strings.Repeat("x", 400))
	run := func(_ context.Context, x *task.Execution) error {
		if _, err := x.WriteText(block); err != nil {
			return err
		}
		return x.Ask(a2a.NewTextPart("more?"))
	}
	opts := task.WithLimits(task.Limits{MaxReplyBytes: 1000})
	d := newDisk()
	e, kill := d.live(t, run, opts)
	id := finish(t, e, send("hi")).ID
	kill()
	e, kill = d.live(t, run, opts)
	defer kill()
	wantState(t, finish(t, e, reply(id, "yes")), a2a.TaskStateInputRequired)
	wantState(t, finish(t, e, reply(id, "yes")), a2a.TaskStateFailed)
}

func TestReplyWithoutABound(t *testing.T) {
	e := task.NewEngine(answer(strings.Repeat("x", 100_000)), task.WithLimits(task.Limits{MaxReplyBytes: -1}))
	defer drain(t, e)
	wantState(t, finish(t, e, send("hi")), a2a.TaskStateCompleted)
}

func TestLimitsBelowOneMeanTheirDefaults(t *testing.T) {
	e := task.NewEngine(echo, task.WithLimits(task.Limits{MaxRunning: -1, MaxFinished: -1, MaxFinishedBytes: -1}),
		task.WithCancelGrace(-1), task.WithShutdownGrace(-1), task.WithLogger(nil))
	defer drain(t, e)
	for range 2 {
		finish(t, e, send("hi"))
	}
	if n := len(listed(t, e, nil)); n != 2 {
		t.Errorf("%d tasks are kept, want 2", n)
	}
}
