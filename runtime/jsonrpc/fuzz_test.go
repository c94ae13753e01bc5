package jsonrpc_test

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// mirror is an agent that gives back what it got, so that whatever can be read
// has to be written as well.
func mirror(t *testing.T) *agent {
	task := func(req *a2a.SendMessageRequest) *a2a.Task {
		for i, p := range req.Message.Parts {
			if p == nil || p.Content == nil {
				t.Errorf("part %d is empty", i)
			}
		}
		if req.Message.ID == "" || (req.Message.Role != a2a.MessageRoleUser && req.Message.Role != a2a.MessageRoleAgent) {
			t.Errorf("message id %q, role %q", req.Message.ID, req.Message.Role)
		}
		return &a2a.Task{
			ID: "t", ContextID: "c", Status: a2a.TaskStatus{State: a2a.TaskStateCompleted, Message: req.Message},
			History: []*a2a.Message{req.Message}, Artifacts: []*a2a.Artifact{{ID: "a", Parts: req.Message.Parts}}, Metadata: req.Metadata,
		}
	}
	return &agent{
		send: func(_ context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
			return task(req), nil
		},
		stream: func(_ context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
			return func(yield func(a2a.Event, error) bool) {
				_ = yield(task(req), nil) && yield(req.Message, nil) &&
					yield(&a2a.TaskArtifactUpdateEvent{TaskID: "t", Artifact: &a2a.Artifact{ID: "a", Parts: req.Message.Parts, Metadata: req.Metadata}}, nil)
			}
		},
		cancel: func(_ context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
			return &a2a.Task{ID: req.ID, Metadata: req.Metadata}, nil
		},
	}
}

// FuzzEnvelope sends anything as a request. The answer is a well-formed JSON-RPC
// response, a stream of them, or 413; and nothing panics.
func FuzzEnvelope(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add([]byte(r.body))
	}
	for _, body := range []string{
		hello03, hello10, helloStream03, helloStream10, "", "null", "[]", "[" + hello10 + "]", hello03 + hello10, `{"id":1}`, `"x"`, "{\"a\":\"\\",
		call("tasks/get", `{"id":"t","historyLength":1}`), call("tasks/cancel", `{"id":"t","metadata":{"a":[1]}}`), call("tasks/resubscribe", `{"id":"t"}`),
		call("tasks/pushNotificationConfig/set", `{"taskId":"t","pushNotificationConfig":{"id":"c","url":"u","authentication":{"schemes":[]}}}`),
		call("tasks/pushNotificationConfig/list", `{"id":"t"}`), call("agent/getAuthenticatedExtendedCard", `null`),
		call("ListTasks", `{"status":"TASK_STATE_WORKING","statusTimestampAfter":"2026-01-02T03:04:05Z"}`), call("SubscribeToTask", `{"id":"t"}`),
		call("CreateTaskPushNotificationConfig", `{"taskId":"t","url":"u","authentication":{"scheme":"Basic"}}`),
		call("SendMessage", `{"message":{"parts":[{"data":{"value":1},"metadata":{"data_part_compat":true}},{"raw":"YQ=="},{"url":"u"}]},"metadata":{"usage":{"input_tokens":1e400}}}`),
		call("message/send", `{"message":{"parts":[null,{"kind":"file","file":{"bytes":"YQ==","name":"\u2028"}}]},"configuration":{"blocking":false,"historyLength":-1}}`),
		call("message/stream", strings.Repeat(`{"a":`, 70)+"1"+strings.Repeat("}", 70)),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		log := new(recorder)
		a := mirror(t)
		h := jsonrpc.NewHandler(a, jsonrpc.WithLogger(log.logger()), jsonrpc.WithLimits(jsonrpc.Limits{MaxBody: 1 << 16}))
		for _, accept := range []string{"", "text/event-stream"} {
			got := post(t, h, string(body), "Accept", accept)
			switch got.header.Get("Content-Type") {
			case "application/json":
				parseResponse(t, got.body)
			case "text/event-stream":
				for _, e := range got.events(t) {
					parseResponse(t, e.data)
				}
			default:
				t.Errorf("Content-Type %q", got.header.Get("Content-Type"))
			}
			if got.status != http.StatusOK && got.status != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d", got.status)
			}
		}
		if strings.Contains(log.String(), "a2a: panic") {
			t.Errorf("a panic: %s", log)
		}
		if n := a.calls.Load(); n > 2 {
			t.Errorf("one request made %d calls", n)
		}
	})
}

// FuzzHeaders sends a good request with any headers: whatever they say, the
// answer is a defined one.
func FuzzHeaders(f *testing.F) {
	f.Add("application/json", "1.0", "7", "text/event-stream", "same-origin", "http://example.com")
	f.Add("application/a2a+json; charset=utf-8", "0.3.0", "x", "*/*", "cross-site", "null")
	f.Add("", "9.9", "", "", "", "")
	f.Fuzz(func(t *testing.T, contentType, version, lastID, accept, site, origin string) {
		h := jsonrpc.NewHandler(mirror(t))
		got := post(t, h, helloStream10, "Content-Type", contentType, "A2A-Version", version, "Last-Event-ID", lastID,
			"Accept", accept, "Sec-Fetch-Site", site, "Origin", origin)
		switch got.status {
		case http.StatusOK:
			if got.header.Get("Content-Type") == "application/json" {
				parseResponse(t, got.body)
				return
			}
			for _, e := range got.events(t) {
				parseResponse(t, e.data)
			}
		case http.StatusForbidden, http.StatusUnsupportedMediaType:
			parseResponse(t, got.body)
		default:
			t.Errorf("status %d", got.status)
		}
	})
}
