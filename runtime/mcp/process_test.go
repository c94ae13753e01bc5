package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/mcp"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

const (
	selfID = "11111111-2222-4333-8444-555555555555"
	peerID = "22222222-2222-4333-8444-555555555555"
)

// beTheAdapter is the main function of an adapter with MCP.
func beTheAdapter(addr string) {
	var opts []mcp.Option
	if addr != "" {
		opts = append(opts, mcp.WithHTTP(addr))
	}
	runtime.Main(runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := io.WriteString(reply, turn.Text())
		return err
	}), mcp.Enable(opts...), runtime.WithAttachmentRoots(os.Getenv("ROOT")),
		runtime.WithToolObserver(func(ctx context.Context, c tool.Call) (context.Context, func(tool.Outcome)) {
			fmt.Fprintln(os.Stderr, "observed", c.Tool)
			return ctx, nil
		}))
}

// house is a platform with a workspace whose adapter is a process, and a peer.
type house struct {
	t        *testing.T
	platform *registrytest.Platform
	self     *registrytest.Workspace
	dir      string
	env      []string
	addr     string        // of MCP over HTTP
	life     *exec.Cmd     // of the workspace: its newest
	over     chan struct{} // closed at the end of that
	log      *buffer       // of the workspace
	childLog *buffer       // of ADAPTER mcp
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

type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Close = true
	return http.DefaultTransport.RoundTrip(r)
}

