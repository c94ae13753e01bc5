package registrytest

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// platformHost is the platform's name in memory.
const platformHost = "platform.test"

// memory is a network without sockets, for testing/synctest: goroutines that
// wait on it are durably blocked, so the bubble's clock moves on.
type memory struct {
	transports
	mu        sync.Mutex
	listeners map[string]*memoryListener
	nextPort  int
}

func newMemoryNetwork() *memory {
	return &memory{listeners: map[string]*memoryListener{}, nextPort: 20000}
}

func (n *memory) url() string { return "http://" + platformHost }

func (n *memory) listenPlatform() (net.Listener, error) { return n.listen(platformHost + ":80") }

func (n *memory) listen(hostport string) (net.Listener, error) {
	addr := withPort(hostport)
	n.mu.Lock()
	defer n.mu.Unlock()
	if host, ok := strings.CutSuffix(addr, ":0"); ok {
		n.nextPort++
		addr = net.JoinHostPort(host, strconv.Itoa(n.nextPort))
	}
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: memoryAddr(addr), Err: syscall.EADDRINUSE}
	}
	l := &memoryListener{n: n, addr: memoryAddr(addr), backlog: make(chan net.Conn, 128), done: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

func (n *memory) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	addr = withPort(addr)
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr(addr), Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	client, server := newConnPair(memoryAddr("client:1"), l.addr)
	select {
	case l.backlog <- server:
		if isClosed(l.done) { // it was closed meanwhile and may not have seen this one
			_ = server.Close()
			return nil, refused
		}
		return client, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memory) transport() *http.Transport { return n.add(n.dial) }

func (n *memory) close() { n.closeIdle() }

func (n *memory) knows(hostport string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[withPort(hostport)] != nil
}

// withPort is an address with the port of http where none is given.
func withPort(hostport string) string {
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		return net.JoinHostPort(hostport, "80")
	}
	return hostport
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

type memoryListener struct {
	n       *memory
	addr    memoryAddr
	backlog chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.n.mu.Lock()
		delete(l.n.listeners, string(l.addr))
		l.n.mu.Unlock()
		for {
			select {
			case c := <-l.backlog: // dialled, never accepted
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l.addr }
