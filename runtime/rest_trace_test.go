package runtime_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// shut is a Durability that takes no message.
type shut struct{ undisturbed }

func (*shut) Open() error { return a2a.NewError(errors.Join(task.ErrBusy, a2a.ErrServerError), "shut") }

// TestRESTSpans: what was called, what came of it, and whose trace it is in.
func TestRESTSpans(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	hello := strings.TrimSuffix(restHello, "}")
	for name, tt := range map[string]struct {
		method, path, body string
		shut               bool
		span, route        string
		status             int64
		code               codes.Code
		joins              bool
	}{
		"a message": {
			method: "POST", path: "/message:send", body: restHello,
			span: "POST /rest/message:send", route: "/rest/message:send", status: 200,
		},
		"a trace in the metadata": {
			method: "POST", path: "/message:send", body: hello + `,"metadata":{"traceparent":"` + parent + `","n":1}}`,
			span: "POST /rest/message:send", route: "/rest/message:send", status: 200, joins: true,
		},
		"a stream": {
			method: "POST", path: "/message:stream", body: restHello,
			span: "POST /rest/message:stream", route: "/rest/message:stream", status: 200,
		},
		"a task that is not there": {
			method: "GET", path: "/tasks/nobody", span: "GET /rest/tasks/{id}", route: "/rest/tasks/{id}", status: 404,
		},
		"cancel": {
			method: "POST", path: "/tasks/nobody:cancel", span: "POST /rest/tasks/{id}:cancel", route: "/rest/tasks/{id}:cancel", status: 404,
		},
		"a path that is not there": {method: "GET", path: "/secret/42", span: "GET", status: 404},
		"a method that is not there": {
			method: "BREW42", path: "/message:send", span: "HTTP /rest/message:send", route: "/rest/message:send", status: 405,
		},
		"turned away": {
			method: "POST", path: "/message:send", body: restHello, shut: true,
			span: "POST /rest/message:send", route: "/rest/message:send", status: 503, code: codes.Error,
		},
	} {
		t.Run(name, func(t *testing.T) {
			recorded := tracetest.NewSpanRecorder()
			opts := []runtime.Option{
				runtime.WithREST(), runtime.WithTaskStore(task.NewMemory()), runtime.WithPropagator(propagation.TraceContext{}),
				runtime.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(recorded))),
			}
			if tt.shut {
				opts = append(opts, runtime.WithDurability(func() runtime.Durability { return &shut{} }))
			}
			h, stop := aloneHandler(t, parrot, opts...)
			req := httptest.NewRequestWithContext(context.Background(), tt.method, "/rest"+tt.path, strings.NewReader(tt.body))
			req.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(httptest.NewRecorder(), req)
			stop()
			var span trace.ReadOnlySpan
			for _, s := range recorded.Ended() {
				if s.Name() == tt.span {
					span = s
				}
			}
			if span == nil {
				t.Fatalf("there is no span %q among %v", tt.span, tracetest.SpanStubsFromReadOnlySpans(recorded.Ended()).Snapshots())
			}
			var route, method string
			var status int64
			for _, a := range span.Attributes() {
				switch a.Key {
				case "http.route":
					route = a.Value.AsString()
				case "http.request.method":
					method = a.Value.AsString()
				case "http.response.status_code":
					status = a.Value.AsInt64()
				}
			}
			if route != tt.route || status != tt.status || span.Status().Code != tt.code {
				t.Errorf("route %q, status %d, %v; want %q, %d, %v", route, status, span.Status().Code, tt.route, tt.status, tt.code)
			}
			if known := tt.method != "BREW42"; known && method != tt.method || !known && method != "_OTHER" {
				t.Errorf("the method is %q", method)
			}
			if joins := span.Parent().IsValid(); joins != tt.joins || joins && span.SpanContext().TraceID().String() != parent[3:35] {
				t.Errorf("below %v", span.Parent())
			}
		})
	}
}
