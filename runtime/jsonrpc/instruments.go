package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is what the spans of this package are told by.
const scope = "github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"

// WithTracerProvider sets where calls are traced: one server span for each call
// of a method there is. Default, and nil: nowhere.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) { c.tracers = tp })
}

// WithPropagator sets how the caller's trace is read: from the headers and,
// when these have none, from the metadata of the parameters, where it survives
// proxies that pass no headers on. Default, and nil: not at all.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return optionFunc(func(c *config) { c.propagator = p })
}

func (c *config) setTracing() {
	if c.tracers == nil {
		c.tracers = tracenoop.NewTracerProvider()
	}
	if c.propagator == nil {
		c.propagator = propagation.NewCompositeTextMapPropagator()
	}
	c.tracer = c.tracers.Tracer(scope)
}

// begin starts the span of a call. Its name is one of a fixed set.
func (h *handler) begin(r *http.Request, env envelope) (context.Context, trace.Span) {
	ctx := h.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if !trace.SpanContextFromContext(ctx).IsValid() {
		if carried := carriedTrace(env.params); carried != nil {
			ctx = h.propagator.Extract(ctx, carried)
		}
	}
	ctx, span := h.tracer.Start(ctx, env.method, trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("rpc.system.name", "jsonrpc"),
			attribute.String("rpc.method", env.method),
			attribute.String("a2a.dialect", env.dialect.String()),
		)
	}
	return ctx, span
}

// String is the version as it stands on the wire.
func (d dialect) String() string {
	if d == v03 {
		return "0.3"
	}
	return "1.0"
}

// carriedTrace is the trace that came in params.metadata, nil when none did. It
// looks closer only where there is something to see.
func carriedTrace(params json.RawMessage) propagation.TextMapCarrier {
	if !bytes.Contains(params, []byte(`"traceparent"`)) {
		return nil
	}
	var p struct {
		Metadata struct {
			Traceparent any `json:"traceparent"`
			Tracestate  any `json:"tracestate"`
			Baggage     any `json:"baggage"`
		} `json:"metadata"`
	}
	if json.Unmarshal(params, &p) != nil {
		return nil
	}
	carrier := propagation.MapCarrier{}
	for key, value := range map[string]any{"traceparent": p.Metadata.Traceparent, "tracestate": p.Metadata.Tracestate, "baggage": p.Metadata.Baggage} {
		if text, ok := value.(string); ok {
			carrier[key] = text
		}
	}
	return carrier
}

// noteFault lets the span of a call say what it was answered with. Only what is
// our own failure makes it an error: a caller that asks for a task that does
// not exist is none.
func noteFault(ctx context.Context, f *fault) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	code := strconv.Itoa(f.Code)
	span.SetAttributes(attribute.String("rpc.response.status_code", code))
	if f.Code == errInternal.Code && ctx.Err() == nil { // else the caller has left
		span.SetAttributes(attribute.String("error.type", code))
		span.SetStatus(otelcodes.Error, "")
	}
}