func build(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, platform: registrytest.NewPlatform(t), dir: t.TempDir(), log: &buffer{}, childLog: &buffer{}}
	h.self = h.platform.AddWorkspace(selfID, registrytest.WithContainer())
	peer := h.platform.AddWorkspace(peerID, registrytest.WithName("Researcher"), registrytest.WithParent(selfID))
	url, err := h.platform.ServeAgent("localhost:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct{ ID json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&req)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"kind":"message","role":"agent","messageId":"m","parts":[{"kind":"text","text":"found it"}]}}`, req.ID)
	}))
	if err != nil {
		t.Fatal(err)
	}
	client, err := registry.NewClient(h.platform.URL(), peerID, registry.WithTransport(bearer{peer.IssueToken()}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Register(t.Context(), registry.RegisterRequest{URL: url, AgentCard: json.RawMessage(`{"name":"r"}`)}); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	h.addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	if err := os.WriteFile(filepath.Join(h.dir, "config.yaml"), fmt.Appendf(nil, "name: boss\na2a:\n  port: %d\n", port), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "report.txt"), []byte("all is well"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.env = []string{
		"BE_THE_ADAPTER=" + h.addr, "WORKSPACE_ID=" + selfID, "PLATFORM_URL=" + h.platform.URL(), "CONFIGS_DIR=" + h.dir,
		"ROOT=" + h.dir, fmt.Sprintf("AGENT_URL=http://localhost:%d", port), "HEARTBEAT_INTERVAL=3s",
	}
	return h
}

// freePort is a port that nobody uses just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// run starts the workspace; kill ends it.
func (h *house) run() (kill func()) {
	h.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = h.env, h.log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = cmd.Wait()
	}()
	h.life, h.over = cmd, over
	kill = func() {
		_ = cmd.Process.Kill()
		<-over
	}
	h.t.Cleanup(func() {
		kill()
		if h.t.Failed() {
			h.t.Logf("the adapter said:\n%s", h.log.String())
		}
	})
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	if err := h.platform.Await(ctx, func() bool {
		// The token is on disk before the heartbeats begin; the platform has issued
		// it a moment before, and a process killed in between would lose it.
		token, err := os.ReadFile(filepath.Join(h.dir, ".auth_token"))
		return err == nil && len(token) > 0 && h.self.Status() == "online" && strings.Contains(h.log.String(), "serving MCP")
	}); err != nil {
		h.t.Fatal(err)
	}
	return kill
}

// connect starts ADAPTER mcp and speaks with it.
func (h *house) connect() *sdk.ClientSession {
	h.t.Helper()
	cmd := exec.Command(os.Args[0], "mcp")
	cmd.Env, cmd.Stderr = h.env, h.childLog
	return h.session(&sdk.CommandTransport{Command: cmd})
}

func (h *house) session(transport sdk.Transport) *sdk.ClientSession {
	h.t.Helper()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, nil).Connect(h.t.Context(), transport, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

// useAll calls every tool that is listed, and a name that is not in the table
// below fails the test.
func (h *house) useAll(s *sdk.ClientSession) {
	h.t.Helper()
	list, err := s.ListTools(h.t.Context(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	inputs := h.inputs()
	if len(list.Tools) < 9 {
		h.t.Errorf("%d tools are listed", len(list.Tools))
	}
	for _, listed := range list.Tools {
		input, ok := inputs[listed.Name]
		if !ok {
			h.t.Errorf("tool %s is not tried", listed.Name)
			continue
		}
		decided := make(chan struct{})
		close(decided)
		if listed.Name == "request_approval" {
			decided = h.approve()
		}
		r, err := call(h.t.Context(), s, listed.Name, input)
		if err != nil || r.IsError || text(r) == "" {
			h.t.Errorf("%s: %v %+v %s", listed.Name, err, r, text(r))
		}
		<-decided
	}
}

// inputs are what each tool is called with.
func (h *house) inputs() map[string]map[string]any {
	return map[string]map[string]any{
		"list_peers": {}, "get_workspace_info": {}, "recall_memory": {"query": "blue"},
		"delegate_task":        {"workspace_id": peerID, "task": "look"},
		"delegate_task_async":  {"workspace_id": peerID, "task": "look later"},
		"check_task_status":    {},
		"send_message_to_user": {"message": "hello", "attachments": []string{filepath.Join(h.dir, "report.txt")}},
		"commit_memory":        {"content": "the sky is blue"},
		"request_approval":     {"action": "fly", "reason": "it is blue"},
		"route_task_to_team":   {"task": "look there"},
	}
}

// approve says yes to the next thing that is asked for.
func (h *house) approve() chan struct{} {
	known := len(h.self.Approvals())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
		defer cancel()
		if h.platform.Await(ctx, func() bool { return len(h.self.Approvals()) > known }) != nil {
			return
		}
		all := h.self.Approvals()
		h.self.Decide(all[len(all)-1].ID, true, "alice")
	}()
	return done
}

// TestEveryToolThroughARunningWorkspace: there is one token, and one place that
// sees every call.
func TestEveryToolThroughARunningWorkspace(t *testing.T) {
	h := build(t)
	h.run()
	h.useAll(h.connect())
	if log := h.log.String(); !strings.Contains(log, "observed commit_memory") || strings.Contains(h.childLog.String(), "observed") {
		t.Errorf("the workspace does not see the calls:\n%s\nbut the child does:\n%s", log, h.childLog.String())
	}

	secret, err := os.ReadFile(filepath.Join(h.dir, ".runtime", "mcp", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	h.useAll(h.session(&sdk.StreamableClientTransport{
		Endpoint: "http://" + h.addr + "/mcp", HTTPClient: &http.Client{Transport: bearer{string(secret)}},
	}))
	for name, want := range map[string]os.FileMode{".runtime/mcp": 0o700, ".runtime/mcp/secret": 0o600} {
		if info, err := os.Stat(filepath.Join(h.dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", name, err, info.Mode(), want)
		}
	}
}

// TestEveryToolWithoutAWorkspace: it was killed, and has left its socket behind.
func TestEveryToolWithoutAWorkspace(t *testing.T) {
	h := build(t)
	h.run()()
	h.useAll(h.connect())
	if !strings.Contains(h.childLog.String(), "observed commit_memory") {
		t.Error("the child has not called by itself")
	}
	h.run() // the socket that is left is no obstacle
	if s := h.connect(); s.Ping(t.Context(), nil) != nil {
		t.Error("the second life cannot be reached")
	}
}

// TestTheTypeScriptClient: the client that most agents are made with. It runs
// when TYPESCRIPT_MCP names a folder with its node_modules; .ci/run mcp makes
// one.
func TestTheTypeScriptClient(t *testing.T) {
	modules := os.Getenv("TYPESCRIPT_MCP")
	if modules == "" {
		t.Skip("set TYPESCRIPT_MCP to a folder with @modelcontextprotocol/sdk in its node_modules, or use .ci/run mcp")
	}
	script, err := os.ReadFile("testdata/client.mjs")
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(modules, "client.mjs")
	if err := os.WriteFile(client, script, 0o600); err != nil {
		t.Fatal(err)
	}
	h := build(t)
	h.run()
	secret, err := os.ReadFile(filepath.Join(h.dir, ".runtime", "mcp", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := json.Marshal(h.inputs())
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"stdio": {"stdio", os.Args[0], "mcp"},
		"http":  {"http", "http://" + h.addr + "/mcp", string(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			decided := h.approve()
			cmd := exec.CommandContext(t.Context(), "node", append([]string{client}, args...)...)
			cmd.Env = append(append(os.Environ(), h.env...), "INPUTS="+string(inputs))
			out, err := cmd.CombinedOutput()
			<-decided
			if err != nil || !strings.Contains(string(out), "done") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
