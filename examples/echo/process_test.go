package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const workspaceID = "11111111-2222-4333-8444-555555555555"

// TestMain lets this test binary be the adapter, so that real processes can be
// started and killed without building anything.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_ADAPTER") != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the adapter, running, on a platform.
type process struct {
	t        *testing.T
	platform *registrytest.Platform
	row      *registrytest.Workspace
	cmd      *exec.Cmd
	dir      string
	log      *buffer
	over     chan error
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

func start(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, platform: registrytest.NewPlatform(t), dir: t.TempDir(), log: &buffer{}, over: make(chan error, 1)}
	p.row = p.platform.AddWorkspace(workspaceID)
	port := freePort(t)
	if err := os.WriteFile(filepath.Join(p.dir, "config.yaml"), fmt.Appendf(nil, "name: echo\na2a:\n  port: %d\n", port), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = []string{
		"BE_THE_ADAPTER=1", "WORKSPACE_ID=" + workspaceID, "PLATFORM_URL=" + p.platform.URL(), "CONFIGS_DIR=" + p.dir,
		fmt.Sprintf("AGENT_URL=http://localhost:%d", port), "HEARTBEAT_INTERVAL=3s", "LOG_FORMAT=json",
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.over <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.over
		if t.Failed() {
			t.Logf("the adapter said:\n%s", p.log.String())
		}
	})
	p.await(func() bool { return p.row.Status() == "online" && len(p.row.Heartbeats()) > 0 })
	return p
}

func (p *process) await(ok func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := p.platform.Await(ctx, ok); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case err := <-p.over:
		p.over <- err
	case <-time.After(20 * time.Second):
		p.t.Fatal("the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// say sends text through the platform, off the test's goroutine.
func (p *process) say(text string) <-chan string {
	answer := make(chan string, 1)
	ctx := p.t.Context()
	go func() {
		_, raw, err := p.platform.Say(ctx, workspaceID, text)
		answer <- fmt.Sprint(string(raw), err)
	}()
	return answer
}

func TestSIGTERMInTheMiddleOfATurn(t *testing.T) {
	p := start(t)
	answer := p.say("sleep 1s")
	p.await(func() bool { return p.row.LastHeartbeat().ActiveTasks == 1 })
	p.signal(syscall.SIGTERM)
	if got := <-answer; !strings.Contains(got, `"completed"`) {
		t.Errorf("the answer is %s", got)
	}
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.Contains(p.log.String(), `"msg":"draining"`) || !strings.Contains(p.log.String(), `"active_tasks":1`) {
		t.Error("the turn had ended before the signal came")
	}
	if beat := p.row.LastHeartbeat(); beat.ActiveTasks != 0 {
		t.Errorf("the last heartbeat has %d active tasks", beat.ActiveTasks)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := start(t)
	p.say("sleep 60s")
	p.await(func() bool { return p.row.LastHeartbeat().ActiveTasks == 1 })
	p.signal(syscall.SIGTERM)
	draining := func() bool { return strings.Contains(p.log.String(), "draining") }
	p.await(draining) // heartbeats go on meanwhile, and each one is a look
	p.signal(syscall.SIGTERM)
	if code := p.exitCode(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

func TestIdleExit(t *testing.T) {
	p := start(t)
	p.signal(syscall.SIGINT)
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// After a SIGKILL the next life goes on with the token on disk.
func TestALifeAfterSIGKILL(t *testing.T) {
	p := start(t)
	p.signal(syscall.SIGKILL)
	p.exitCode()
	beats, tokens := len(p.row.Heartbeats()), p.row.Generation()
	again := exec.Command(os.Args[0])
	again.Env = p.cmd.Env
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Process.Kill(); _ = again.Wait() })
	p.await(func() bool { return len(p.row.Heartbeats()) > beats+1 })
	if n := p.row.Generation(); n != tokens {
		t.Errorf("%d new tokens were issued, want none", n-tokens)
	}
	if beat := p.row.LastHeartbeat(); beat.TokenGen != tokens {
		t.Errorf("the heartbeat came with token #%d, want #%d", beat.TokenGen, tokens)
	}
}

func TestCommandsThroughThePlatform(t *testing.T) {
	p := start(t)
	for _, c := range []struct{ say, want, not string }{
		{"hello", "You said: hello", "failed"},
		{"fail because", `"failed"`, "completed"},
		{"panic", `"failed"`, "goroutine"},
		{"sleep 10ms", `"completed"`, "failed"},
		{"fail", "You said: fail", "failed"},
		{"count 0", "count takes a whole number from 1 to 100000", "completed"},
		{"count 100001", "count takes", "completed"},
		{"sleep soon", "sleep takes a duration such as 2s, up to 10m0s", "completed"},
	} {
		if got := <-p.say(c.say); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%s: %s", c.say, got)
		}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": map[string]any{
		"message": map[string]any{"role": "user", "messageId": "m", "parts": []any{map[string]any{"kind": "text", "text": "count 500"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(p.row.URL(), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got.String(), "artifact-update"); n != 500 {
		t.Errorf("%d chunks, want 500", n)
	}
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
