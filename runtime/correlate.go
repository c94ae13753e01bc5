package runtime

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// The keys under which a line of the log names the span it was written in.
const (
	logTraceID = "trace_id"
	logSpanID  = "span_id"
)

// correlated lets lines of a log name the trace and span of their context. A
// handler that does so already is returned as it is.
func correlated(h slog.Handler) slog.Handler {
	if _, ok := h.(*correlator); ok {
		return h
	}
	return &correlator{Handler: h, outside: h}
}

// correlator adds the ids to lines. They belong to the line, not to the group
// that a logger may be in, so it knows the handler from before the first group
// and how to come from there to the present one.
type correlator struct {
	slog.Handler
	outside slog.Handler
	inside  []func(slog.Handler) slog.Handler // since the first group
}

func (c *correlator) Handle(ctx context.Context, r slog.Record) error {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() || names(r) {
		return c.Handler.Handle(ctx, r)
	}
	ids := []slog.Attr{slog.String(logTraceID, sc.TraceID().String()), slog.String(logSpanID, sc.SpanID().String())}
	if len(c.inside) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return c.Handler.Handle(ctx, r)
	}
	h := c.outside.WithAttrs(ids)
	for _, step := range c.inside {
		h = step(h)
	}
	return h.Handle(ctx, r)
}

// names reports whether a line names its trace already.
func names(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == logTraceID
		return !found
	})
	return found
}

func (c *correlator) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(c.inside) == 0 {
		return correlated(c.Handler.WithAttrs(attrs))
	}
	return c.deeper(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (c *correlator) WithGroup(name string) slog.Handler {
	if name == "" {
		return c
	}
	return c.deeper(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (c *correlator) deeper(step func(slog.Handler) slog.Handler) slog.Handler {
	return &correlator{
		Handler: step(c.Handler), outside: c.outside,
		inside: append(c.inside[:len(c.inside):len(c.inside)], step),
	}
}
