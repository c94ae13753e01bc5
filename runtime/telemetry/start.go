package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// started is telemetry that runs.
type started struct {
	info   runtime.TelemetryInfo
	life   context.Context
	end    context.CancelFunc
	guards []*guard
	faults []error

	spans   []trace.TracerProviderOption
	metrics []metric.Option
}

// start begins what the plan says. What cannot be begun is in the error, and the
// rest goes on. Nothing is sent yet, so a collector that is away is no error.
func (p plan) start(ctx context.Context, info runtime.TelemetryInfo) (runtime.Telemetry, error) {
	t := runtime.Telemetry{Propagator: p.propagator}
	s := &started{info: info}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.exporters(ctx, p)
	if len(s.spans)+len(s.metrics) == 0 {
		s.end()
		return t, errors.Join(s.faults...)
	}
	who := s.resource(ctx)
	var shutdowns []func(context.Context) error
	if len(s.spans) > 0 {
		tp := trace.NewTracerProvider(append(s.spans, trace.WithResource(who))...)
		t.TracerProvider = tp
		shutdowns = append(shutdowns, tp.Shutdown)
	}
	if len(s.metrics) > 0 {
		mp := metric.NewMeterProvider(append(s.metrics, metric.WithResource(who))...)
		t.MeterProvider = mp
		shutdowns = append(shutdowns, mp.Shutdown)
	}
	t.Shutdown = func(ctx context.Context) error { return s.shutdown(ctx, shutdowns) }
	return t, errors.Join(s.faults...)
}

func (s *started) exporters(ctx context.Context, p plan) {
	if p.otlpTraces {
		e, err := otlptracehttp.New(ctx)
		s.addSpans("the OTLP collector", e, err)
	}
	if p.langfuse != nil {
		e, err := otlptracehttp.New(ctx, p.langfuse.options()...)
		s.addSpans("Langfuse", e, err)
	}
	if p.consoleTraces {
		e, err := stdouttrace.New(stdouttrace.WithWriter(os.Stderr))
		s.addSpans("the console", e, err)
	}
	if p.otlpMetrics {
		e, err := otlpmetrichttp.New(ctx)
		s.addMetrics("the OTLP collector", e, err)
	}
	if p.consoleMetrics {
		e, err := stdoutmetric.New(stdoutmetric.WithWriter(os.Stderr))
		s.addMetrics("the console", e, err)
	}
}

func (s *started) guard(what, to string) *guard {
	g := &guard{what: what, to: to, log: s.info.Logger, life: s.life}
	s.guards = append(s.guards, g)
	return g
}

func (s *started) addSpans(to string, e trace.SpanExporter, err error) {
	if err != nil {
		s.faults = append(s.faults, fmt.Errorf("traces to %s: %w", to, err))
		return
	}
	s.spans = append(s.spans, trace.WithBatcher(spans{e, s.guard("spans", to)}))
}

func (s *started) addMetrics(to string, e metric.Exporter, err error) {
	if err != nil {
		s.faults = append(s.faults, fmt.Errorf("metrics to %s: %w", to, err))
		return
	}
	s.metrics = append(s.metrics, metric.WithReader(metric.NewPeriodicReader(measurements{e, s.guard("metrics", to)})))
}

// resource says whose telemetry it is. What the environment says (OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES) wins, except over the workspace's id.
func (s *started) resource(ctx context.Context) *resource.Resource {
	defaults := []attribute.KeyValue{attribute.String("service.name", s.info.Name)}
	if s.info.Version != "" {
		defaults = append(defaults, attribute.String("service.version", s.info.Version))
	}
	who, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(defaults...),
		resource.WithFromEnv(),
		resource.WithAttributes(attribute.String("workspace.id", s.info.WorkspaceID)),
	)
	if err != nil { // who has what could be made out
		s.faults = append(s.faults, fmt.Errorf("who is observed: %w", err))
	}
	return who
}

// shutdown sends what is left and returns when everything has ended, which is
// when ctx ends at the latest.
func (s *started) shutdown(ctx context.Context, shutdowns []func(context.Context) error) error {
	defer context.AfterFunc(ctx, s.end)()
	errs := make([]error, len(shutdowns))
	var all sync.WaitGroup
	for i, stop := range shutdowns { // side by side: one that hangs must not take the other's time
		all.Go(func() { errs[i] = stop(ctx) })
	}
	all.Wait()
	s.end()
	for _, g := range s.guards {
		g.wait()
	}
	return errors.Join(errs...)
}
