package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is what the spans of this package are told by.
const scope = "github.com/molecule-ai/workspace-runtime-go/registry"

// WithTracerProvider sets where calls are traced: each is one client span with
// its repeats as events. Heartbeats and [Client.State] have none, nor, in a context
// that is in no trace, calls that only read and [Client.SaveCheckpoint]: they come
// again and again and would bury the rest. Streams of events have none either, because they have no end.
// Default, and nil: nowhere.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(s *settings) { s.tracers = tp })
}

// WithPropagator sets how the trace goes along with a call: in its headers, and
// for [Client.SendA2A] in the metadata of the parameters as well, because the
// platform passes no headers on. Default, and nil: not at all.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return optionFunc(func(s *settings) { s.propagator = p })
}

// tracing is the part of a Client that tells of its calls.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

func newTracing(tp trace.TracerProvider, p propagation.TextMapPropagator) tracing {
	if tp == nil {
		tp = tracenoop.NewTracerProvider()
	}
	if p == nil {
		p = propagation.NewCompositeTextMapPropagator()
	}
	return tracing{tp.Tracer(scope), p}
}

// begin starts the span of a call, or for a quiet one none. A look at something
// or a note of it that belongs to no trace is quiet too: it is the background's,
// again and again.
func (c *Client) begin(ctx context.Context, k call) (context.Context, trace.Span) {
	if k.quiet || (k.minor || k.asks == reads) && !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, trace.SpanFromContext(context.Background())
	}
	ctx, span := c.tracing.tracer.Start(ctx, "platform."+k.op, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("http.request.method", k.method),
			attribute.String("url.path", k.path),
			attribute.String("server.address", c.base.Hostname()),
		)
		if port, err := strconv.Atoi(c.base.Port()); err == nil {
			span.SetAttributes(attribute.Int("server.port", port))
		}
	}
	return ctx, span
}

// end ends the span of a call, with its answer if that is at hand. The text of
// an error stays out of it: it may hold what the other side has said.
func end(span trace.Span, a *answer, err error) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	status := 0
	var refused *Error
	switch {
	case a != nil:
		status = a.status
	case errors.As(err, &refused):
		status = refused.Status
	case err != nil:
		span.SetAttributes(attribute.String("error.type", errorType(err)))
		span.SetStatus(codes.Error, "")
	}
	if status > 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if status >= http.StatusBadRequest {
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
}

// inject adds the trace to the headers of a request.
func (c *Client) inject(ctx context.Context, k call, h http.Header) {
	if !k.quiet {
		c.tracing.propagator.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// again tells the span of a call that it is sent again.
func again(ctx context.Context, attempt int) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("retry", trace.WithAttributes(attribute.Int("http.request.resend_count", attempt)))
		span.SetAttributes(attribute.Int("http.request.resend_count", attempt))
	}
}

// roomForTrace is what the trace takes of a message, at most and roughly.
const roomForTrace = 16 << 10

// carry puts the trace into params.metadata, beside what is there. It changes
// nothing when there is no trace, when the caller has put one there, and when
// params are not what a message has.
func (c *Client) carry(ctx context.Context, params json.RawMessage) json.RawMessage {
	carrier := propagation.MapCarrier{}
	c.tracing.propagator.Inject(ctx, carrier)
	if len(carrier) == 0 || len(params) > maxA2A-roomForTrace {
		return params
	}
	var all, metadata map[string]json.RawMessage
	if json.Unmarshal(params, &all) != nil || all == nil {
		return params
	}
	if old, ok := all["metadata"]; ok && json.Unmarshal(old, &metadata) != nil {
		return params
	}
	if own, ok := metadata["traceparent"]; ok && string(own) != "null" {
		return params
	}
	if metadata == nil {
		metadata = map[string]json.RawMessage{}
	}
	for key, value := range carrier {
		text, err := json.Marshal(value)
		if err != nil {
			return params
		}
		metadata[key] = text
	}
	var err error
	if all["metadata"], err = json.Marshal(metadata); err != nil {
		return params
	}
	carried, err := json.Marshal(all)
	if err != nil {
		return params
	}
	return carried
}

// errorType is the kind of a failure to get an answer.
func errorType(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrUnexpectedAnswer):
		return "unexpected_answer"
	}
	return "unreachable"
}
