package jsonrpc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

func TestACallerThatAcceptsOnlyEventsGetsItsErrorAsOne(t *testing.T) {
	for _, c := range []struct {
		body string
		code string
	}{
		{call("message/stream", `{}`), `"code":-32602`},
		{call("SubscribeToTask", `{}`), `"code":-32602`},
		{call("nothing", `{}`), `"code":-32601`},
		{"{", `"code":-32700`},
	} {
		events := post(t, jsonrpc.NewHandler(new(agent)), c.body, "Accept", "text/event-stream").events(t)
		if len(events) != 1 || !strings.Contains(events[0].data, c.code) {
			t.Errorf("%s: got %+v", c.body, events)
			continue
		}
		parseResponse(t, events[0].data)
	}
	for _, accept := range []string{"", "*/*", "text/event-stream, application/json", "application/*;q=0.5, text/event-stream", "text/html"} {
		post(t, jsonrpc.NewHandler(new(agent)), call("message/stream", `{}`), "Accept", accept).wantError(t, -32602)
	}
}

func TestARequestThatDoesNotArriveWholeIs400(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/",
		io.MultiReader(strings.NewReader(hello10[:20]), iotest.ErrReader(errors.New("reset"))))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a := new(agent)
	jsonrpc.NewHandler(a).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || a.calls.Load() != 0 {
		t.Errorf("status %d, %d calls", w.Code, a.calls.Load())
	}
	parseResponse(t, w.Body.String())
}

func TestABodyThatTakesTooLongIs400(t *testing.T) {
	inBubble(t, jsonrpc.NewHandler(new(agent)), nil, func(t *testing.T, b *bubble) {
		conn, err := b.client.Transport.(*http.Transport).DialContext(t.Context(), "pipe", "pipe")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		start := time.Now()
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: agent.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		}()
		got := make([]byte, 12)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		if string(got) != "HTTP/1.1 400" || time.Since(start) != 30*time.Second {
			t.Errorf("got %q after %v, want 400 after 30 s", got, time.Since(start))
		}
	})
}

func TestADeadlineOfAMiddlewareIsAnswered(t *testing.T) {
	a := &agent{send: func(ctx context.Context, _ *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	h := jsonrpc.NewHandler(a)
	hurried := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
	both(t, func(t *testing.T, hello string) { post(t, hurried, hello).wantError(t, -32603) })
}

func TestAHandlerWithoutAResultIsInternalError(t *testing.T) {
	a := &agent{
		send:       func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) { return nil, nil },
		get:        func(context.Context, *a2a.GetTaskRequest) (*a2a.Task, error) { return nil, nil },
		cancel:     func(context.Context, *a2a.CancelTaskRequest) (*a2a.Task, error) { return nil, nil },
		list:       func(context.Context, *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) { return nil, nil },
		createPush: func(context.Context, *a2a.PushConfig) (*a2a.PushConfig, error) { return nil, nil },
		getPush:    func(context.Context, *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) { return nil, nil },
		listPush: func(context.Context, *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
			return nil, nil
		},
		card: func(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) { return nil, nil },
	}
	log := new(recorder)
	h := jsonrpc.NewHandler(a, jsonrpc.WithLogger(log.logger()))
	bodies := []string{
		hello03, call("tasks/get", `{"id":"t"}`), call("tasks/cancel", `{"id":"t"}`), call("agent/getAuthenticatedExtendedCard", `{}`),
		call("tasks/pushNotificationConfig/set", `{"taskId":"t","pushNotificationConfig":{"url":"http://x"}}`),
		call("tasks/pushNotificationConfig/get", `{"id":"t"}`), call("tasks/pushNotificationConfig/list", `{"id":"t"}`),
		hello10, call("GetTask", `{"id":"t"}`), call("CancelTask", `{"id":"t"}`), call("ListTasks", `{}`), call("GetExtendedAgentCard", `{}`),
		call("CreateTaskPushNotificationConfig", `{"taskId":"t","url":"http://x"}`),
		call("GetTaskPushNotificationConfig", `{"taskId":"t","id":"c"}`), call("ListTaskPushNotificationConfigs", `{"taskId":"t"}`),
	}
	for _, body := range bodies {
		if r := post(t, h, body).wantError(t, -32603); r.Error.Message != "internal error" {
			t.Errorf("%s: message %q", body, r.Error.Message)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != len(bodies) {
		t.Errorf("%d of %d are in the log: %s", n, len(bodies), log)
	}
}

func TestAResultThatCannotBeEncodedIsInternalError(t *testing.T) {
	for name, bad := range map[string]any{"a function": func() {}, "a channel": make(chan int), "a panic": panicky{}} {
		a := &agent{send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
			return &a2a.Task{ID: "t", Metadata: map[string]any{"x": bad}}, nil
		}}
		both(t, func(t *testing.T, hello string) {
			if r := post(t, jsonrpc.NewHandler(a), hello).wantError(t, -32603); r.Error.Message != "internal error" {
				t.Errorf("%s: message %q", name, r.Error.Message)
			}
		})
	}
}

type panicky struct{}

func (panicky) MarshalJSON() ([]byte, error) { panic("no") }

func TestErrAbortHandlerIsPassedOn(t *testing.T) {
	a := &agent{send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
		panic(http.ErrAbortHandler)
	}}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
	}()
	post(t, jsonrpc.NewHandler(a), hello10)
}

func TestInterceptorsSeeTheCallContext(t *testing.T) {
	var got []string
	a := &agent{send: func(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
		callCtx, ok := a2asrv.CallContextFrom(ctx)
		if !ok {
			return nil, errors.New("no call context")
		}
		authorization, _ := callCtx.ServiceParams().Get("authorization")
		extensions, _ := callCtx.ServiceParams().Get(a2a.SvcParamExtensions)
		got = append(authorization, extensions...)
		return reply(req), nil
	}}
	for _, c := range []struct{ body, header string }{
		{hello10, "A2A-Extensions"}, {hello03, "A2A-Extensions"}, {hello03, "X-A2A-Extensions"}, // the last is 0.3's own name
	} {
		got = nil
		post(t, jsonrpc.NewHandler(a), c.body, "Authorization", "Bearer x", c.header, "https://e").wantResult(t)
		if strings.Join(got, " ") != "Bearer x https://e" {
			t.Errorf("%s: the handler saw %q", c.header, got)
		}
	}
}

func TestAnyNumberOfHandlersShareNothing(t *testing.T) {
	first, second := new(agent), new(agent)
	one, two := jsonrpc.NewHandler(first), jsonrpc.NewHandler(second, jsonrpc.WithLimits(jsonrpc.Limits{MaxBody: 1}))
	post(t, one, hello10).wantResult(t)
	if got := post(t, two, hello10); got.status != http.StatusRequestEntityTooLarge || second.calls.Load() != 0 {
		t.Errorf("status %d, %d calls", got.status, second.calls.Load())
	}
}
