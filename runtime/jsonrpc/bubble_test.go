package jsonrpc_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble is a server and a client connected by pipes, for tests in which the
// clock is synctest's. A pipe has no buffer: a write waits for its reader.
type bubble struct {
	server *http.Server
	client *http.Client
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

// inBubble runs a test with a server whose clock is synctest's. change may be
// nil.
func inBubble(t *testing.T, h http.Handler, change func(*http.Server), test func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		transport := &http.Transport{DialContext: l.dial}
		var running sync.WaitGroup
		counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			h.ServeHTTP(w, r)
		})
		b := &bubble{server: &http.Server{Handler: counted}, client: &http.Client{Transport: transport}}
		if change != nil {
			change(b.server)
		}
		served := make(chan struct{})
		go func() { defer close(served); _ = b.server.Serve(l) }()
		defer func() {
			transport.CloseIdleConnections()
			_ = b.server.Close()
			<-served
			running.Wait()
			synctest.Wait()
		}()
		test(t, b)
	})
}

// post sends a request; the caller closes the body of the answer.
func (b *bubble) post(t *testing.T, ctx context.Context, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// text reads an answer to its end.
func text(t *testing.T, res *http.Response) string {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the answer broke off: %v after %.300q", err, body)
	}
	return string(body)
}

// lines reads a stream line by line.
type lines struct {
	t       *testing.T
	scanner *bufio.Scanner
}

func readLines(t *testing.T, r io.Reader) *lines { return &lines{t, bufio.NewScanner(r)} }

// until returns the next line with a prefix and how long it took to come.
func (l *lines) until(prefix string) (string, time.Duration) {
	l.t.Helper()
	start := time.Now()
	for l.scanner.Scan() {
		if strings.HasPrefix(l.scanner.Text(), prefix) {
			return l.scanner.Text(), time.Since(start)
		}
	}
	l.t.Fatalf("the stream ended before a line with %q: %v", prefix, l.scanner.Err())
	return "", 0
}
