package mcp

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// lines is a log, line by line.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// TestHTTPThatCannotBeServedIsSaidAtOnce, and the socket is served all the same.
func TestHTTPThatCannotBeServedIsSaidAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		addr  string
		spoil func(dir string) error
		says  []string
	}{
		"a port in use":      {addr: taken.Addr().String(), says: []string{taken.Addr().String(), "in use", "another one"}},
		"not this machine's": {addr: "0.0.0.0:0", says: []string{"0.0.0.0:0", "not a loopback address", "127.0.0.1"}},
		"a secret that can't be kept": {addr: "127.0.0.1:0", says: []string{"secret cannot be written", "WithSecret"}, spoil: func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, secretFile, "in the way"), 0o700)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, log := shortDir(t), make(lines, 10)
			if c.spoil != nil {
				if err := c.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error, 1)
			ws := &runtime.Workspace{ConfigDir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))}
			go func() { over <- settings{addr: c.addr}.serve(ctx, ws) }()
			line := within(t, "the log says it", log)
			for _, want := range append(c.says, "level=ERROR") {
				if !strings.Contains(line, want) {
					t.Errorf("the log does not say %q: %s", want, line)
				}
			}
			if conn, err := dialSocket(t.Context(), filepath.Join(dir, socketFile)); err != nil {
				t.Errorf("the socket: %v", err)
			} else {
				_ = conn.Close()
			}
			cancel()
			if err := within(t, "serve returns", over); err != nil {
				t.Error(err)
			}
		})
	}
}

// shortDir is a directory whose sockets have paths that are short enough.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mcp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestAnAddressThatCannotBeRight(t *testing.T) {
	for addr, says := range map[string]string{
		"":               "",
		"127.0.0.1:9100": "",
		"[::1]:0":        "",
		"localhost:9100": "",
		"0.0.0.0:9100":   "not a loopback address",
		"192.0.2.1:9100": "not a loopback address",
		":9100":          "not a loopback address",
		"127.0.0.1":      "a host and a port",
	} {
		_, err := runtime.New(runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error { return nil }),
			Enable(WithHTTP(addr)), runtime.WithWorkspaceID("11111111-2222-4333-8444-555555555555"), runtime.WithPlatformURL("http://p.test"))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: New() = %v, want %q", addr, err, says)
		}
	}
}

// A directory whose path is too long for a socket: the workspace could not open
// it either, and the token file is there.
func TestASocketWithATooLongPathIsNoWorkspace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := stdio(t.Context(), runtime.CommandEnv{ConfigDir: dir, Tools: func() (*tool.Table, error) { return nil, fs.ErrClosed }})
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the tools of this process are not asked for: %v", err)
	}
}
