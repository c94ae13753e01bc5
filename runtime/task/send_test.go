package task_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestSendWaitsForTheEnd(t *testing.T) {
	e := task.NewEngine(answer("hello"))
	defer drain(t, e)
	req := send("hi")
	got := finish(t, e, req)
	wantState(t, got, a2a.TaskStateCompleted)
	if text := replyText(got); text != "hello" {
		t.Errorf("the reply is %q", text)
	}
	if len(got.History) != 1 || got.History[0].ID != req.Message.ID || got.History[0].TaskID != got.ID || got.History[0].ContextID != got.ContextID {
		t.Errorf("the history is %+v, want the message with the ids of its task", got.History)
	}
	if at := got.Status.Timestamp; at == nil || at.Location().String() != "UTC" || at.Nanosecond()%1e6 != 0 {
		t.Errorf("the status is of %v, want UTC in milliseconds", at)
	}
	if req.Message.TaskID != "" || req.Message.ContextID != "" {
		t.Error("the caller's message was written to")
	}
}

func TestSendReturnsAtOnceWhenAsked(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	got := start(t, e, send("hi"))
	wantState(t, got, a2a.TaskStateWorking)
	close(g.open)
	wantState(t, finish(t, e, &a2a.SendMessageRequest{Message: got.History[0]}), a2a.TaskStateCompleted)
}

func TestSendTrimsTheHistory(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	req := send("hi")
	req.Config = &a2a.SendMessageConfig{HistoryLength: new(int)}
	if got := finish(t, e, req); len(got.History) != 0 {
		t.Errorf("the history has %d messages, want none", len(got.History))
	}
}

func TestSendKeepsTheCallersContextID(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	req := send("hi")
	req.Message.ContextID = "a conversation"
	if got := finish(t, e, req); got.ContextID != "a conversation" {
		t.Errorf("the context id is %q", got.ContextID)
	}
}

func TestClientGoneWorkGoesOn(t *testing.T) {
	g := newGate()
	var values atomic.Value
	type key struct{}
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		values.Store(ctx.Value(key{}))
		return g.run(ctx, x)
	})
	defer drain(t, e)
	ctx, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "of the request"))
	failed := make(chan error)
	go func() {
		_, err := e.SendMessage(ctx, send("hi"))
		failed <- err
	}()
	id := <-g.begun
	leave()
	wantError(t, <-failed, context.Canceled, "goes on")
	close(g.open)
	drain(t, e)
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateCompleted)
	if text := replyText(got); text != "before after" {
		t.Errorf("the reply is %q", text)
	}
	if values.Load() != "of the request" {
		t.Error("the turn's context has lost the values of the request")
	}
}

