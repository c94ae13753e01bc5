package registrytest

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// TB is the part of testing.TB that [NewPlatform] needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Platform is a platform to test against. Make it with [NewPlatform] in a test
// or with [Start] in a program. All methods are safe for concurrent use.
type Platform struct {
	cfg config
	log *slog.Logger

	mu       sync.Mutex // guards what follows; never held while talking to anybody
	rows     map[string]*row
	added    int // rows so far
	requests []*Request
	changed  chan struct{} // closed at every change that Await may wait for
	buckets  map[string]*bucket
	scripts  []*script
	ears     map[*listener]struct{} // who follows events
	secrets  map[string]secretValue // of all workspaces
	rules    []instruction
	plan     *planner
	dbDown   bool
	closed   bool

	net    network
	agents *http.Client // how the proxy reaches agents
	canvas *http.Client // how Call reaches the platform

	lift    sync.Mutex // held through Down and Up, which take turns
	running *running   // nil while down; guarded by lift

	work      sync.WaitGroup // requests, deliveries and rotations under way; see begin
	life      context.Context
	endOfLife context.CancelFunc
}

// running is the server between an Up and a Down.
type running struct {
	server *http.Server
	done   chan struct{} // closed when it accepts no more
	hangUp func()        // ends what outlives the server: event streams
}

// NewPlatform starts a platform that ends with the test. It fails the test if
// it cannot start.
func NewPlatform(t TB, opts ...Option) *Platform {
	t.Helper()
	p, err := Start(opts...)
	if err != nil {
		t.Fatalf("registrytest: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// Start starts a platform for a program that is not a test, which has to close
// it.
func Start(opts ...Option) (*Platform, error) {
	p := &Platform{
		cfg:     defaults(),
		rows:    map[string]*row{},
		changed: make(chan struct{}),
		buckets: map[string]*bucket{},
		ears:    map[*listener]struct{}{},
	}
	for _, o := range opts {
		o.apply(&p.cfg)
	}
	p.log = p.cfg.log
	if p.cfg.plan != nil {
		p.plan = newPlanner(p.cfg.seed, *p.cfg.plan)
	}
	p.life, p.endOfLife = context.WithCancel(context.Background())
	if p.cfg.inMemory {
		p.net = newMemoryNetwork()
	} else {
		n, err := newLoopback()
		if err != nil {
			return nil, err
		}
		p.net = n
	}
	p.agents, p.canvas = p.Client(), p.Client()
	if err := p.Up(); err != nil {
		return nil, err
	}
	return p, nil
}

// Close stops the platform and waits for everything it has started. Requests
// under way are cut. Closing twice is harmless.
func (p *Platform) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.endOfLife()
	p.Down()
	p.work.Wait()
	p.net.close()
}

// begin announces a piece of work that Close has to wait for, which ends with
// p.work.Done. It reports false when the platform is closed.
func (p *Platform) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	return true
}

// URL is the platform's base URL: http://127.0.0.1:PORT, or
// http://platform.test in memory, which only [Platform.Transport] can reach.
func (p *Platform) URL() string { return p.net.url() }

// Transport returns a new transport that reaches the platform and its agents.
// Its idle connections are closed with the platform.
func (p *Platform) Transport() *http.Transport { return p.net.transport() }

// Client returns an HTTP client over a new [Platform.Transport].
func (p *Platform) Client() *http.Client { return &http.Client{Transport: p.Transport()} }

// CloseIdleConnections closes the idle connections of every transport that came
// from [Platform.Transport] or [Platform.Client]. A testing/synctest bubble must
// not end, and its servers must not be closed for good, while somebody keeps
// connections to them; [Platform.Close] does this too.
func (p *Platform) CloseIdleConnections() { p.net.closeIdle() }

// DialContext dials the platform or an agent, in memory or not.
func (p *Platform) DialContext(ctx context.Context, netw, addr string) (net.Conn, error) {
	return p.net.dial(ctx, netw, addr)
}

// Listen opens a listener at which the platform, and everybody who uses its
// Transport, finds an agent: in memory at hostport, such as "localhost:8000",
// whatever else in the world has that name; on loopback at the port of
// hostport, where 0 is any free one.
func (p *Platform) Listen(hostport string) (net.Listener, error) { return p.net.listen(hostport) }

// ServeAgent serves h as an agent at hostport until the platform closes, and
// returns its URL.
func (p *Platform) ServeAgent(hostport string, h http.Handler) (string, error) {
	l, err := p.Listen(hostport)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err == nil && !p.begin() {
		err = errors.New("the platform is closed")
	}
	if err != nil {
		return "", errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: p.errorLog()}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	go func() {
		defer p.work.Done()
		<-p.life.Done()
		_ = server.Close()
		<-served
	}()
	if !p.cfg.inMemory {
		host = "localhost" // the one spelling of loopback that may be registered
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// errorLog is where servers complain about their connections.
func (p *Platform) errorLog() *log.Logger {
	return slog.NewLogLogger(p.log.Handler(), slog.LevelDebug)
}

// Down makes the platform unreachable: its listener is closed, its connections
// are cut, and new ones are refused.
func (p *Platform) Down() {
	p.lift.Lock()
	defer p.lift.Unlock()
	if p.running == nil {
		return
	}
	p.running.hangUp()
	_ = p.running.server.Close()
	<-p.running.done
	p.running = nil
}

// Up makes the platform reachable again, at the same address. What it knows it
// still knows; the five minutes in which it remembers addresses go on.
func (p *Platform) Up() error {
	p.lift.Lock()
	defer p.lift.Unlock()
	if p.running != nil {
		return nil
	}
	if p.life.Err() != nil {
		return errors.New("the platform is closed")
	}
	l, err := p.net.listenPlatform()
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	// No timeouts: the real one has none either.
	ctx, hangUp := context.WithCancel(p.life)
	r := &running{server: &http.Server{
		Handler: http.HandlerFunc(p.serve), ErrorLog: p.errorLog(), BaseContext: func(net.Listener) context.Context { return ctx },
	}, done: make(chan struct{}), hangUp: hangUp}
	go func() { defer close(r.done); _ = r.server.Serve(l) }()
	p.running = r
	return nil
}

// DatabaseDown makes the platform answer as it does while its database is
// away: 401 to good tokens on workspace routes, 500 to heartbeats and
// registrations.
func (p *Platform) DatabaseDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dbDown = down
	p.touch()
}

// Await waits until ok is true. It asks again after everything that may matter:
// a request that arrives, an answer, a change made through a handle, a delivery,
// and what only time brings, such as a workspace that goes offline. It does not
// poll, and works inside a testing/synctest bubble. When ctx ends first, the
// error wraps its cause.
func (p *Platform) Await(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		changed, due := p.changed, p.nextDue()
		p.mu.Unlock()
		if ok() {
			return nil
		}
		if err := sleepUntil(ctx, due, changed); err != nil {
			return fmt.Errorf("registrytest: what was awaited has not happened: %w", err)
		}
	}
}

// sleepUntil returns nil at due, unless that is zero, or when changed is closed.
func sleepUntil(ctx context.Context, due time.Time, changed <-chan struct{}) error {
	var elapsed <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-changed:
	case <-elapsed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// touch wakes those who await something. p.mu is held.
func (p *Platform) touch() {
	close(p.changed)
	p.changed = make(chan struct{})
}
