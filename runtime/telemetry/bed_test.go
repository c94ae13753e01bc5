package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/telemetry"
)

func TestMain(m *testing.M) {
	for _, v := range os.Environ() { // of whoever runs the tests
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "LANGFUSE_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	here  = "11111111-2222-4333-8444-555555555555"
	there = "99999999-8888-4777-8666-555555555555"
)

// sendTo lets the environment of the test name a collector, and what is sent to
// it come soon.
func sendTo(t *testing.T, url string) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
}

// workspace is one that runs, on a platform on loopback.
type workspace struct {
	t    *testing.T
	dir  string
	row  *registrytest.Workspace
	url  string
	log  *buffer
	stop context.CancelFunc
	over chan error
}

// live runs a workspace with telemetry until the test, or end, says stop.
func live(t *testing.T, p *registrytest.Platform, id string, agent runtime.Agent, opts ...runtime.Option) *workspace {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w := &workspace{t: t, dir: t.TempDir(), row: p.AddWorkspace(id), url: "http://localhost:" + port, log: &buffer{}, over: make(chan error, 1)}
	ws, err := runtime.New(agent, append([]runtime.Option{
		runtime.WithWorkspaceID(id),
		runtime.WithPlatformURL(p.URL()),
		runtime.WithConfigDir(w.dir),
		runtime.WithListener(l),
		runtime.WithAgentURL(w.url),
		runtime.WithHeartbeatInterval(3 * time.Second),
		runtime.WithLogger(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		telemetry.FromEnv(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	go func() { w.over <- ws.Run(ctx) }()
	t.Cleanup(cancel)
	until(t, "alive", func() bool { return w.row.Status() == "online" && len(w.row.Heartbeats()) > 0 })
	return w
}

// end stops the workspace.
func (w *workspace) end() {
	w.t.Helper()
	w.stop()
	select {
	case err := <-w.over:
		if err != nil {
			w.t.Error(err)
		}
	case <-time.After(60 * time.Second):
		w.t.Fatalf("Run does not end; its log:\n%s", w.log)
	}
}

// tokenFile is where a workspace keeps its token.
func tokenFile(w *workspace) string { return filepath.Join(w.dir, ".auth_token") }

// message makes the parameters of message/send.
func message(text string, metadata map[string]any) json.RawMessage {
	params := map[string]any{"message": map[string]any{
		"role": "user", "messageId": "m-" + text, "parts": []any{map[string]any{"kind": "text", "text": text}},
	}}
	if metadata != nil {
		params["metadata"] = metadata
	}
	b, err := json.Marshal(params)
	if err != nil {
		panic(err)
	}
	return b
}

// say sends a text through the platform's proxy.
func say(t *testing.T, p *registrytest.Platform, id, text string, metadata map[string]any) string {
	t.Helper()
	status, body, err := p.Call(t.Context(), id, "message/send", message(text, metadata))
	if err != nil || status != http.StatusOK {
		t.Fatalf("say %q: %d %s %v", text, status, body, err)
	}
	return string(body)
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
