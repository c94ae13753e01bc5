package task

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Defaults of the options, exported for those who compute from them.
const (
	DefaultMaxRunning       = 1000            // turns at once
	DefaultMaxQueued        = 1000            // turns that wait
	DefaultMaxFinished      = 1000            // tasks kept for reading after their end
	DefaultMaxFinishedBytes = 64 << 20        // what these tasks may hold together
	DefaultMaxReplyBytes    = 64 << 20        // what the agent may write in one task
	DefaultMaxMessages      = 10_000          // ids of messages that are remembered
	DefaultCancelGrace      = 5 * time.Second // for a canceled turn to return
	DefaultShutdownGrace    = time.Second     // for a turn that was cut off to return: a container has little time left then
	DefaultMaxAttempts      = 3               // of a turn that is interrupted again and again
)

// Limits bounds what an [Engine] does at once and keeps. A field that is zero
// means its default, and so does a negative one where nothing else is said.
type Limits struct {
	MaxRunning  int // turns at once; beyond it they wait
	MaxQueued   int // turns that wait; beyond it a message is refused with a [BusyError]; negative: none waits
	MaxPerOwner int // turns of one caller that run or wait ([WithOwner]); default: as many as there are

	MaxReplyBytes int64 // what the agent may write in one task, reply and artifacts, with 32 for each write; negative: no bound

	// Tasks at rest: those that have ended and those that wait for their caller
	// (INPUT_REQUIRED). The ones that are so for longest are forgotten first; an
	// answer to one that is forgotten gets a2a.ErrTaskNotFound.
	MaxFinished      int           // how many are kept; a sixteenth more for a moment
	MaxFinishedBytes int64         // the same by their size, roughly; the newest is always kept
	MaxAge           time.Duration // the same by the time since they are at rest, and a sixteenth more or a second; default: no bound

	MaxMessages   int           // ids of messages that are remembered, so that none is answered twice
	MaxMessageAge time.Duration // for how long, and a sixteenth more or a second; default: no bound
}

// Option changes what [NewEngine] and [Open] make.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	logger     *slog.Logger
	limits     Limits
	timeouts   Timeouts
	owner      func(context.Context) string
	notifier   Notifier
	parallel   bool
	resume     bool
	dispatcher Dispatcher
	lease      time.Duration // of a shared store; 0: it is not
	attempts   int
	grace      time.Duration // after a cancellation
	cutOff     time.Duration // after the end of Drain's patience

	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
}

func (c *config) setDefaults() {
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.owner == nil {
		c.owner = userOf
	}
	c.owner = storable(c.owner)
	orDefault(&c.limits.MaxRunning, DefaultMaxRunning)
	if c.limits.MaxQueued == 0 {
		c.limits.MaxQueued = DefaultMaxQueued
	}
	c.limits.MaxQueued = max(c.limits.MaxQueued, 0)
	orDefault(&c.limits.MaxFinished, DefaultMaxFinished)
	orDefault(&c.limits.MaxFinishedBytes, DefaultMaxFinishedBytes)
	if c.limits.MaxReplyBytes == 0 {
		c.limits.MaxReplyBytes = DefaultMaxReplyBytes
	}
	orDefault(&c.limits.MaxMessages, DefaultMaxMessages)
	orDefault(&c.attempts, DefaultMaxAttempts)
	orDefault(&c.grace, DefaultCancelGrace)
	orDefault(&c.cutOff, DefaultShutdownGrace)
}

// orDefault sets what was not set to something above zero.
func orDefault[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
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

// WithTimeouts bounds how long a turn may take. A turn that takes longer has
// its context ended with an [ErrTimeout], as long to return as a canceled one,
// and its task fails with a text that says so. Default: no bounds.
func WithTimeouts(t Timeouts) Option {
	return optionFunc(func(c *config) { c.timeouts = t })
}

// WithParallelTurns lets the turns of one conversation (context id) run at the
// same time. Default: one after another, in the order their messages came, as
// an agent with a memory of the conversation needs it.
func WithParallelTurns() Option {
	return optionFunc(func(c *config) { c.parallel = true })
}

// WithOwner sets how to tell whose a request is. A task belongs to who sent its
// first message, and for everybody else it does not exist; message ids of two
// owners have nothing to do with each other. Empty is an owner like any other:
// everybody who is not known. Default: the name of the authenticated user in
// the a2asrv.CallContext, if there is one.
func WithOwner(owner func(ctx context.Context) string) Option {
	return optionFunc(func(c *config) { c.owner = owner })
}

// WithResume says that the function can go on with a turn that was interrupted
// by the end of the process: it is called again when the store is opened by
// another one, with [Execution.Attempt] above 1 and what was written so far as
// [Execution.Written], at most maxAttempts times in all (0 means
// [DefaultMaxAttempts]); then the task is failed. Default: such a turn is
// failed; one that had not begun yet is simply begun.
func WithResume(maxAttempts int) Option {
	return optionFunc(func(c *config) { c.resume, c.attempts = true, maxAttempts })
}
