package registrytest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
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
	cfg   config
	log   *slog.Logger
	start time.Time

	mu       sync.Mutex // guards what follows; never held while talking to anybody
	rows     map[string]*row
	requests []Request
	changed  chan struct{} // closed at every change that Await may wait for
	buckets  map[string]*bucket
	scripts  []*script
	plan     *planner
	dbDown   bool
	closed   bool

	net     network
	server  *http.Server // nil while down
	serving sync.WaitGroup
	agents  *http.Client // how the proxy reaches agents

	work      sync.WaitGroup // queue deliveries and rotations under way
	life      context.Context
	endOfLife context.CancelFunc
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
		start:   time.Now(),
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
	p.agents = &http.Client{Transport: p.net.transport()}
	if err := p.Up(); err != nil {
		return nil, err
	}
	return p, nil
}

// Close stops the platform and waits for everything it has started. Requests
// under way are cut.
func (p *Platform) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.endOfLife()
	p.Down()
	p.work.Wait()
	p.net.close()
}

// URL is the platform's base URL: http://127.0.0.1:PORT, or
// http://platform.test in memory, which only [Platform.Transport] can reach.
func (p *Platform) URL() string { return p.net.url() }

// Transport returns a new transport that reaches the platform and its agents.
// Its idle connections are closed with the platform.
func (p *Platform) Transport() *http.Transport { return p.net.transport() }

// Client returns an HTTP client over a new [Platform.Transport].
func (p *Platform) Client() *http.Client { return &http.Client{Transport: p.Transport()} }

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
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	p.work.Go(func() { _ = server.Serve(l) })
	p.work.Go(func() {
		<-p.life.Done()
		_ = server.Close()
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	host := "localhost"
	if p.cfg.inMemory {
		host, _, _ = strings.Cut(hostport, ":")
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// Down makes the platform unreachable: its listener is closed, its connections
// are cut, and new ones are refused.
func (p *Platform) Down() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = server.Close()
		p.serving.Wait()
	}
}

// Up makes the platform reachable again, at the same address. What it knows it
// still knows.
func (p *Platform) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	if p.closed {
		return errors.New("the platform is closed")
	}
	l, err := p.net.listenPlatform()
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(p.serve), ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug)}
	p.server = server
	p.serving.Go(func() { _ = server.Serve(l) })
	return nil
}

// DatabaseDown makes the platform answer as it does while its database is
// away: 401 to good tokens on workspace routes, 500 to heartbeats and
// registrations.
func (p *Platform) DatabaseDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dbDown = down
}

// Await waits until ok is true, looking after every request that was answered
// and every change made through a handle. What only time changes, such as a
// workspace that goes offline, it does not notice by itself.
func (p *Platform) Await(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("registrytest: what was awaited has not happened: %w", context.Cause(ctx))
		}
	}
}

// touch wakes those who await something. p.mu is held.
func (p *Platform) touch() {
	close(p.changed)
	p.changed = make(chan struct{})
}
