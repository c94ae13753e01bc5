package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// agent is a request handler whose methods are the fields; what is nil answers
// in the plainest way. It counts the calls and keeps the last message request.
type agent struct {
	send       func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error)
	stream     func(context.Context, *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error]
	get        func(context.Context, *a2a.GetTaskRequest) (*a2a.Task, error)
	list       func(context.Context, *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error)
	cancel     func(context.Context, *a2a.CancelTaskRequest) (*a2a.Task, error)
	subscribe  func(context.Context, *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error]
	createPush func(context.Context, *a2a.PushConfig) (*a2a.PushConfig, error)
	getPush    func(context.Context, *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error)
	listPush   func(context.Context, *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error)
	deletePush func(context.Context, *a2a.DeleteTaskPushConfigRequest) error
	card       func(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error)

	calls atomic.Int32
	last  atomic.Pointer[a2a.SendMessageRequest]
}

var _ a2asrv.RequestHandler = (*agent)(nil)

// reply is what an agent without a function of its own answers.
func reply(req *a2a.SendMessageRequest) *a2a.Message {
	var text strings.Builder
	for _, p := range req.Message.Parts {
		text.WriteString(p.Text())
	}
	return &a2a.Message{ID: "m-agent-1", Role: a2a.MessageRoleAgent, Parts: a2a.ContentParts{a2a.NewTextPart("echo: " + text.String())}}
}

func (a *agent) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	a.calls.Add(1)
	a.last.Store(req)
	if a.send != nil {
		return a.send(ctx, req)
	}
	return reply(req), nil
}

func (a *agent) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	a.calls.Add(1)
	a.last.Store(req)
	if a.stream != nil {
		return a.stream(ctx, req)
	}
	return func(yield func(a2a.Event, error) bool) { yield(reply(req), nil) }
}

func (a *agent) GetTask(ctx context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	a.calls.Add(1)
	if a.get != nil {
		return a.get(ctx, req)
	}
	return nil, a2a.ErrTaskNotFound
}

func (a *agent) ListTasks(ctx context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	a.calls.Add(1)
	if a.list != nil {
		return a.list(ctx, req)
	}
	return &a2a.ListTasksResponse{}, nil
}

func (a *agent) CancelTask(ctx context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	a.calls.Add(1)
	if a.cancel != nil {
		return a.cancel(ctx, req)
	}
	return nil, a2a.ErrTaskNotFound
}

func (a *agent) SubscribeToTask(ctx context.Context, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	a.calls.Add(1)
	if a.subscribe != nil {
		return a.subscribe(ctx, req)
	}
	return func(yield func(a2a.Event, error) bool) { yield(nil, a2a.ErrTaskNotFound) }
}

func (a *agent) CreateTaskPushConfig(ctx context.Context, req *a2a.PushConfig) (*a2a.PushConfig, error) {
	a.calls.Add(1)
	if a.createPush != nil {
		return a.createPush(ctx, req)
	}
	return req, nil
}

func (a *agent) GetTaskPushConfig(ctx context.Context, req *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	a.calls.Add(1)
	if a.getPush != nil {
		return a.getPush(ctx, req)
	}
	return &a2a.PushConfig{TaskID: req.TaskID, ID: req.ID}, nil
}

func (a *agent) ListTaskPushConfigs(ctx context.Context, req *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
	a.calls.Add(1)
	if a.listPush != nil {
		return a.listPush(ctx, req)
	}
	return &a2a.ListTaskPushConfigResponse{}, nil
}

func (a *agent) DeleteTaskPushConfig(ctx context.Context, req *a2a.DeleteTaskPushConfigRequest) error {
	a.calls.Add(1)
	if a.deletePush != nil {
		return a.deletePush(ctx, req)
	}
	return nil
}

func (a *agent) GetExtendedAgentCard(ctx context.Context, req *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	a.calls.Add(1)
	if a.card != nil {
		return a.card(ctx, req)
	}
	return nil, a2a.ErrExtendedCardNotConfigured
}

// answered is what a caller got.
type answered struct {
	status int
	header http.Header
	body   string
}

