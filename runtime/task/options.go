package task

import (
	"log/slog"
	"time"
)

// Defaults of the options, exported for those who compute from them.
const (
	DefaultMaxRunning       = 1000            // turns at once
	DefaultMaxFinished      = 1000            // tasks kept for reading after their end
	DefaultMaxFinishedBytes = 64 << 20        // what these tasks may hold together
	DefaultCancelGrace      = 5 * time.Second // for a canceled turn to return
	DefaultShutdownGrace    = time.Second     // for a turn that was cut off to return: a container has little time left then
)

// Limits bounds what an [Engine] holds. A field that is zero or negative means
// its default.
type Limits struct {
	MaxRunning       int   // turns at once; beyond it a message is refused with [ErrBusy]
	MaxFinished      int   // finished tasks kept, the oldest are forgotten first
	MaxFinishedBytes int64 // the same by their size, roughly; the newest is always kept
}

// Option changes what [NewEngine] makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	logger *slog.Logger
	limits Limits
	grace  time.Duration // after a cancellation
	cutOff time.Duration // after the end of Drain's patience
}

func (c *config) setDefaults() {
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.limits.MaxRunning <= 0 {
		c.limits.MaxRunning = DefaultMaxRunning
	}
	if c.limits.MaxFinished <= 0 {
		c.limits.MaxFinished = DefaultMaxFinished
	}
	if c.limits.MaxFinishedBytes <= 0 {
		c.limits.MaxFinishedBytes = DefaultMaxFinishedBytes
	}
	if c.grace <= 0 {
		c.grace = DefaultCancelGrace
	}
	if c.cutOff <= 0 {
		c.cutOff = DefaultShutdownGrace
	}
}

// WithLogger sets where the engine logs. Default, and nil: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) { c.logger = l })
}

// WithLimits sets the bounds. Default: the zero [Limits].
func WithLimits(l Limits) Option {
	return optionFunc(func(c *config) { c.limits = l })
}

// WithCancelGrace sets how long a canceled turn has to return before its task
// is canceled without it. Default, and anything not above zero:
// [DefaultCancelGrace].
func WithCancelGrace(d time.Duration) Option {
	return optionFunc(func(c *config) { c.grace = d })
}

// WithShutdownGrace sets how long turns have to return that [Engine.Drain] has
// cut off, before their tasks are failed without them. Drain takes that much
// longer than its context. Default, and anything not above zero:
// [DefaultShutdownGrace].
func WithShutdownGrace(d time.Duration) Option {
	return optionFunc(func(c *config) { c.cutOff = d })
}
