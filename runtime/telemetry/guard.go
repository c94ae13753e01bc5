package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
)

// guard stands between the SDK and an exporter. What goes wrong is a line in the
// workspace's log now and then, instead of OpenTelemetry's global error handler,
// which belongs to the program; and exports end when the telemetry ends, however
// long the other side takes.
type guard struct {
	what string // "spans" or "metrics"
	to   string // where they go
	log  *slog.Logger
	life context.Context // of the telemetry

	exporting sync.RWMutex // held for reading by exports, so that the end can wait for them

	mu       sync.Mutex // guards what follows
	failures int
	since    time.Time
}

// export runs do within the life of the telemetry.
func (g *guard) export(ctx context.Context, do func(context.Context) error) {
	g.exporting.RLock()
	defer g.exporting.RUnlock()
	if g.life.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.life, cancel)()
	err := do(ctx)
	if g.life.Err() == nil { // else the end of the telemetry says so
		g.note(err)
	}
}

// every is how many failures there are to a line in the log, after the first.
const every = 20

func (g *guard) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		if g.failures > 0 {
			g.log.Info(g.what+" are sent again", "to", g.to, "failures", g.failures, "outage", time.Since(g.since))
		}
		g.failures = 0
		return
	}
	if g.failures == 0 {
		g.since = time.Now()
	}
	if g.failures++; g.failures%every == 1 {
		g.log.Warn(g.what+" could not be sent and are lost; the workspace works on without", "to", g.to, "error", err, "failures", g.failures)
	}
}

// wait returns when no export is under way.
func (g *guard) wait() {
	g.exporting.Lock()
	defer g.exporting.Unlock()
}

// spans is a guarded exporter of spans.
type spans struct {
	trace.SpanExporter
	*guard
}

func (s spans) ExportSpans(ctx context.Context, batch []trace.ReadOnlySpan) error {
	s.export(ctx, func(ctx context.Context) error { return s.SpanExporter.ExportSpans(ctx, batch) })
	return nil
}

// measurements is a guarded exporter of metrics.
type measurements struct {
	metric.Exporter
	*guard
}

func (m measurements) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	m.export(ctx, func(ctx context.Context) error { return m.Exporter.Export(ctx, rm) })
	return nil
}
