package jsonrpc

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Defaults of the options, exported for those who compute from them.
const (
	DefaultMaxBody      = 4 << 20          // bytes of one request's body
	DefaultMaxDepth     = 64               // objects and arrays inside each other, the envelope included
	DefaultKeepAlive    = 15 * time.Second // silence on a stream before a comment is sent
	DefaultWriteTimeout = 30 * time.Second // for a reader to take what is written at once
)

// Limits bounds what a handler made by [NewHandler] reads. A field that is zero
// or negative means its default.
type Limits struct {
	MaxBody  int64 // bytes of a request's body; beyond it the answer is 413 ([DefaultMaxBody])
	MaxDepth int   // nesting of objects and arrays; beyond it the answer is error -32600 ([DefaultMaxDepth])
}

// Option changes what [NewHandler] makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	logger       *slog.Logger
	limits       Limits
	keepAlive    time.Duration
	writeTimeout time.Duration
	tracers      trace.TracerProvider
	propagator   propagation.TextMapPropagator
	tracer       trace.Tracer
}

func (c *config) setDefaults() {
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.limits.MaxBody <= 0 {
		c.limits.MaxBody = DefaultMaxBody
	}
	if c.limits.MaxDepth <= 0 {
		c.limits.MaxDepth = DefaultMaxDepth
	}
	if c.keepAlive <= 0 {
		c.keepAlive = DefaultKeepAlive
	}
	if c.writeTimeout <= 0 {
		c.writeTimeout = DefaultWriteTimeout
	}
	c.setTracing()
}

// WithLimits sets the bounds of a request. Default: the zero [Limits].
func WithLimits(l Limits) Option {
	return optionFunc(func(c *config) { c.limits = l })
}

// WithKeepAlive sets after how much silence a stream carries a comment, so that
// proxies and readers between here and the caller do not take it for dead.
// Default, and anything not above zero: [DefaultKeepAlive].
func WithKeepAlive(d time.Duration) Option {
	return optionFunc(func(c *config) { c.keepAlive = d })
}

// WithWriteTimeout sets how long one write to a caller may take. A reader that
// takes nothing for so long loses its connection; the task it reads goes on.
// The deadline is set for each write and replaces the server's own, so a
// http.Server with a WriteTimeout does not cut streams. Default, and anything
// not above zero: [DefaultWriteTimeout].
func WithWriteTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.writeTimeout = d })
}

// WithLogger sets where the handler logs: what went wrong inside (the caller is
// told "internal error") at level Error, panics with their stack. Default, and
// nil: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) { c.logger = l })
}