// post sends a body as the platform does.
func post(t testing.TB, h http.Handler, body string, headers ...string) answered {
	t.Helper()
	return request(t, h, http.MethodPost, "/", body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// request sends a request to a handler without a network. headers are names and
// values in turn; an empty value removes the header.
func request(t testing.TB, h http.Handler, method, target, body string, headers ...string) answered {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{status: res.StatusCode, header: res.Header, body: string(got)}
}

// response is a JSON-RPC response, taken apart.
type response struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// parseResponse reads a response and fails the test if it is not well-formed:
// the version, an id, and either a result or an error.
func parseResponse(t testing.TB, body string) response {
	t.Helper()
	var r response
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("not a JSON-RPC response: %v in %.300q", err, body)
	}
	if rest, _ := io.ReadAll(decoder.Buffered()); len(bytes.TrimSpace(rest)) > 0 {
		t.Fatalf("something follows the response: %.300q", body)
	}
	if r.JSONRPC != "2.0" || len(r.ID) == 0 || (r.Result == nil) == (r.Error == nil) {
		t.Fatalf("not a well-formed JSON-RPC response: %.300q", body)
	}
	return r
}

// rpc reads an answer that has to be a JSON-RPC response.
func (a answered) rpc(t testing.TB) response {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, Content-Type %q, want a JSON-RPC response: %.300q", a.status, a.header.Get("Content-Type"), a.body)
	}
	return parseResponse(t, a.body)
}

// wantError checks that an answer is a plain JSON-RPC error.
func (a answered) wantError(t testing.TB, code int) response {
	t.Helper()
	r := a.rpc(t)
	if r.Error == nil || r.Error.Code != code {
		t.Fatalf("want error %d, got %s", code, a.body)
	}
	return r
}

// wantResult checks that an answer is a result and returns it.
func (a answered) wantResult(t testing.TB) string {
	t.Helper()
	r := a.rpc(t)
	if r.Error != nil {
		t.Fatalf("want a result, got %s", a.body)
	}
	return string(r.Result)
}

// event is one server-sent event.
type event struct {
	id   string
	data string
}

// parseEvents reads a whole stream.
func parseEvents(t testing.TB, body string) (events []event, comments int) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			switch {
			case strings.HasPrefix(line, "id: "):
				e.id = line[len("id: "):]
			case strings.HasPrefix(line, "data: "):
				e.data += line[len("data: "):]
			case strings.HasPrefix(line, ":"):
				comments++
			case line != "":
				t.Fatalf("not a line of a stream: %.300q", line)
			}
		}
		if e.data != "" {
			events = append(events, e)
		}
	}
	return events, comments
}

// events reads an answer that has to be a stream.
func (a answered) events(t testing.TB) []event {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, Content-Type %q, want a stream: %.300q", a.status, a.header.Get("Content-Type"), a.body)
	}
	events, _ := parseEvents(t, a.body)
	return events
}

// serve mounts a front end on a real server.
func serve(t testing.TB, rh a2asrv.RequestHandler, opts ...jsonrpc.Option) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(jsonrpc.NewHandler(rh, opts...))
	t.Cleanup(server.Close)
	return server
}

// recorder keeps what was logged.
type recorder struct {
	lines atomic.Pointer[[]string]
}

func (r *recorder) Write(p []byte) (int, error) {
	for {
		old := r.lines.Load()
		var lines []string
		if old != nil {
			lines = append(lines, *old...)
		}
		lines = append(lines, string(p))
		if r.lines.CompareAndSwap(old, &lines) {
			return len(p), nil
		}
	}
}

func (r *recorder) String() string {
	if lines := r.lines.Load(); lines != nil {
		return strings.Join(*lines, "")
	}
	return ""
}

func (r *recorder) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// call writes a JSON-RPC request with id 1.
func call(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

// Requests with everything they need, in both dialects.
var (
	hello03       = call("message/send", `{"message":{"role":"user","messageId":"m1","parts":[{"kind":"text","text":"hello"}]}}`)
	hello10       = call("SendMessage", `{"message":{"role":"ROLE_USER","messageId":"m1","parts":[{"text":"hello"}]}}`)
	helloStream03 = call("message/stream", `{"message":{"role":"user","messageId":"m1","parts":[{"kind":"text","text":"hello"}]}}`)
	helloStream10 = call("SendStreamingMessage", `{"message":{"role":"ROLE_USER","messageId":"m1","parts":[{"text":"hello"}]}}`)
)
