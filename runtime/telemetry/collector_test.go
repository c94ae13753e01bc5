package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is a real OTLP receiver over HTTP.
type collector struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	raw     [][]byte
	paths   map[string]http.Header // of the last request to each path
	spans   []span
	metrics map[string]measured
}

// span is what the tests read of a span.
type span struct {
	*tracev1.Span
	workspace, service string
}

// measured is what the tests read of a metric.
type measured struct {
	kind, unit string
	attributes []string
	scope      map[string]string
	bounds     []float64 // of a histogram
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{t: t, paths: map[string]http.Header{}, metrics: map[string]measured{}}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.server.Close)
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			c.t.Error(err)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return // it was torn off
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, raw)
	c.paths[r.URL.Path] = r.Header.Clone()
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/traces"):
		var req collectortrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			c.t.Errorf("traces: %v", err)
		}
		for _, rs := range req.ResourceSpans {
			who := attributes(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					c.spans = append(c.spans, span{s, who["workspace.id"], who["service.name"]})
				}
			}
		}
	case strings.HasSuffix(r.URL.Path, "/v1/metrics"):
		var req collectormetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			c.t.Errorf("metrics: %v", err)
		}
		for _, rm := range req.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					c.measure(m, attributes(sm.Scope.Attributes))
				}
			}
		}
	default:
		http.NotFound(w, r)
	}
}

func (c *collector) measure(m *metrics.Metric, scope map[string]string) {
	got := c.metrics[m.Name]
	got.unit, got.scope = m.Unit, scope
	see := func(kvs []*common.KeyValue) {
		for _, kv := range kvs {
			if !slices.Contains(got.attributes, kv.Key) {
				got.attributes = append(got.attributes, kv.Key)
			}
		}
	}
	switch d := m.Data.(type) {
	case *metrics.Metric_Sum:
		if got.kind = "updown"; d.Sum.IsMonotonic {
			got.kind = "counter"
		}
		for _, p := range d.Sum.DataPoints {
			see(p.Attributes)
		}
	case *metrics.Metric_Gauge:
		got.kind = "gauge"
		for _, p := range d.Gauge.DataPoints {
			see(p.Attributes)
		}
	case *metrics.Metric_Histogram:
		got.kind = "histogram"
		for _, p := range d.Histogram.DataPoints {
			got.bounds = p.ExplicitBounds
			see(p.Attributes)
		}
	}
	slices.Sort(got.attributes)
	c.metrics[m.Name] = got
}

func attributes(kvs []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = "int"
		default:
			m[kv.Key] = ""
		}
	}
	return m
}

// all returns the spans that came so far.
func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// named returns the spans with a name.
func (c *collector) named(name string) []span {
	return slices.DeleteFunc(c.all(), func(s span) bool { return s.Name != name })
}

// one is the only span of a workspace with a name.
func (c *collector) one(workspace, name string) span {
	c.t.Helper()
	found := slices.DeleteFunc(c.named(name), func(s span) bool { return s.workspace != workspace })
	if len(found) != 1 {
		var names []string
		for _, s := range c.all() {
			names = append(names, s.workspace[:1]+" "+s.Name)
		}
		c.t.Fatalf("%d spans %q of workspace %s, want one; there are %q", len(found), name, workspace, names)
	}
	return found[0]
}

// holds reports whether a text is anywhere in what was received.
func (c *collector) holds(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.raw, func(b []byte) bool { return bytes.Contains(b, []byte(text)) })
}

func (c *collector) header(path string) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[path]
}

// until waits for what has to come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
