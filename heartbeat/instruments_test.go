package heartbeat_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// rotated is a token that has been rotated: the second look finds another one.
type rotated struct{ now string }

func (r *rotated) Authorization() ([]string, error) { return []string{"Bearer " + r.now}, nil }

func (r *rotated) RefreshAuthorization([]string) ([]string, error) {
	r.now = "fresh"
	return r.Authorization()
}

// A call that meets a 401 is one span, and the refresh is an event of it and a
// count.
func TestARefreshedTokenIsAnEventOfTheCall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("there is a traceparent although nobody has set a propagator")
		}
		if r.Header.Get("Authorization") != "Bearer fresh" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	recorded := tracetest.NewSpanRecorder()
	reader := metric.NewManualReader()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	rt, err := heartbeat.NewRoundTripper(server.URL, &rotated{now: "stale"}, heartbeat.WithBase(base),
		heartbeat.WithRoundTripperMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	if err != nil {
		t.Fatal(err)
	}
	traces := trace.NewTracerProvider(trace.WithSpanProcessor(recorded))
	client, err := registry.NewClient(server.URL, "11111111-2222-4333-8444-555555555555", registry.WithTransport(rt),
		registry.WithTracerProvider(traces))
	if err != nil {
		t.Fatal(err)
	}
	ctx, turn := traces.Tracer("test").Start(t.Context(), "turn")
	if _, err := client.Workspace(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Workspace(t.Context(), ""); err != nil { // belongs to no trace, so it has no span
		t.Fatal(err)
	}
	if _, err := client.State(t.Context()); err != nil { // comes at a rhythm, so it has no span
		t.Fatal(err)
	}
	defer turn.End()
	ended := recorded.Ended()
	if len(ended) != 1 || ended[0].Name() != "platform.Workspace" {
		t.Fatalf("%d spans, want one of the call", len(ended))
	}
	var events []string
	for _, e := range ended[0].Events() {
		events = append(events, e.Name)
	}
	if want := []string{"token refresh", "sent again with the fresh token"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	sum, ok := metrics.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	if !ok || len(sum.DataPoints) != 1 || sum.DataPoints[0].Value != 1 ||
		!sum.DataPoints[0].Attributes.HasValue("result") {
		t.Fatalf("metrics %+v, want one refresh", metrics.ScopeMetrics)
	}
	if v, _ := sum.DataPoints[0].Attributes.Value(attribute.Key("result")); v.AsString() != "changed" {
		t.Errorf("result is %q, want changed", v.AsString())
	}
}
