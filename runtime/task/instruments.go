package task

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is what the spans and metrics of this package are told by. The table of
// the metrics is in the documentation of package runtime/telemetry.
const scope = "github.com/molecule-ai/workspace-runtime-go/runtime/task"

// WithTracerProvider sets where turns are traced. A turn is one span, which the
// context of the agent carries, so that what the agent does can be told below
// it; it ends with the turn, or when the engine gives the turn up. Default, and
// nil: nowhere.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) { c.tracers = tp })
}

// WithMeterProvider sets where turns, chunks and commits are counted. Default,
// and nil: nowhere.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return optionFunc(func(c *config) { c.meters = mp })
}

// WithPropagator sets how the trace of a message is read from the metadata that
// came beside it, for a turn whose request brings none: one that goes on after a
// restart. Default, and nil: not at all.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return optionFunc(func(c *config) { c.propagator = p })
}

// What becomes of a turn, as spans and metrics have it.
const (
	outcomeCompleted   = "completed"
	outcomeFailed      = "failed"
	outcomePanicked    = "panicked"
	outcomeCanceled    = "canceled"
	outcomeTimedOut    = "timed_out"
	outcomeAsked       = "input_required"
	outcomeShutdown    = "shutdown"    // cut off, and failed
	outcomeInterrupted = "interrupted" // goes on with the next start
	outcomeElsewhere   = "elsewhere"   // another process has it
)

var outcomes = []string{
	outcomeCompleted, outcomeFailed, outcomePanicked, outcomeCanceled, outcomeTimedOut, outcomeAsked,
	outcomeShutdown, outcomeInterrupted, outcomeElsewhere,
}

// instruments are the metrics of an engine and its tracer.
type instruments struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator

	turns      metric.Int64Counter
	took       metric.Float64Histogram
	active     metric.Int64UpDownCounter
	queued     metric.Int64UpDownCounter
	chunks     metric.Int64Counter
	commits    metric.Int64Counter
	commitTook metric.Float64Histogram

	by map[string]metric.MeasurementOption // an outcome as attributes
	ok metric.MeasurementOption            // and the results of a commit
	ko metric.MeasurementOption
}

// seconds are the buckets of what takes from a millisecond to an hour.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}

func newInstruments(c *config) *instruments {
	if c.tracers == nil {
		c.tracers = tracenoop.NewTracerProvider()
	}
	if c.meters == nil {
		c.meters = metricnoop.NewMeterProvider()
	}
	if c.propagator == nil {
		c.propagator = propagation.NewCompositeTextMapPropagator()
	}
	m := c.meters.Meter(scope)
	i := &instruments{tracer: c.tracers.Tracer(scope), propagator: c.propagator, by: map[string]metric.MeasurementOption{}}
	// An instrument that cannot be made does nothing; the names are constant.
	i.turns, _ = m.Int64Counter("workspace.turns", metric.WithUnit("{turn}"),
		metric.WithDescription("Turns that have ended, by outcome."))
	i.took, _ = m.Float64Histogram("workspace.turn.duration", metric.WithUnit("s"),
		metric.WithDescription("From the begin of a turn to its end."), metric.WithExplicitBucketBoundaries(seconds...))
	i.active, _ = m.Int64UpDownCounter("workspace.turns.active", metric.WithUnit("{turn}"),
		metric.WithDescription("Turns that run."))
	i.queued, _ = m.Int64UpDownCounter("workspace.turns.queued", metric.WithUnit("{turn}"),
		metric.WithDescription("Turns that wait for the one before, for room, or for their dispatcher."))
	i.chunks, _ = m.Int64Counter("workspace.reply.chunks", metric.WithUnit("{chunk}"),
		metric.WithDescription("Writes to replies, counted when the turn ends."))
	i.commits, _ = m.Int64Counter("workspace.journal.commits", metric.WithUnit("{commit}"),
		metric.WithDescription("Commits of the journal to the store, by result."))
	i.commitTook, _ = m.Float64Histogram("workspace.journal.commit.duration", metric.WithUnit("s"),
		metric.WithDescription("How long a commit took."),
		metric.WithExplicitBucketBoundaries(.00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5))
	for _, outcome := range outcomes {
		i.by[outcome] = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", outcome)))
	}
	i.ok = metric.WithAttributeSet(attribute.NewSet(attribute.String("result", "ok")))
	i.ko = metric.WithAttributeSet(attribute.NewSet(attribute.String("result", "error")))
	return i
}

// turnSpan is what is told of one turn. Its end is told once: by the turn, or
// by the engine when it has lost patience with it.
type turnSpan struct {
	i     *instruments
	span  trace.Span
	begin time.Time
	ended atomic.Bool
}

