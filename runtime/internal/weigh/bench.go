package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const workspaceID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

// collector takes everything that is sent to it.
type collector struct {
	server        *httptest.Server
	bodies, bytes atomic.Int64
}

func newCollector() *collector {
	c := &collector{}
	c.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		c.bodies.Add(1)
		c.bytes.Add(n)
	}))
	return c
}

// bench is one program at work, with a platform of its own.
type bench struct {
	cmd      *exec.Cmd
	log      bytes.Buffer // to be read after the end
	platform *registrytest.Platform
	url      string
	client   *http.Client
	sent     int
}

// launch starts a program and returns when it is alive; took is how long its
// first agent card was in coming.
func launch(ctx context.Context, parent, binary string, env []string) (b *bench, took time.Duration, err error) {
	dir, err := os.MkdirTemp(parent, "configs-")
	if err != nil {
		return nil, 0, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return nil, 0, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, "name: weigh\na2a:\n  port: %d\n", port), 0o600); err != nil {
		return nil, 0, err
	}
	platform, err := registrytest.Start()
	if err != nil {
		return nil, 0, err
	}
	row := platform.AddWorkspace(workspaceID)
	b = &bench{cmd: exec.Command(binary), platform: platform, url: fmt.Sprintf("http://localhost:%d", port), client: &http.Client{Transport: &http.Transport{}}}
	b.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "WORKSPACE_ID=" + workspaceID, "PLATFORM_URL=" + platform.URL(),
		"CONFIGS_DIR=" + dir, "AGENT_URL=" + b.url, "HEARTBEAT_INTERVAL=1s",
	}, env...)
	b.cmd.Stderr, b.cmd.Stdout = &b.log, &b.log
	begin := time.Now()
	if err := b.cmd.Start(); err != nil {
		platform.Close()
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = b.cmd.Process.Kill()
			err = errors.Join(err, b.stop())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		resp, err := b.client.Get(b.url + "/.well-known/agent-card.json")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if ctx.Err() != nil {
			return b, 0, ctx.Err()
		}
		time.Sleep(200 * time.Microsecond)
	}
	took = time.Since(begin)
	return b, took, platform.Await(ctx, func() bool { return row.Status() == "online" && len(row.Heartbeats()) > 0 })
}

// stop ends the program.
func (b *bench) stop() error {
	defer b.platform.Close()
	b.client.CloseIdleConnections()
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	if err := b.cmd.Wait(); err != nil {
		return fmt.Errorf("%w:\n%s", err, b.log.String())
	}
	return nil
}

// resident is the program's memory in MB.
func (b *bench) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1000, nil
		}
	}
	return 0, errors.New("/proc says nothing of memory")
}

// turn streams one reply and returns how long that took, to its last event.
func (b *bench) turn(ctx context.Context, n int) (time.Duration, error) {
	b.sent++
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","messageId":"m%d","parts":[{"kind":"text","text":"%d"}]}}}`, b.sent, n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	begin := time.Now()
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	seen := 0
	last := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text := lines.Text(); strings.HasPrefix(text, "data:") {
			last = text
			if strings.Contains(text, "chunk number") {
				seen++
			}
		}
	}
	took := time.Since(begin)
	if seen != n || !strings.Contains(last, `"completed"`) {
		return 0, fmt.Errorf("the stream had %d chunks of %d and ended with %s", seen, n, last)
	}
	return took, nil
}
