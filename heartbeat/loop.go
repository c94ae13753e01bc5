package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Defaults of [LoopConfig].
const (
	DefaultInterval    = 30 * time.Second
	DefaultLivenessTTL = 180 * time.Second
)

// Deadlines. Every call has one of its own: a call that hangs must not cost
// more than a third of the interval, so that three of them still fit between
// two regular heartbeats.
const (
	maxCallTimeout = 10 * time.Second
	// lastWords is all the time that the end of Run may take: the runtime has
	// 8 s of a container's 10 s for its turns.
	lastWords = 1500 * time.Millisecond
)

// ErrRemoved is returned by [Loop.Run] when the platform says that it has
// removed the workspace. There is nothing left to be alive for: an adapter
// should end.
var ErrRemoved = errors.New("heartbeat: the platform has removed this workspace")

// TokenStore is what a [Loop] needs of the token's keeper; a platformauth.Store
// is one. Its methods may be called from any goroutine.
type TokenStore interface {
	TokenSource
	// Changed returns a channel that is closed when the token next changes,
	// whatever changed it.
	Changed() <-chan struct{}
	// Watch keeps the token fresh until ctx ends, and returns nil then.
	Watch(ctx context.Context) error
	// Save makes the token the current one and writes it down. When it cannot
	// be written, it is the current one all the same, Persisted turns false and
	// an error is returned. Saving it again tries to write it again.
	Save(token string) error
	// Persisted is false while the current token is not written down.
	Persisted() bool
}

// Registration is what a workspace tells the platform about itself.
type Registration struct {
	// URL is where the platform posts messages to. Empty: the workspace has no
	// address yet; it is not registered and lives by its heartbeats alone.
	URL string
	// Card is the agent card, any JSON object; empty is sent as {}.
	Card json.RawMessage
}

// LoopConfig configures [NewLoop]. It is copied: later changes have no effect.
type LoopConfig struct {
	// Client talks to the platform, over Transport. Required.
	Client *registry.Client
	// Transport is the Client's authenticating transport. When a call of any of
	// its users stays 401, the Loop checks the token. Optional, but without it
	// the Loop learns of a dead token by its own calls only, and cannot close
	// idle connections after a timeout.
	Transport *RoundTripper
	// Tokens keeps the workspace's token. Required. Run watches it.
	Tokens TokenStore
	// State is what the heartbeats carry. Nil: a fresh one.
	State *State
	// Registration says what to register with. It is asked before each try and
	// at heartbeats while there is no registration, in Run's goroutine, and
	// must not block. Required.
	Registration func() Registration
	// Interval is the time between heartbeats, which varies by a tenth either
	// way so that a fleet spreads out. Zero: [DefaultInterval]. A heartbeat may
	// take a third of it, at most 10 s.
	Interval time.Duration
	// LivenessTTL is after how long without a heartbeat the platform calls the
	// workspace offline; longer than Interval. Zero: [DefaultLivenessTTL].
	LivenessTTL time.Duration
	// Trace is told what happens. Optional.
	Trace *Trace
	// Logger gets what an operator wants to know. Nil: nothing is logged.
	Logger *slog.Logger
	// MeterProvider is where heartbeats are counted; they are no spans. Run asks
	// it when it begins. Nil: nothing is counted.
	MeterProvider metric.MeterProvider
}

// Loop keeps a workspace alive on the platform: it registers, sends heartbeats,
// checks the token once per interval, and recovers from rotations and outages.
// The package comment tells how.
//
// Make one with [NewLoop]. [Loop.Run] is its life; the other methods may be
// called from any goroutine, before, during and after it.
type Loop struct {
	client       *registry.Client
	transport    *RoundTripper
	tokens       TokenStore
	state        *State
	registration func() Registration
	interval     time.Duration
	ttl          time.Duration
	trace        Trace
	log          *slog.Logger
	meters       metric.MeterProvider
	metrics      instruments    // of the Run under way
	random       func() float64 // in [0, 1); replaced by tests that need a seed

	nudge    chan struct{} // 1 slot, see Beat
	announce chan struct{} // 1 slot, see Announce
	running  atomic.Bool

	mu     sync.Mutex // guards status
	status Status
}