// begin tells of a turn that begins. The context carries its span.
func (i *instruments) begin(ctx context.Context, t *task, x *Execution) (context.Context, *turnSpan) {
	if x.metadata != nil && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = i.propagator.Extract(ctx, metadataCarrier(x.metadata))
	}
	ctx, span := i.tracer.Start(ctx, "turn")
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("a2a.task.id", string(t.info.TaskID)),
			attribute.String("a2a.context.id", t.info.ContextID),
			attribute.Int("workspace.turn.attempt", x.attempt),
		)
	}
	i.active.Add(ctx, 1)
	told := &turnSpan{i: i, span: span, begin: time.Now()}
	t.mu.Lock()
	t.turn.span = told
	t.mu.Unlock()
	return ctx, told
}

// end tells that the turn has returned.
func (s *turnSpan) end(ctx context.Context, v verdict, err error) {
	s.i.active.Add(ctx, -1)
	if v.chunks > 0 {
		s.i.chunks.Add(ctx, int64(v.chunks))
	}
	s.is(ctx, outcomeOf(v, err))
}

// is tells what has become of the turn, unless that is told already.
func (s *turnSpan) is(ctx context.Context, outcome string) {
	if s == nil || s.ended.Swap(true) {
		return
	}
	if s.i.turns.Enabled(ctx) {
		s.i.turns.Add(ctx, 1, s.i.by[outcome])
		s.i.took.Record(ctx, time.Since(s.begin).Seconds(), s.i.by[outcome])
	}
	if s.span.IsRecording() {
		s.span.SetAttributes(attribute.String("outcome", outcome))
		switch outcome {
		case outcomeFailed, outcomePanicked, outcomeTimedOut, outcomeShutdown:
			// The text of an error may be anything; it is in the log.
			s.span.SetAttributes(attribute.String("error.type", outcome))
			s.span.SetStatus(codes.Error, "")
		}
	}
	s.span.End()
}

// unbegun tells of a turn that has ended without having begun in this process. It
// has no span and took no time.
func (i *instruments) unbegun(ctx context.Context, outcome string) {
	if i.turns.Enabled(ctx) {
		i.turns.Add(ctx, 1, i.by[outcome])
	}
}

// outcomeOf names what has become of a turn.
func outcomeOf(v verdict, err error) string {
	_, panicked := err.(*panicError) //nolint:errorlint // ours, never wrapped; an agent's error may break errors.As
	switch {
	case v.left && errors.Is(v.refused, ErrShutdown):
		return outcomeInterrupted
	case v.left && errors.Is(v.refused, errRefused):
		return outcomeFailed
	case v.left:
		return outcomeElsewhere
	case v.state == a2a.TaskStateCanceled:
		return outcomeCanceled
	case v.state == a2a.TaskStateInputRequired:
		return outcomeAsked
	case v.state == a2a.TaskStateCompleted:
		return outcomeCompleted
	case panicked:
		return outcomePanicked
	}
	return outcomeOfCut(v.refused)
}

// outcomeOfCut names what has become of a turn that failed, by what its writes
// were refused with.
func outcomeOfCut(refused error) string {
	switch {
	case errors.Is(refused, ErrTimeout):
		return outcomeTimedOut
	case errors.Is(refused, ErrShutdown):
		return outcomeShutdown
	case errors.Is(refused, ErrCanceled):
		return outcomeCanceled
	}
	return outcomeFailed
}

// commit tells of one commit.
func (i *instruments) commit(ctx context.Context, begin time.Time, err error) {
	if !i.commits.Enabled(ctx) {
		return
	}
	how := i.ok
	if err != nil {
		how = i.ko
	}
	i.commits.Add(ctx, 1, how)
	i.commitTook.Record(ctx, time.Since(begin).Seconds(), how)
}

// noteTask lets the span of a request say which task it is about.
func noteTask(ctx context.Context, t *task) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(
			attribute.String("a2a.task.id", string(t.info.TaskID)),
			attribute.String("a2a.context.id", t.info.ContextID),
		)
	}
}

// noteState lets the span of a request say how it leaves the task.
func noteState(ctx context.Context, state a2a.TaskState) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("a2a.task.state", string(state)))
	}
}

// metadataCarrier reads a trace from the metadata of a message.
type metadataCarrier map[string]any

func (m metadataCarrier) Get(key string) string { value, _ := m[key].(string); return value }
func (m metadataCarrier) Set(string, string)    {} // it is the caller's, and only read
func (m metadataCarrier) Keys() []string        { return nil }

// outcomeOfAbandoned names what has become of a turn that has not returned. The
// task's mutex is held.
func (e *Engine) outcomeOfAbandoned(t *task, cause error) string {
	if t.journal.left != nil {
		return outcomeInterrupted
	}
	return outcomeOfCut(cause)
}
