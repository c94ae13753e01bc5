package runtime

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	metricembedded "go.opentelemetry.io/otel/metric/embedded"
	traceembedded "go.opentelemetry.io/otel/trace/embedded"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// Telemetry is where a workspace tells of itself; see [WithTelemetry]. What is
// nil does nothing.
type Telemetry struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	Propagator     propagation.TextMapPropagator
	// Shutdown sends what is not sent yet and lets go of everything. It is
	// called once, as the very last thing of Run, and has to return when ctx
	// ends. Its error is logged. nil: there is nothing to do.
	Shutdown func(ctx context.Context) error
}

// TelemetryInfo is who a [Telemetry] is made for.
type TelemetryInfo struct {
	WorkspaceID string
	Name        string       // the agent's, as its card has it
	Version     string       // the adapter's, as its card has it
	Logger      *slog.Logger // never nil
}

// WithTelemetry sets what makes the workspace's telemetry. Run calls it once,
// when the configuration is read and nothing has begun yet. An error is logged
// and ends nothing: a workspace works as well unseen. Most programs use
// FromEnv of package runtime/telemetry. Default: nothing is told. A
// program that has set OpenTelemetry's global providers gives them with
// [WithTracerProvider] and its like.
func WithTelemetry(start func(ctx context.Context, info TelemetryInfo) (Telemetry, error)) Option {
	return optionFunc(func(s *settings) { s.telemetry = start })
}

// WithTracerProvider sets where spans go. It wins over [WithTelemetry], and the
// program shuts it down itself, after Run.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(s *settings) { s.observers.TracerProvider = tp })
}

// WithMeterProvider sets where metrics go. It wins over [WithTelemetry], and the
// program shuts it down itself, after Run.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return optionFunc(func(s *settings) { s.observers.MeterProvider = mp })
}

// WithPropagator sets how a trace comes in with messages and goes out with calls
// to the platform. It wins over [WithTelemetry].
func WithPropagator(p propagation.TextMapPropagator) Option {
	return optionFunc(func(s *settings) { s.observers.Propagator = p })
}

// WithMessageContent puts what is said into spans: the message, the reply and
// what tools were given and answered, each passed through redact, which takes
// out what must not leave the process, and cut to 16 KiB. Default: no text of
// any message is in any span.
func WithMessageContent(redact func(text string) string) Option {
	return optionFunc(func(s *settings) {
		if redact == nil {
			s.faults = append(s.faults, errors.New("WithMessageContent needs a function that takes out of a text what must not leave the process"))
			return
		}
		s.content = redact
	})
}

// observers are the providers of one workspace. What is made before Run, the
// client of the platform, asks them at each use, because telemetry is started
// by Run; and everything made with them says whose it is, because many
// workspaces may share a provider.
type observers struct {
	now  atomic.Pointer[Telemetry]
	attr attribute.KeyValue
}

func newObservers(workspaceID string, t Telemetry) *observers {
	o := &observers{attr: attribute.String("workspace.id", workspaceID)}
	o.now.Store(&t)
	return o
}

// orElse sets what was not set.
func orElse[T comparable](v *T, otherwise T) {
	var none T
	if *v == none {
		*v = otherwise
	}
}

// tracers, meters and propagator are never nil, and follow what Run starts.
func (o *observers) tracers() trace.TracerProvider { return lateTracers{o: o} }
func (o *observers) meters() metric.MeterProvider  { return lateMeters{o: o} }
func (o *observers) propagator() propagation.TextMapPropagator {
	return latePropagator{o}
}

type lateTracers struct {
	traceembedded.TracerProvider
	o *observers
}

func (l lateTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return lateTracer{o: l.o, name: name, opts: append(opts[:len(opts):len(opts)], trace.WithInstrumentationAttributes(l.o.attr))}
}

type lateTracer struct {
	traceembedded.Tracer
	o    *observers
	name string
	opts []trace.TracerOption
}

func (l lateTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	tp := l.o.now.Load().TracerProvider
	if tp == nil {
		tp = tracenoop.NewTracerProvider()
	}
	return tp.Tracer(l.name, l.opts...).Start(ctx, name, opts...)
}

type lateMeters struct {
	metricembedded.MeterProvider
	o *observers
}

func (l lateMeters) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	mp := l.o.now.Load().MeterProvider
	if mp == nil {
		mp = metricnoop.NewMeterProvider()
	}
	return mp.Meter(name, append(opts[:len(opts):len(opts)], metric.WithInstrumentationAttributes(l.o.attr))...)
}

type latePropagator struct{ o *observers }

func (l latePropagator) real() propagation.TextMapPropagator {
	if p := l.o.now.Load().Propagator; p != nil {
		return p
	}
	return propagation.NewCompositeTextMapPropagator()
}

func (l latePropagator) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	l.real().Inject(ctx, c)
}

func (l latePropagator) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return l.real().Extract(ctx, c)
}

func (l latePropagator) Fields() []string { return l.real().Fields() }

// startTelemetry makes what [WithTelemetry] wants and measures the process. The
// end is for the very last of a life.
func (r *Runtime) startTelemetry(ctx context.Context, cfg *config.Config) (end func()) {
	name, version := "Workspace", ""
	if card, err := agentCard(r.agent, cfg, "", &r.set); err == nil { // else the life ends before long, and says why
		name, version = card.Name, card.Version
	}
	var started Telemetry
	if start := r.set.telemetry; start != nil {
		var err error
		started, err = start(ctx, TelemetryInfo{WorkspaceID: r.set.workspaceID.value, Name: name, Version: version, Logger: r.log})
		if err != nil {
			r.log.Warn("telemetry is not complete: not all of it could be started", "error", err)
		}
	}
	used := r.set.observers
	orElse(&used.TracerProvider, started.TracerProvider)
	orElse(&used.MeterProvider, started.MeterProvider)
	orElse(&used.Propagator, started.Propagator)
	r.observers.now.Store(&used)
	r.genai = newGenAI(r.observers, name, r.set.content)
	stop := measureProcess(r.observers.meters(), time.Now())
	stopDurable := r.measureDurability(r.observers.meters())
	return func() {
		if started.Shutdown != nil {
			r.endTelemetry(ctx, started.Shutdown)
		}
		stop()
		stopDurable()
	}
}

// flushTime is how long the last of the telemetry may take to be sent, within
// the drain deadline: who has nobody to send it to must not cost a container
// all the time it has.
const flushTime = time.Second

func (r *Runtime) endTelemetry(ctx context.Context, shutdown func(context.Context) error) {
	deadline := time.Now().Add(flushTime)
	if !r.mustEnd.IsZero() && r.mustEnd.Before(deadline) {
		deadline = later(r.mustEnd, time.Now().Add(lastAnswers))
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if err := shutdown(ctx); err != nil {
		r.log.Warn("the last of the telemetry was not sent", "error", err)
	}
}

// warnUnseen says that somebody expects telemetry of a program that has none.
func (s *settings) warnUnseen() {
	if s.getenv(envCollector) == "" || s.telemetry != nil || s.observers.TracerProvider != nil || s.observers.MeterProvider != nil {
		return
	}
	s.warnings = append(s.warnings, envCollector+" is set, but this program has no telemetry: "+
		"give runtime.Main the option telemetry.FromEnv() of package runtime/telemetry, or unset the variable")
}
