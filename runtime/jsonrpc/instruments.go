package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
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
	ctx := TraceContext(r.Context(), h.propagator, r.Header, env.params)
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

// TraceContext is ctx with the trace of a request: the one in its header, or else
// the one in the metadata of its A2A parameters (params.metadata, of JSON-RPC, or
// the metadata of an HTTP+JSON body), where it survives proxies that pass no
// headers on. Without either, and with params that are no JSON object, it is ctx
// with what the header has.
func TraceContext(ctx context.Context, p propagation.TextMapPropagator, header http.Header, params []byte) context.Context {
	ctx = p.Extract(ctx, propagation.HeaderCarrier(header))
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if carried := carriedTrace(params, p.Fields()); carried != nil {
		return p.Extract(ctx, carried)
	}
	return ctx
}

// carriedTrace is the trace that came in the metadata of parameters, nil when none
// did. It looks closer only where there is something to see.
func carriedTrace(params []byte, fields []string) propagation.TextMapCarrier {
	if !slices.ContainsFunc(fields, func(field string) bool { return bytes.Contains(params, []byte(`"`+field+`"`)) }) {
		return nil
	}
	var p struct {
		Metadata map[string]any `json:"metadata"`
	}
	if json.Unmarshal(params, &p) != nil {
		return nil
	}
	carrier := propagation.MapCarrier{}
	for _, field := range fields {
		if text, ok := p.Metadata[field].(string); ok {
			carrier[field] = text
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
