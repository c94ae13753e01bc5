package heartbeat

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// scope is what the metrics of this package are told by. Their table is in the
// documentation of package runtime/telemetry.
const scope = "github.com/molecule-ai/workspace-runtime-go/heartbeat"

// WithRoundTripperMeterProvider sets where refreshes of the token are counted.
// It is asked at the first 401. Default, and nil: nowhere.
func WithRoundTripperMeterProvider(mp metric.MeterProvider) RoundTripperOption {
	return roundTripperOption(func(rt *RoundTripper) { rt.refreshes.provider = mp })
}

// refreshes counts what came of looks for a fresh token. The instrument is made
// when there is something to count, so that a RoundTripper costs nothing while
// all is well.
type refreshes struct {
	provider metric.MeterProvider
	once     sync.Once
	counter  metric.Int64Counter
}

func (r *refreshes) count(ctx context.Context, result string) {
	r.once.Do(func() {
		r.counter, _ = meter(r.provider).Int64Counter("workspace.token.refreshes", metric.WithUnit("{refresh}"),
			metric.WithDescription("Looks for a fresh token after a 401."))
	})
	r.counter.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
}

// refreshed tells metrics and the span of the call what came of a look for a
// fresh token.
func (rt *RoundTripper) refreshed(ctx context.Context, fresh []string, err error) {
	result := "changed"
	switch {
	case err != nil:
		result = "gave_up" // the call's context ended while it waited for one
	case fresh == nil:
		result = "unchanged"
	}
	rt.refreshes.count(ctx, result)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("token refresh", trace.WithAttributes(attribute.String("result", result)))
	}
}

// resent tells the span of a call that it is sent once more, with another token.
func resent(ctx context.Context) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("sent again with the fresh token")
	}
}

// instruments are the metrics of one Run of a Loop.
type instruments struct {
	beats metric.Int64Counter
	took  metric.Float64Histogram
}

// measure makes the instruments of a Run; stop ends them.
func (l *Loop) measure() (stop func()) {
	m := meter(l.meters)
	l.metrics.beats, _ = m.Int64Counter("workspace.heartbeats", metric.WithUnit("{heartbeat}"),
		metric.WithDescription("Heartbeats sent, by what came of them."))
	l.metrics.took, _ = m.Float64Histogram("workspace.heartbeat.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the platform took to answer a heartbeat."),
		// As OpenTelemetry's conventions have them for HTTP; the SDK's own are for milliseconds.
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10))
	age, _ := m.Float64ObservableGauge("workspace.heartbeat.age", metric.WithUnit("s"),
		metric.WithDescription("Time since the last accepted heartbeat; absent before the first."))
	watch, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if last := l.Status().LastAccepted; !last.IsZero() {
			o.ObserveFloat64(age, time.Since(last).Seconds())
		}
		return nil
	}, age)
	if err != nil { // a provider that does not take it; there is nothing to end
		return func() {}
	}
	return func() { _ = watch.Unregister() }
}

// beaten counts one heartbeat.
func (i *instruments) beaten(info BeatInfo) {
	result := "accepted"
	if info.Err != nil {
		kind, _ := classify(info.Err)
		result = kind.result()
	}
	how := metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result)))
	i.beats.Add(context.Background(), 1, how)
	i.took.Record(context.Background(), info.Duration.Seconds(), how)
}

// result is the kind of a failure as metrics have it.
func (f failure) result() string {
	if f == limited {
		return "rate_limited"
	}
	return f.String()
}

// meter is that of this package; nil counts nothing.
func meter(mp metric.MeterProvider) metric.Meter {
	if mp == nil {
		mp = metricnoop.NewMeterProvider()
	}
	return mp.Meter(scope)
}
