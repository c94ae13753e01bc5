package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes OTLP over HTTP, as a collector does, and keeps it.
type receiver struct {
	server   *http.Server
	listener net.Listener
	served   chan struct{}

	mu      sync.Mutex
	spans   []*trace.Span
	metrics map[string]int // data points by name and unit
}

func receive() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{listener: l, served: make(chan struct{}), metrics: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.takeTraces)
	mux.HandleFunc("POST /v1/metrics", r.takeMetrics)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { defer close(r.served); _ = r.server.Serve(l) }()
	return r, nil
}

func (r *receiver) url() string { return "http://" + r.listener.Addr().String() }

func (r *receiver) close() {
	_ = r.server.Shutdown(context.Background())
	<-r.served
}

func (r *receiver) takeTraces(w http.ResponseWriter, req *http.Request) {
	var got collectortrace.ExportTraceServiceRequest
	if !take(w, req, &got) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range got.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func (r *receiver) takeMetrics(w http.ResponseWriter, req *http.Request) {
	var got collectormetrics.ExportMetricsServiceRequest
	if !take(w, req, &got) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range got.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				r.metrics[kind(m)+" "+m.Name+" in "+m.Unit]++
			}
		}
	}
}

func kind(m *metrics.Metric) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", m.Data), "*v1.Metric_"))
}

// take decodes the body of a request.
func take(w http.ResponseWriter, req *http.Request, into proto.Message) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 16<<20))
	if err == nil {
		err = proto.Unmarshal(body, into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	return true
}

// print shows the traces that have a call in them, and the names of the metrics.
func (r *receiver) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	children := map[string][]*trace.Span{}
	known := map[string]bool{}
	slices.SortFunc(r.spans, func(a, b *trace.Span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	for _, s := range r.spans {
		known[string(s.SpanId)] = true
	}
	for _, s := range r.spans {
		parent := string(s.ParentSpanId)
		if !known[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], s)
	}
	for _, s := range children[""] {
		if s.Kind == trace.Span_SPAN_KIND_SERVER {
			fmt.Fprintf(out, "\ntrace %x\n", s.TraceId)
			show(out, children, s, 1)
		}
	}
	fmt.Fprintln(out, "\nmetrics")
	for _, name := range slices.Sorted(maps.Keys(r.metrics)) {
		fmt.Fprintln(out, "  "+name)
	}
}

func show(out io.Writer, children map[string][]*trace.Span, s *trace.Span, depth int) {
	took := time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano)
	fmt.Fprintf(out, "%-44s %8.2f ms%s\n", strings.Repeat("  ", depth)+s.Name, float64(took)/1e6, about(s))
	for _, c := range children[string(s.SpanId)] {
		show(out, children, c, depth+1)
	}
}

// about picks what is worth a look.
func about(s *trace.Span) string {
	var b strings.Builder
	for _, a := range s.Attributes {
		switch a.Key {
		case "outcome", "a2a.dialect", "gen_ai.request.model", "http.response.status_code", "gen_ai.usage.input_tokens":
			value := a.Value.GetStringValue()
			if value == "" {
				value = fmt.Sprint(a.Value.GetIntValue())
			}
			fmt.Fprintf(&b, "  %s=%s", a.Key, value)
		}
	}
	return b.String()
}
