package mcp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// ServerName is what clients are told about the program, and the key to use in
// an agent's configuration.
const ServerName = "workspace"

// secretFile is where the secret of the HTTP server is, below the configuration
// directory. It is another one with each start.
const secretFile = ".runtime/mcp/secret"

// Option changes what [Enable] does.
type Option interface{ apply(*settings) }

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

type settings struct {
	addr   string
	secret string
}

// WithHTTP serves MCP over streamable HTTP too, at the path /mcp of an address,
// which must be one of this machine's loopback addresses, such as
// "127.0.0.1:9100". Clients bring a secret as their bearer token; it is made
// anew with each start and is in the file .runtime/mcp/secret of the
// configuration directory, for the workspace's user only. An address that cannot
// be right is an error of [runtime.New]; one that cannot be had just now, such as
// a port in use, is only logged. Default: no HTTP.
func WithHTTP(addr string) Option { return optionFunc(func(s *settings) { s.addr = addr }) }

// WithSecret sets the secret of [WithHTTP] instead of making one and writing it
// into a file.
func WithSecret(secret string) Option { return optionFunc(func(s *settings) { s.secret = secret }) }

// Enable gives an adapter's agent the workspace's tools ([runtime.WithTools])
// over MCP: the sub-command mcp, and what serves it while the workspace runs.
func Enable(opts ...Option) runtime.Option {
	var set settings
	for _, o := range opts {
		o.apply(&set)
	}
	return runtime.Options(
		runtime.Fault(set.fault()),
		runtime.WithTools(),
		runtime.WithService("mcp", set.serve),
		runtime.WithCommand(runtime.Command{
			Name: "mcp", Usage: "serve the workspace's tools over MCP, on standard input and output", Run: stdio,
		}),
	)
}

// fault is what is wrong with the settings for everybody to see.
func (set settings) fault() error {
	if set.addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(set.addr)
	if err != nil {
		return fmt.Errorf("mcp: WithHTTP(%q): %w: use a host and a port, such as 127.0.0.1:9100", set.addr, err)
	}
	// What a name stands for is seen when it is listened on.
	if ip := net.ParseIP(host); host == "" || ip != nil && !ip.IsLoopback() {
		return notLoopback(set.addr)
	}
	return nil
}

func notLoopback(addr string) error {
	return fmt.Errorf("mcp: %s is not a loopback address: the tools are for the agent on this machine; use 127.0.0.1", addr)
}

// serve is MCP beside a workspace that runs.
func (set settings) serve(ctx context.Context, ws *runtime.Workspace) error {
	s := NewServer(ws.Tools(), ServerName, "1", ws.Logger)
	var running sync.WaitGroup
	defer running.Wait()
	if l, err := listenSocket(ctx, filepath.Join(ws.ConfigDir, socketFile)); err != nil {
		// The sub-command works without it, so this is no reason to stop.
		ws.Logger.Warn("MCP clients work beside this process, not through it", "error", err)
	} else {
		running.Go(func() { s.serveSocket(ctx, l) })
	}
	if set.addr == "" {
		return nil
	}
	// Said now: what is returned is not known before the socket's clients are gone.
	if err := set.serveHTTP(ctx, s, ws); err != nil && ctx.Err() == nil {
		ws.Logger.Error("MCP is not served over HTTP", "addr", set.addr, "error", err)
	}
	return nil
}

// serveHTTP serves until ctx ends.
func (set settings) serveHTTP(ctx context.Context, s *Server, ws *runtime.Workspace) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", set.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("mcp: listen on %s: the port is in use: stop what uses it, or give WithHTTP another one: %w", set.addr, err)
	}
	if err != nil {
		return fmt.Errorf("mcp: listen on %s: %w: give WithHTTP an address of this machine's loopback, such as 127.0.0.1:9100", set.addr, err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close()
		return notLoopback(set.addr)
	}
	secret := set.secret
	if secret == "" {
		secret = rand.Text()
		if err := writeFile(filepath.Join(ws.ConfigDir, secretFile), []byte(secret), 0o600); err != nil {
			_ = l.Close()
			return fmt.Errorf("mcp: the secret cannot be written: %w: let the configuration directory be writable, or use WithSecret", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", s.Handler(secret))
	serving, stop := context.WithCancel(ctx)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(ws.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return withConnection(serving) },
	}
	ws.Logger.Info("serving MCP", "url", "http://"+l.Addr().String()+"/mcp")
	var running sync.WaitGroup
	defer s.endSessions()
	defer running.Wait()
	defer stop()
	running.Go(func() { s.follow(serving) })
	running.Go(func() {
		<-serving.Done()
		_ = server.Close() // streams of idle sessions never end by themselves
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("mcp: the HTTP server has stopped: %w", err)
	}
	return nil
}

// stdio is the sub-command.
func stdio(ctx context.Context, env runtime.CommandEnv) error {
	if len(env.Args) > 0 {
		return runtime.ErrUsage
	}
	conn, err := dialSocket(ctx, filepath.Join(env.ConfigDir, socketFile))
	if err == nil {
		return relay(ctx, conn, env.Stdin, env.Stdout)
	}
	if !nobodyListens(err) {
		return fmt.Errorf("mcp: the workspace of %s cannot be reached: %w", env.ConfigDir, err)
	}
	table, err := env.Tools()
	if err != nil {
		return err
	}
	return NewServer(table, ServerName, "1", nil).Serve(ctx, env.Stdin, nopCloser{env.Stdout})
}
