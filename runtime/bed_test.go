package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const workspaceID = "11111111-2222-4333-8444-555555555555"

// bed is a workspace in memory, on a platform in memory, so that both live in
// a synctest bubble. The token is a file all the same.
type bed struct {
	t        *testing.T
	platform *registrytest.Platform
	row      *registrytest.Workspace
	ws       *runtime.Runtime
	dir      string
	url      string
	client   *http.Client
	stop     context.CancelFunc
	over     chan error
}

// lay starts a platform and makes, but does not run, a workspace on it. In a
// bubble the token file is not watched: inotify would stop its clock.
func lay(t *testing.T, inMemory bool, agent runtime.Agent, opts ...runtime.Option) *bed {
	t.Helper()
	var popts []registrytest.Option
	if inMemory {
		popts = append(popts, registrytest.WithInMemory())
	}
	b := &bed{t: t, platform: registrytest.NewPlatform(t, popts...), dir: t.TempDir(), over: make(chan error, 1)}
	b.row = b.platform.AddWorkspace(workspaceID)
	l, err := b.platform.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	b.url = "http://localhost" + l.Addr().String()[strings.LastIndex(l.Addr().String(), ":"):]
	transport := b.platform.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	b.client = b.platform.Client()
	b.ws, err = runtime.New(agent, append([]runtime.Option{
		runtime.WithWorkspaceID(workspaceID),
		runtime.WithPlatformURL(b.platform.URL()),
		runtime.WithConfigDir(b.dir),
		runtime.WithListener(l),
		runtime.WithAgentURL(b.url),
		runtime.WithTransport(transport),
		// A call may take a third of it; a busy machine needs some of that.
		runtime.WithHeartbeatInterval(3 * time.Second),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs the workspace until the test or end says stop.
func (b *bed) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.stop = cancel
	go func() { b.over <- b.ws.Run(ctx) }()
	b.t.Cleanup(cancel)
}

// end stops the workspace and returns what Run said.
func (b *bed) end() error {
	b.t.Helper()
	b.stop()
	select {
	case err := <-b.over:
		b.client.CloseIdleConnections()
		return err
	case <-time.After(30 * time.Second):
		b.t.Fatal("Run does not end")
		return nil
	}
}

func (b *bed) await(what string, ok func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 90*time.Second)
	defer cancel()
	if err := b.platform.Await(ctx, ok); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *bed) alive() {
	b.t.Helper()
	b.await("alive", func() bool { return b.row.Status() == "online" && len(b.row.Heartbeats()) > 0 })
}

func (b *bed) get(path string) (status int, body string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

func (b *bed) do(req *http.Request) (int, string) {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// post sends text to the workspace itself, past the platform.
func (b *bed) post(text string) (int, string) {
	b.t.Helper()
	return b.call("message/send", map[string]any{"message": map[string]any{
		"role": "user", "messageId": text, "parts": []any{map[string]any{"kind": "text", "text": text}},
	}})
}

// call sends a JSON-RPC request to the workspace itself.
func (b *bed) call(method string, params any) (int, string) {
	b.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		b.t.Fatal(err)
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, raw)
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return b.do(req)
}

// ready waits until the workspace says it is ready.
func (b *bed) ready() {
	b.t.Helper()
	b.until("/readyz", func(status int, _ string) bool { return status == http.StatusOK })
}

// until asks the workspace itself, again and again, until the answer will do.
func (b *bed) until(path string, ok func(status int, body string) bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, body := b.get(path)
		if ok(status, body) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s still answers %d %s", path, status, body)
		}
	}
}

// reply is what the platform's user reads of an answer.
type reply struct {
	Error  *struct{ Message string }
	Result struct {
		ID        string
		Status    struct{ State string }
		Artifacts []struct{ Parts []struct{ Text, Kind string } }
		Usage     map[string]int
		Metadata  map[string]any
	}
}

func (r reply) text() string {
	var b strings.Builder
	for _, a := range r.Result.Artifacts {
		for _, p := range a.Parts {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// say sends text through the platform.
func (b *bed) say(text string) (int, reply) {
	b.t.Helper()
	status, raw, err := b.platform.Say(b.t.Context(), workspaceID, text)
	if err != nil {
		b.t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(raw, &r); err != nil {
		b.t.Fatalf("the answer is no JSON: %v: %s", err, raw)
	}
	return status, r
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

// parrot says what it hears.
var parrot = runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	_, err := io.WriteString(reply, "You said: "+turn.Text())
	return err
})
