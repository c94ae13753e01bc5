package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// The handler of a2a-go is the other implementation of the same interface: for
// a simple exchange both must tell the same story.

// anonymous is an event or a task as JSON without what is made up: ids and
// times.
func anonymous(t testing.TB, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return blank(fields)
}

func blank(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			switch key {
			case "id", "taskId", "contextId", "artifactId", "messageId":
				v[key] = "an id"
			case "timestamp": // the stock handler gives none to a submitted task
				delete(v, key)
			default:
				v[key] = blank(v[key])
			}
		}
		if v["role"] != nil { // the stock handler keeps the message without the ids of its task
			delete(v, "taskId")
			delete(v, "contextId")
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i])
		}
	}
	return v
}

// handlers are both implementations with the same agent.
func handlers(t testing.TB, chunks int) (ours *task.Engine, stock a2asrv.RequestHandler) {
	t.Helper()
	ours = task.NewEngine(write(chunks))
	t.Cleanup(func() { drain(t, ours) })
	return ours, stockHandler(chunks)
}

func TestSameTaskAsTheStockHandler(t *testing.T) {
	ours, stock := handlers(t, 1)
	var got [2]any
	for i, h := range []a2asrv.RequestHandler{stock, ours} {
		res, err := h.SendMessage(t.Context(), send("hi"))
		if err != nil {
			t.Fatal(err)
		}
		read, err := h.GetTask(t.Context(), &a2a.GetTaskRequest{ID: res.(*a2a.Task).ID})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(anonymous(t, res), anonymous(t, read)); diff != "" {
			t.Errorf("handler %d: sent and read differ (-sent +read):\n%s", i, diff)
		}
		got[i] = anonymous(t, read)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the task (-stock +ours):\n%s", diff)
	}
}

func TestSameEventsAsTheStockHandler(t *testing.T) {
	ours, stock := handlers(t, 3)
	var got [2][]any
	for i, h := range []a2asrv.RequestHandler{stock, ours} {
		for ev, err := range h.SendStreamingMessage(t.Context(), send("hi")) {
			if err != nil {
				t.Fatal(err)
			}
			got[i] = append(got[i], anonymous(t, a2a.StreamResponse{Event: ev}))
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the events (-stock +ours):\n%s", diff)
	}
}

// failingStock is the stock handler's agent that fails. It says so itself: an
// error it yields reaches the caller now as a failed task and now as the error.
type failingStock struct{ stockAgent }

func (failingStock) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateFailed, nil), nil)
		}
	}
}

func TestSameFailureAsTheStockHandlerButForTheText(t *testing.T) {
	ours := task.NewEngine(func(context.Context, *task.Execution) error { return errors.New("no") })
	defer drain(t, ours)
	var got [2]any
	for i, h := range []a2asrv.RequestHandler{a2asrv.NewHandler(failingStock{}, a2asrv.WithLogger(slog.New(slog.DiscardHandler))), ours} {
		res, err := h.SendMessage(t.Context(), send("hi"))
		if err != nil {
			t.Fatal(err)
		}
		res.(*a2a.Task).Status.Message = nil // the stock handler says nothing
		got[i] = anonymous(t, res)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the failed task (-stock +ours):\n%s", diff)
	}
}

// TestErrorsOfTheStockHandler compares which error is what, where both follow
// the specification.
func TestErrorsOfTheStockHandler(t *testing.T) {
	ours, stock := handlers(t, 1)
	for name, tc := range map[string]struct {
		call func(h a2asrv.RequestHandler) error
		want error
	}{
		"get unknown": {func(h a2asrv.RequestHandler) error {
			_, err := h.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "nobody"})
			return err
		}, a2a.ErrTaskNotFound},
		"cancel unknown": {func(h a2asrv.RequestHandler) error {
			_, err := h.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: "nobody"})
			return err
		}, a2a.ErrTaskNotFound},
		"cancel completed": {func(h a2asrv.RequestHandler) error {
			res, _ := h.SendMessage(t.Context(), send("hi"))
			_, err := h.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: res.(*a2a.Task).ID})
			return err
		}, a2a.ErrTaskNotCancelable},
		"push": {func(h a2asrv.RequestHandler) error {
			_, err := h.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: "nobody"})
			return err
		}, a2a.ErrPushNotificationNotSupported},
		"extended card": {func(h a2asrv.RequestHandler) error {
			_, err := h.GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
			return err
		}, a2a.ErrExtendedCardNotConfigured},
		"no message id": {func(h a2asrv.RequestHandler) error {
			req := send("hi")
			req.Message.ID = ""
			_, err := h.SendMessage(t.Context(), req)
			return err
		}, a2a.ErrInvalidParams},
	} {
		for who, h := range map[string]a2asrv.RequestHandler{"stock": stock, "ours": ours} {
			if err := tc.call(h); !errors.Is(err, tc.want) {
				t.Errorf("%s, %s: %v, want %v", name, who, err, tc.want)
			}
		}
	}
}
