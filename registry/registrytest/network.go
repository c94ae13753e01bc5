package registrytest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// network is where the platform lives: loopback or memory.
type network interface {
	url() string
	listenPlatform() (net.Listener, error)
	listen(hostport string) (net.Listener, error)
	dial(ctx context.Context, network, addr string) (net.Conn, error)
	transport() *http.Transport
	knows(hostport string) bool
	closeIdle()
	close()
}

// transports makes transports and closes their idle connections at the end.
type transports struct {
	mu   sync.Mutex
	made []*http.Transport
}

func (t *transports) add(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	tr := &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second, // the platform's own towards agents
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = append(t.made, tr)
	return tr
}

func (t *transports) closeIdle() {
	t.mu.Lock()
	made := slices.Clone(t.made)
	t.mu.Unlock()
	for _, tr := range made {
		tr.CloseIdleConnections()
	}
}

// loopback is the network of real sockets. The platform keeps its port over
// its outages.
type loopback struct {
	transports
	dialer net.Dialer
	addr   string
	first  net.Listener // until the first Up takes it
}

func newLoopback() (*loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	// As long as the platform waits for an agent to accept a connection.
	return &loopback{addr: l.Addr().String(), first: l, dialer: net.Dialer{Timeout: 30 * time.Second}}, nil
}

func (n *loopback) url() string { return "http://" + n.addr }

func (n *loopback) listenPlatform() (net.Listener, error) {
	if l := n.first; l != nil {
		n.first = nil
		return l, nil
	}
	return net.Listen("tcp", n.addr)
}

func (n *loopback) listen(hostport string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
}

func (n *loopback) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dialer.DialContext(ctx, network, addr)
}

func (n *loopback) transport() *http.Transport { return n.add(n.dial) }

func (n *loopback) knows(string) bool { return false }

func (n *loopback) close() {
	n.closeIdle()
	if n.first != nil {
		_ = n.first.Close()
	}
}
