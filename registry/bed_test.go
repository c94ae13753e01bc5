package registry_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ownID  = "614485d9-5763-461f-a29f-2daceb6a08ed"
	peerID = "f5d83c4d-b5a0-4d7b-a63b-30fdd57498e3"
)

// seen is one request as it arrived.
type seen struct {
	Method, URI, Body string
	Header            http.Header
}

// bed is a server that gives one answer and writes down what arrives.
type bed struct {
	*httptest.Server

	mu   sync.Mutex // guards seen
	seen []seen
}

func (b *bed) requests() []seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]seen(nil), b.seen...)
}

func serve(t testing.TB, h http.HandlerFunc) *bed {
	t.Helper()
	b := &bed{}
	b.Server = httptest.NewServer(b.recording(h))
	t.Cleanup(b.Close)
	return b
}

func (b *bed) recording(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.seen = append(b.seen, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		b.mu.Unlock()
		h(w, r)
	})
}

// client makes a Client of the bed; it tries once unless opts say more.
func (b *bed) client(t testing.TB, opts ...registry.Option) *registry.Client {
	t.Helper()
	all := append([]registry.Option{
		registry.WithTransport(b.Client().Transport),
		registry.WithRetry(registry.Retry{Attempts: 1}),
	}, opts...)
	return mustClient(t, b.URL, all...)
}

func mustClient(t testing.TB, url string, opts ...registry.Option) *registry.Client {
	t.Helper()
	c, err := registry.NewClient(url, ownID, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer makes a handler that always says the same.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if body != "" {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// inMemory is the bed without sockets, for use in a synctest bubble.
func inMemory(t testing.TB, h http.HandlerFunc) (*bed, *http.Transport) {
	t.Helper()
	b := &bed{}
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: b.recording(h)}
	go func() { _ = server.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return b, transport
}

type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// golden reads a body recorded from the real platform.
func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// acceptKey is the answer to a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
