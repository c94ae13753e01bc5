//go:build unix

package mcp_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// child is ADAPTER mcp whose client keeps its standard input open, as agents do.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
}

// adopt starts one; it has said hello when adopt returns.
func (h *house) adopt() *child {
	h.t.Helper()
	c := &child{t: h.t, cmd: exec.Command(os.Args[0], "mcp")}
	c.cmd.Env, c.cmd.Stderr = h.env, h.childLog
	in, err := c.cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	c.in, c.lines = in, bufio.NewReader(out)
	h.t.Cleanup(func() { _ = c.in.Close() })
	c.say(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"0"}}}`)
	if line, err := c.lines.ReadString('\n'); err != nil || !strings.Contains(line, "protocolVersion") {
		h.t.Fatalf("%v: %s", err, line)
	}
	c.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c
}

func (c *child) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// ends expects that the process ends by itself. Its exit code may say that the
// workspace is gone.
func (c *child) ends() {
	c.t.Helper()
	killer := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer killer.Stop()
	_, _ = io.Copy(io.Discard, c.lines)
	if err := c.cmd.Wait(); c.cmd.ProcessState.ExitCode() < 0 {
		c.t.Errorf("it does not end by itself: %v", err)
	}
}

const askForApproval = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"request_approval","arguments":{"action":"fly","reason":"it is blue"}}}`

// asked waits until somebody is asked, which takes minutes to decide.
func (h *house) asked() {
	h.t.Helper()
	if err := h.platform.Await(h.t.Context(), func() bool { return len(h.self.Approvals()) > 0 }); err != nil {
		h.t.Fatal(err)
	}
}

// terminate expects that the workspace ends when it is told to.
func (h *house) terminate() {
	h.t.Helper()
	if err := h.life.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	select {
	case <-h.over:
		if code := h.life.ProcessState.ExitCode(); code != 0 {
			h.t.Errorf("its exit code is %d", code)
		}
	case <-time.After(20 * time.Second):
		h.t.Error("the workspace is still there 20 s after SIGTERM")
	}
}

// TestACallInFlightDoesNotKeepTheWorkspace from its end, whichever way it came,
// and the agent's child ends with the workspace.
func TestACallInFlightDoesNotKeepTheWorkspace(t *testing.T) {
	t.Run("socket", func(t *testing.T) {
		h := build(t)
		h.run()
		c := h.adopt()
		c.say(askForApproval)
		h.asked()
		h.terminate()
		c.ends()
	})
	t.Run("http", func(t *testing.T) {
		h := build(t)
		h.run()
		secret, err := os.ReadFile(filepath.Join(h.dir, ".runtime", "mcp", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		s := h.session(&sdk.StreamableClientTransport{
			Endpoint: "http://" + h.addr + "/mcp", HTTPClient: &http.Client{Transport: bearer{string(secret)}}, MaxRetries: -1,
		})
		called := make(chan struct{})
		go func() {
			defer close(called)
			_, _ = call(t.Context(), s, "request_approval", map[string]any{"action": "fly", "reason": "it is blue"})
		}()
		h.asked()
		h.terminate()
		_ = s.Close()
		<-called
	})
}

// TestTheChildEnds although its client keeps its standard input open.
func TestTheChildEnds(t *testing.T) {
	t.Run("with the workspace", func(t *testing.T) {
		h := build(t)
		kill := h.run()
		c := h.adopt()
		kill()
		c.ends()
	})
	t.Run("when it is told to", func(t *testing.T) {
		h := build(t)
		h.run()
		c := h.adopt()
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.ends()
	})
	t.Run("when it is told to, and a call of its own is in flight", func(t *testing.T) {
		h := build(t)
		h.run()()
		c := h.adopt()
		c.say(askForApproval)
		h.asked()
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.ends()
	})
}
