package registry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// A checkpoint that the background saves, three for each durable turn, is no
// trace of its own; one that a turn saves is a part of it.
func TestACheckpointIsNoTraceOfItsOwn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	recorded := tracetest.NewSpanRecorder()
	traces := trace.NewTracerProvider(trace.WithSpanProcessor(recorded))
	client, err := registry.NewClient(server.URL, "11111111-2222-4333-8444-555555555555",
		registry.WithTransport(transport), registry.WithTracerProvider(traces))
	if err != nil {
		t.Fatal(err)
	}
	step := registry.SaveCheckpointRequest{WorkflowID: "w", StepName: "s"}
	if err := client.SaveCheckpoint(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if n := len(recorded.Ended()); n != 0 {
		t.Errorf("%d spans outside of any trace, want none", n)
	}
	ctx, turn := traces.Tracer("test").Start(t.Context(), "turn")
	if err := client.SaveCheckpoint(ctx, step); err != nil {
		t.Fatal(err)
	}
	turn.End()
	if spans := recorded.Ended(); len(spans) != 2 || spans[0].Name() != "platform.SaveCheckpoint" || spans[0].Parent().SpanID() != turn.SpanContext().SpanID() {
		t.Errorf("within a turn the spans are %v", spans)
	}
}