// NewLoop checks the configuration and returns a Loop that does nothing until
// [Loop.Run]. The error names everything that is wrong, one line each.
func NewLoop(cfg LoopConfig) (*Loop, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("heartbeat: LoopConfig."+format, args...))
	}
	if cfg.Client == nil {
		fault("Client is missing: make one with registry.NewClient")
	}
	if cfg.Tokens == nil {
		fault("Tokens is missing: give a platformauth.Store")
	}
	if cfg.Registration == nil {
		fault("Registration is missing: give a function that returns the address and the card")
	}
	if cfg.Interval < 0 {
		fault("Interval %v is negative: leave it zero for %v", cfg.Interval, DefaultInterval)
	} else if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.LivenessTTL < 0 {
		fault("LivenessTTL %v is negative: leave it zero for %v", cfg.LivenessTTL, DefaultLivenessTTL)
	} else if cfg.LivenessTTL == 0 {
		cfg.LivenessTTL = DefaultLivenessTTL
	}
	if cfg.Interval > 0 && cfg.LivenessTTL > 0 && cfg.Interval >= cfg.LivenessTTL {
		fault("Interval %v is not shorter than LivenessTTL %v: the platform would call the workspace dead between two heartbeats; "+
			"use %v or less", cfg.Interval, cfg.LivenessTTL, cfg.LivenessTTL/3)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	l := &Loop{
		client:       cfg.Client,
		transport:    cfg.Transport,
		tokens:       cfg.Tokens,
		state:        cfg.State,
		registration: cfg.Registration,
		interval:     cfg.Interval,
		ttl:          cfg.LivenessTTL,
		log:          cfg.Logger,
		meters:       cfg.MeterProvider,
		random:       rand.Float64,
		nudge:        make(chan struct{}, 1),
		announce:     make(chan struct{}, 1),
	}
	if l.state == nil {
		l.state = NewState()
	}
	if cfg.Trace != nil {
		l.trace = *cfg.Trace
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With(slog.String("workspace_id", l.client.WorkspaceID()))
	return l, nil
}

// Run keeps the workspace alive until ctx ends; then it sends one last
// heartbeat, waiting for it no longer than 1.5 s, and returns nil. It returns an
// error for which errors.Is(err, [ErrRemoved]) holds when the platform has
// removed the workspace. Nothing else ends it: while ctx lives it never gives
// up.
//
// All goroutines it starts have ended when it returns. At most one Run may be
// under way at a time, a second one returns an error at once; a later one
// begins anew, with a registration.
func (l *Loop) Run(ctx context.Context) error {
	if !l.running.CompareAndSwap(false, true) {
		return errors.New("heartbeat: this Loop is running already; make one Loop for each workspace")
	}
	defer l.running.Store(false)
	if ctx.Err() != nil {
		return nil
	}
	defer l.measure()()
	ctx, cancel := context.WithCancel(ctx)
	// What must not be torn apart by the end of ctx: the last heartbeat, and a
	// registration whose answer may hold a token that is shown only once.
	kept, cancelKept := context.WithCancel(context.WithoutCancel(ctx))

	var group sync.WaitGroup
	defer group.Wait()
	defer cancelKept()
	defer cancel()
	group.Go(func() { l.watch(ctx) })
	return newLife(l, ctx, kept, &group).run()
}

// watch keeps the token fresh. A watch that fails is begun again: without it
// the Loop would learn of a new token only by the next 401.
func (l *Loop) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.tokens.Watch(ctx)
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("the watch of the token ended, it is begun again", slog.Any("error", err), slog.Duration("wait", l.interval))
		again := time.NewTimer(l.interval)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
}

// Status returns a snapshot. It is cheap and does not wait for anything.
func (l *Loop) Status() Status {
	persisted := l.tokens.Persisted()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.TokenPersisted = persisted
	return s
}

// Beat asks for a heartbeat now. It does not wait; wishes are coalesced, five
// in a row are granted at once and then one per second, and while heartbeats
// fail their back-off goes first.
func (l *Loop) Beat() { poke(l.nudge) }

// Announce says that the card or the address changed: the workspace registers
// again with what Registration returns then. It does not wait; wishes are
// coalesced. A workspace that is paused is not registered, because that would
// wake it: its card is pushed by itself.
func (l *Loop) Announce() { poke(l.announce) }

// poke puts a value into a channel with one slot, unless one is there already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
