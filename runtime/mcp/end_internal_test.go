package mcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// waiting is a server with a tool that returns when its call ends, and says why
// that was.
func waiting(t *testing.T) (s *Server, begun chan struct{}, ended chan error) {
	t.Helper()
	begun, ended = make(chan struct{}, 1), make(chan error, 1)
	table, err := tool.NewTable([]*tool.Tool{tool.New("wait", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return "", ctx.Err()
	})})
	if err != nil {
		t.Fatal(err)
	}
	return NewServer(table, "test", "1", nil), begun, ended
}

// inFlight calls the tool of waiting, and returns when it has begun.
func inFlight(t *testing.T, transport sdk.Transport, begun <-chan struct{}) {
	t.Helper()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	var calling sync.WaitGroup
	calling.Go(func() { _, _ = session.CallTool(t.Context(), &sdk.CallToolParams{Name: "wait"}) })
	t.Cleanup(func() {
		_ = session.Close()
		calling.Wait()
	})
	<-begun
}

// within fails the test when a value is not there soon.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not within 20 s", what)
	}
	return v
}

var errTold = errors.New("told to stop")

func TestTheEndOfAStreamEndsItsCalls(t *testing.T) {
	for name, end := range map[string]func(stop func(), client net.Conn){
		"the server is told to stop": func(stop func(), _ net.Conn) { stop() },
		"the client hangs up":        func(_ func(), client net.Conn) { _ = client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s, begun, ended := waiting(t)
			ctx, stop := context.WithCancelCause(t.Context())
			server, client := net.Pipe()
			over := make(chan error, 1)
			go func() { over <- s.Serve(ctx, server, server) }()
			inFlight(t, &sdk.IOTransport{Reader: client, Writer: client}, begun)
			end(func() { stop(errTold) }, client)
			within(t, "the call ends", ended)
			if err := within(t, "Serve returns", over); err != nil {
				t.Errorf("Serve: %v", err)
			}
			stop(nil)
		})
	}
}

// unclosable is standard input as a blocking pipe: Close does not wake its reader.
type unclosable struct{ io.Reader }

func (unclosable) Close() error { return nil }

// A call that is in flight where nothing tells the SDK of the end.
func TestTheEndOfStandardInputIsNotNeeded(t *testing.T) {
	s, begun, ended := waiting(t)
	ctx, stop := context.WithCancelCause(t.Context())
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, unclosable{in}, out) }()
	inFlight(t, &sdk.IOTransport{Reader: fromServer, Writer: toServer}, begun)
	stop(errTold)
	if err := within(t, "the call ends", ended); !errors.Is(err, errTold) {
		t.Errorf("the call ends with %v", err)
	}
	if err := within(t, "Serve returns", over); err != nil {
		t.Errorf("Serve: %v", err)
	}
	_ = in.Close()
}

// Sessions over HTTP outlive their connections, and so would their calls.
func TestTheEndOfTheHTTPServerEndsItsCalls(t *testing.T) {
	s, begun, ended := waiting(t)
	ctx, stop := context.WithCancelCause(t.Context())
	urls := urlOf{make(chan string, 1)}
	over := make(chan error, 1)
	ws := &runtime.Workspace{ConfigDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(urls, nil))}
	go func() { over <- settings{addr: "127.0.0.1:0", secret: "sesame"}.serveHTTP(ctx, s, ws) }()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	inFlight(t, &sdk.StreamableClientTransport{
		Endpoint: within(t, "the server listens", urls.c), HTTPClient: &http.Client{Transport: opening{base}}, MaxRetries: -1,
	}, begun)
	stop(errTold)
	if err := within(t, "the call ends", ended); !errors.Is(err, errTold) {
		t.Errorf("the call ends with %v", err)
	}
	if err := within(t, "the server returns", over); err != nil {
		t.Errorf("serveHTTP: %v", err)
	}
	for session := range s.sdk.Sessions() {
		t.Errorf("session %s is still there", session.ID())
	}
}

// urlOf is a log that is read for the address of the server.
type urlOf struct{ c chan string }

func (u urlOf) Write(line []byte) (int, error) {
	if _, url, ok := strings.Cut(strings.TrimSpace(string(line)), "url="); ok {
		u.c <- url
	}
	return len(line), nil
}

type opening struct{ base http.RoundTripper }

func (o opening) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer sesame")
	return o.base.RoundTrip(r)
}
