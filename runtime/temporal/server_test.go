package temporal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

const workspaceID = "11111111-2222-4333-8444-555555555555"

// temporalServer is the real development server, as a process. Its state is in
// a file, so that it can be killed and started again.
type temporalServer struct {
	t    *testing.T
	addr string
	dir  string
	cmd  *exec.Cmd
}

// newServer starts one. It needs TEMPORAL_CLI; .ci/run temporal sets it.
func newServer(t *testing.T) *temporalServer {
	t.Helper()
	s := layServer(t)
	s.start()
	return s
}

// layServer is newServer without starting it.
func layServer(t *testing.T) *temporalServer {
	t.Helper()
	if os.Getenv("TEMPORAL_CLI") == "" {
		t.Skip("set TEMPORAL_CLI to the binary of the Temporal CLI, or use .ci/run temporal")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &temporalServer{t: t, addr: l.Addr().String(), dir: t.TempDir()}
	t.Cleanup(s.stop)
	return s
}

func (s *temporalServer) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command(os.Getenv("TEMPORAL_CLI"), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port,
		"--db-filename", filepath.Join(s.dir, "temporal.db"), "--log-level", "error")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := s.client()
	defer c.Close()
	wait(s.t, "the Temporal server", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		return err == nil
	})
}

func (s *temporalServer) hostPort() string { return s.addr }

func (s *temporalServer) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *temporalServer) client() client.Client {
	s.t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: s.addr})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// history is how a task's workflow has ended, and the types of the failures in
// it.
func (s *temporalServer) history(taskID string, sequence int) (status string, text string) {
	s.t.Helper()
	wait(s.t, "the end of the workflow of "+taskID, func() bool {
		status, text = s.events(taskID, sequence)
		return status != "" && status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING.String()
	})
	return status, text
}

// events is history so far; there is no status before there is a workflow.
func (s *temporalServer) events(taskID string, sequence int) (status string, text string) {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	id := fmt.Sprintf("%s/%s/%d", workspaceID, taskID, sequence)
	d, err := c.DescribeWorkflowExecution(s.t.Context(), id, "")
	if err != nil {
		return "", ""
	}
	var all strings.Builder
	for it := c.GetWorkflowHistory(s.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		ev, err := it.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintln(&all, ev)
	}
	return d.WorkflowExecutionInfo.Status.String(), all.String()
}

// wait asks again and again until ok.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: waited for a minute in vain", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// bed is a workspace in this process.
type bed struct {
	t     *testing.T
	house *house
	url   string
	dir   string
	log   *buffer
	stop  context.CancelFunc
	over  chan error
}

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

// house is what the lives of a workspace share: its platform and its directory.
type house struct {
	id       string // of the workspace
	platform *registrytest.Platform
	row      *registrytest.Workspace
	dir      string
	store    task.Store // shared by processes; nil: each has the file in dir
}

func newHouse(t *testing.T) *house { return newHouseOf(t, workspaceID) }

func newHouseOf(t *testing.T, id string) *house {
	h := &house{id: id, platform: registrytest.NewPlatform(t), dir: t.TempDir()}
	h.row = h.platform.AddWorkspace(id)
	return h
}

// run starts a workspace that is durable on a server.
func (h *house) run(t *testing.T, s interface{ hostPort() string }, agent runtime.Agent, opts ...temporal.Option) *bed {
	t.Helper()
	return h.runWith(t, agent, temporal.Durable(append([]temporal.Option{temporal.WithHost(s.hostPort()), temporal.WithHeartbeatTimeout(time.Second),
		temporal.WithPlaceTimeout(8 * time.Second)}, opts...)...))
}

// runWith is run with any option.
func (h *house) runWith(t *testing.T, agent runtime.Agent, opt runtime.Option) *bed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, house: h, url: "http://" + l.Addr().String(), dir: h.dir, log: &buffer{}, over: make(chan error, 1)}
	storing := runtime.Options()
	if h.store != nil {
		storing = runtime.WithSharedTaskStore(h.store)
	}
	ws, err := runtime.New(agent, storing,
		runtime.WithWorkspaceID(h.id), runtime.WithPlatformURL(h.platform.URL()), runtime.WithConfigDir(h.dir),
		runtime.WithListener(l), runtime.WithLogger(slog.New(slog.NewTextHandler(b.log, nil))), opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.stop = cancel
	go func() { b.over <- ws.Run(ctx) }()
	t.Cleanup(func() {
		b.end()
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	// The card is there a moment before messages are let in.
	wait(t, "the end of the start", func() bool {
		status, body := b.get("/readyz")
		return status != 0 && !strings.Contains(body, "starting")
	})
	return b
}

func (b *bed) end() time.Duration {
	b.t.Helper()
	begin := time.Now()
	b.stop()
	select {
	case err := <-b.over:
		b.over <- nil
		if err != nil {
			b.t.Errorf("Run: %v", err)
		}
	case <-time.After(2 * time.Minute):
		b.t.Error("Run has not returned two minutes after the end of its context")
	}
	return time.Since(begin)
}

func (b *bed) get(path string) (int, string) {
	resp, err := http.Get(b.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw)
}

// answer is what a caller reads.
type answer struct {
	Error  *struct{ Message string }
	Result struct {
		ID     string
		Status struct {
			State   string
			Message *struct{ Parts []struct{ Text string } }
		}
		Artifacts []struct{ Parts []struct{ Text string } }
	}
}

func (a answer) text() string {
	var b strings.Builder
	for _, artifact := range a.Result.Artifacts {
		for _, p := range artifact.Parts {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func (b *bed) call(method string, params any) (int, answer) {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.Post(b.url, "application/json", bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, a
}

// send sends a message; blocking waits for its end.
func (b *bed) send(text string, blocking bool) answer {
	b.t.Helper()
	_, a := b.call("message/send", map[string]any{
		"message":       map[string]any{"role": "user", "messageId": text + time.Now().String(), "parts": []any{map[string]any{"kind": "text", "text": text}}},
		"configuration": map[string]any{"blocking": blocking},
	})
	if a.Error != nil {
		b.t.Fatalf("%s: %s", text, a.Error.Message)
	}
	return a
}

// task reads a task until it is in a state.
func (b *bed) task(id, state string) answer {
	b.t.Helper()
	var a answer
	wait(b.t, "task "+id+" in "+state, func() bool {
		_, a = b.call("tasks/get", map[string]any{"id": id})
		return a.Result.Status.State == state
	})
	return a
}