func TestSendRefusesWhatIsNoMessage(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	negative := -1
	for _, tc := range []struct {
		name   string
		spoil  func(*a2a.SendMessageRequest)
		want   error
		saying string
	}{
		{"no message", func(r *a2a.SendMessageRequest) { r.Message = nil }, a2a.ErrInvalidParams, "message is missing"},
		{"no id", func(r *a2a.SendMessageRequest) { r.Message.ID = "" }, a2a.ErrInvalidParams, "messageId"},
		{"endless id", func(r *a2a.SendMessageRequest) { r.Message.ID = strings.Repeat("x", 2000) }, a2a.ErrInvalidParams, "1024 bytes"},
		{"endless context", func(r *a2a.SendMessageRequest) { r.Message.ContextID = strings.Repeat("x", 2000) }, a2a.ErrInvalidParams, "1024 bytes"},
		{"no role", func(r *a2a.SendMessageRequest) { r.Message.Role = "" }, a2a.ErrInvalidParams, "message.role"},
		{"unknown role", func(r *a2a.SendMessageRequest) { r.Message.Role = "zzz" }, a2a.ErrInvalidParams, `"zzz"`},
		{"no parts", func(r *a2a.SendMessageRequest) { r.Message.Parts = nil }, a2a.ErrInvalidParams, "parts is empty"},
		{"null part", func(r *a2a.SendMessageRequest) { r.Message.Parts = a2a.ContentParts{nil} }, a2a.ErrInvalidParams, "parts[0]"},
		{"part without content", func(r *a2a.SendMessageRequest) { r.Message.Parts = a2a.ContentParts{{}} }, a2a.ErrInvalidParams, "parts[0]"},
		{"push config", func(r *a2a.SendMessageRequest) {
			r.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{}}
		}, a2a.ErrPushNotificationNotSupported, "push"},
		{"negative history", func(r *a2a.SendMessageRequest) {
			r.Config = &a2a.SendMessageConfig{HistoryLength: &negative}
		}, a2a.ErrInvalidParams, "historyLength"},
		{"unknown task", func(r *a2a.SendMessageRequest) { r.Message.TaskID = "nobody" }, a2a.ErrTaskNotFound, `"nobody"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := send("hi")
			tc.spoil(req)
			_, err := e.SendMessage(t.Context(), req)
			wantError(t, err, tc.want, tc.saying)
		})
	}
	if _, err := e.SendMessage(t.Context(), nil); !errors.Is(err, a2a.ErrInvalidParams) {
		t.Errorf("no request: %v", err)
	}
	for _, err := range e.SendStreamingMessage(t.Context(), nil) {
		wantError(t, err, a2a.ErrInvalidParams)
	}
}

func TestMessageToATaskThatHasEnded(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	first := finish(t, e, send("hi"))
	req := send("more")
	req.Message.TaskID = first.ID
	_, err := e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrUnsupportedOperation, "has ended", first.ContextID)

	req.Message.ContextID = "another"
	_, err = e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrInvalidParams, "belongs to context", `"another"`)
}

func TestMessageToATaskAtWork(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	first := start(t, e, send("hi"))
	req := send("more")
	req.Message.TaskID = first.ID
	_, err := e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrUnsupportedOperation, "is at work", first.ContextID)
	close(g.open)
}

func TestMessageSeenBeforeReturnsItsTask(t *testing.T) {
	runs := atomic.Int32{}
	g := newGate()
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		runs.Add(1)
		return g.run(ctx, x)
	})
	defer drain(t, e)
	req := send("hi")

	const callers = 50
	ids := make(chan a2a.TaskID, callers)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() { ids <- finish(t, e, again(req)).ID })
	}
	<-g.begun
	close(g.open)
	wg.Wait()
	first := <-ids
	for range callers - 1 {
		if id := <-ids; id != first {
			t.Errorf("task %s, want %s", id, first)
		}
	}
	done := finish(t, e, again(req))
	if done.ID != first || replyText(done) != "before after" {
		t.Errorf("after the end: task %s saying %q", done.ID, replyText(done))
	}

	// A caller that has learned its ids may send them along.
	withIDs := again(req)
	withIDs.Message.ContextID, withIDs.Message.TaskID = done.ContextID, done.ID
	if got := finish(t, e, withIDs); got.ID != first {
		t.Errorf("with its ids: task %s, want %s", got.ID, first)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the agent ran %d times", n)
	}

	var texts []string
	for ev, err := range e.SendStreamingMessage(t.Context(), again(req)) {
		if err != nil {
			t.Fatal(err)
		}
		if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			texts = append(texts, up.Artifact.Parts[0].Text())
		}
	}
	if got := strings.Join(texts, "|"); got != "before |after" {
		t.Errorf("streamed again: %q, want every event from the first", got)
	}
}

func TestMessageIDsAreOfTheirContext(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	a, b := send("hi"), send("hi")
	b.Message.ID = a.Message.ID
	a.Message.ContextID, b.Message.ContextID = "one", "two"
	if finish(t, e, a).ID == finish(t, e, b).ID {
		t.Error("one task for messages of two contexts")
	}
}

// Without a conversation the second may be somebody else, who must not be
// handed the first one's reply.
func TestMessageIDOfSomebodyElseIsRefused(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	a, b := send("hi"), send("something else")
	b.Message.ID = a.Message.ID
	finish(t, e, a)
	if got, err := e.SendMessage(t.Context(), b); !errors.Is(err, a2a.ErrInvalidParams) {
		t.Errorf("SendMessage() = %v, %v; want ErrInvalidParams", got, err)
	}
}

func TestMessageIDUsedTwiceIsLogged(t *testing.T) {
	log := &logged{}
	e := task.NewEngine(echo, task.WithLogger(log.logger()))
	a, b := send("hi"), send("something else")
	b.Message.ID = a.Message.ID
	a.Message.ContextID, b.Message.ContextID = "one", "one"
	if first, second := finish(t, e, a), finish(t, e, b); first.ID != second.ID {
		t.Error("the second message made a task of its own")
	}
	drain(t, e)
	wantLogged(t, log, "level=WARN", "give each message its own id", a.Message.ID)
}
