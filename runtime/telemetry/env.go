package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// The variables that are read here. The exporters and the SDK read the rest of
// OTEL_* by themselves.
const (
	envDisabled  = "OTEL_SDK_DISABLED"
	envDebug     = "OTEL_DEBUG"
	envEndpoint  = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesAt  = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envMetricsAt = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
	envProtocol  = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTraces    = "OTEL_TRACES_EXPORTER"
	envMetrics   = "OTEL_METRICS_EXPORTER"
	envPropagate = "OTEL_PROPAGATORS"

	envLangfuseHost   = "LANGFUSE_HOST"
	envLangfusePublic = "LANGFUSE_PUBLIC_KEY"
	envLangfuseSecret = "LANGFUSE_SECRET_KEY"
)

// FromEnv makes the telemetry that the environment of the process asks for; see
// the package documentation for the variables. When they ask for nothing it
// costs nothing. What cannot be used is logged as a warning and left out: no
// setting of telemetry keeps a workspace from working.
func FromEnv() runtime.Option {
	return runtime.WithTelemetry(func(ctx context.Context, info runtime.TelemetryInfo) (runtime.Telemetry, error) {
		p, err := readPlan()
		t, startErr := p.start(ctx, info)
		return t, errors.Join(err, startErr)
	})
}

// plan is what the environment asks for.
type plan struct {
	otlpTraces, otlpMetrics       bool
	consoleTraces, consoleMetrics bool
	langfuse                      *langfuse
	propagator                    propagation.TextMapPropagator
}

// readPlan reads the environment. The plan is good without what the error says.
func readPlan() (plan, error) {
	var p plan
	if on(envDisabled) {
		return p, nil
	}
	var faults []error
	fault := func(name, remedy string) {
		faults = append(faults, fmt.Errorf("%s=%q %s", name, get(name), remedy))
	}
	exporter := func(name, at string) (otlp, console bool) {
		otlp = get(envEndpoint) != "" || get(at) != ""
		for kind := range strings.SplitSeq(get(name), ",") {
			switch strings.TrimSpace(kind) {
			case "":
			case "otlp":
				otlp = true
			case "console":
				console = true
			case "none":
				otlp = false
			default:
				fault(name, "is not an exporter this program has; use otlp, console or none")
			}
		}
		return otlp, console || on(envDebug)
	}
	p.otlpTraces, p.consoleTraces = exporter(envTraces, envTracesAt)
	p.otlpMetrics, p.consoleMetrics = exporter(envMetrics, envMetricsAt)
	if v := get(envProtocol); (p.otlpTraces || p.otlpMetrics) && v != "" && v != "http/protobuf" {
		fault(envProtocol, "is not spoken here; it is sent as http/protobuf, for which a collector mostly listens on port 4318")
	}
	var err error
	if p.langfuse, err = readLangfuse(); err != nil {
		faults = append(faults, err)
	}
	var all []propagation.TextMapPropagator
	names := get(envPropagate)
	if names == "" {
		names = "tracecontext,baggage"
	}
	for name := range strings.SplitSeq(names, ",") {
		switch strings.TrimSpace(name) {
		case "tracecontext":
			all = append(all, propagation.TraceContext{})
		case "baggage":
			all = append(all, propagation.Baggage{})
		case "none", "":
		default:
			fault(envPropagate, "names a propagator this program does not have; use tracecontext, baggage or none")
		}
	}
	p.propagator = propagation.NewCompositeTextMapPropagator(all...)
	return p, errors.Join(faults...)
}

func get(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// on reports whether a switch is set.
func on(name string) bool {
	switch strings.ToLower(get(name)) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}
