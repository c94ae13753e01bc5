package task_test

import (
	"context"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// travel asks for a city and then answers.
func travel(_ context.Context, x *task.Execution) error {
	if len(x.History()) == 0 {
		if _, err := x.WriteText([]byte("Let me see. ")); err != nil {
			return err
		}
		return x.Ask(a2a.NewTextPart("Which city?"))
	}
	var said []string
	for _, m := range x.History() {
		said = append(said, m.Parts[0].Text())
	}
	_, err := x.WriteText([]byte(strings.Join(said, "/") + "/" + x.Message().Parts[0].Text() + " after " + x.Written()))
	return err
}

// reply makes a message that answers a task's question.
func reply(id a2a.TaskID, text string) *a2a.SendMessageRequest {
	req := send(text)
	req.Message.TaskID = id
	return req
}

func TestAskAndAnswer(t *testing.T) {
	for name, restart := range map[string]bool{"in one life": false, "across a restart": true} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			e, kill := d.live(t, travel)
			defer func() { kill() }()
			asked := finish(t, e, send("a trip"))
			wantState(t, asked, a2a.TaskStateInputRequired)
			if statusText(asked) != "Which city?" || replyText(asked) != "Let me see. " {
				t.Errorf("asks %q after %q", statusText(asked), replyText(asked))
			}
			if restart {
				kill()
				e, kill = d.live(t, travel)
				wantState(t, get(t, e, asked.ID), a2a.TaskStateInputRequired)
			}
			var states []a2a.TaskState
			req := reply(asked.ID, "Oslo")
			for ev, err := range e.SendStreamingMessage(t.Context(), req) {
				if err != nil {
					t.Fatal(err)
				}
				switch ev := ev.(type) {
				case *a2a.Task:
					states = append(states, ev.Status.State)
				case *a2a.TaskStatusUpdateEvent:
					states = append(states, ev.Status.State)
				}
			}
			if diff := cmp.Diff([]a2a.TaskState{a2a.TaskStateWorking, a2a.TaskStateCompleted}, states); diff != "" {
				t.Errorf("the stream of the answer (-want +got):\n%s", diff)
			}
			got := get(t, e, asked.ID)
			wantState(t, got, a2a.TaskStateCompleted)
			if want := "Let me see. a trip/Which city?/Oslo after Let me see. "; replyText(got) != want {
				t.Errorf("the reply is %q, want %q", replyText(got), want)
			}
			var said []string
			for _, m := range got.History {
				said = append(said, string(m.Role)+" "+m.Parts[0].Text())
			}
			if diff := cmp.Diff([]string{"ROLE_USER a trip", "ROLE_AGENT Which city?", "ROLE_USER Oslo"}, said); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			two := 2
			if short, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: asked.ID, HistoryLength: &two}); err != nil || len(short.History) != 2 || short.History[1].Parts[0].Text() != "Oslo" {
				t.Errorf("the last two messages: %v, %v", short, err)
			}
			if again := finish(t, e, again(req)); again.ID != asked.ID || replyText(again) != replyText(got) {
				t.Error("an answer that came twice ran twice")
			}
			_, err := e.SendMessage(t.Context(), reply(asked.ID, "Rome"))
			wantError(t, err, a2a.ErrUnsupportedOperation, "has ended")
		})
	}
}

// TestAskedTaskEndsReaders: what waits for the caller keeps no stream open, and
// who comes later gets the question.
func TestAskedTaskEndsReaders(t *testing.T) {
	e := task.NewEngine(travel)
	defer drain(t, e)
	asked := finish(t, e, send("a trip"))
	n := 0
	for ev, err := range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: asked.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		wantState(t, ev.(*a2a.Task), a2a.TaskStateInputRequired)
	}
	if n != 1 {
		t.Errorf("%d events, want the task", n)
	}
	canceled, err := cancel(t.Context(), e, asked.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, canceled, a2a.TaskStateCanceled)
	_, err = e.SendMessage(t.Context(), reply(asked.ID, "Oslo"))
	wantError(t, err, a2a.ErrUnsupportedOperation)
}

func TestABadQuestionFailsTheTurn(t *testing.T) {
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error { return x.Ask(&a2a.Part{}) })
	defer drain(t, e)
	wantState(t, finish(t, e, send("hi")), a2a.TaskStateFailed)
}
