package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const workspaceID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

// lab is a platform and the place for one workspace process.
type lab struct {
	binary   string
	dir      string // of the workspace's configuration
	port     int
	platform *registrytest.Platform
	row      *registrytest.Workspace
	client   *http.Client
}

func newLab(parent, binary string) (*lab, error) {
	dir, err := os.MkdirTemp(parent, "configs-")
	if err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("name: vitals\na2a:\n  port: %d\n", port)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	platform, err := registrytest.Start()
	if err != nil {
		return nil, err
	}
	return &lab{
		binary: binary, dir: dir, port: port, platform: platform, row: platform.AddWorkspace(workspaceID),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}, nil
}

func (l *lab) close() { l.platform.Close() }

func (l *lab) url() string       { return fmt.Sprintf("http://localhost:%d", l.port) }
func (l *lab) cardURL() string   { return l.url() + "/.well-known/agent-card.json" }
func (l *lab) tokenFile() string { return filepath.Join(l.dir, ".auth_token") }

// process is one life of the binary.
type process struct {
	cmd  *exec.Cmd
	log  lockedBuffer
	over chan error // the result of Wait
}

// start starts the binary, with nothing of this process's environment that a
// workspace reads.
func (l *lab) start(interval time.Duration) (*process, error) {
	p := &process{cmd: exec.Command(l.binary), over: make(chan error, 1)}
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"WORKSPACE_ID=" + workspaceID,
		"PLATFORM_URL=" + l.platform.URL(),
		"CONFIGS_DIR=" + l.dir,
		"AGENT_URL=" + l.url(),
		"HEARTBEAT_INTERVAL=" + interval.String(),
	}
	p.cmd.Stderr, p.cmd.Stdout = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.over <- p.cmd.Wait() }()
	return p, nil
}

// signal sends sig and returns the exit code and how long it took to come.
func (p *process) signal(ctx context.Context, sig syscall.Signal) (code int, took time.Duration, err error) {
	begin := time.Now()
	if err := p.cmd.Process.Signal(sig); err != nil {
		return 0, 0, err
	}
	return p.wait(ctx, begin)
}

func (p *process) wait(ctx context.Context, begin time.Time) (code int, took time.Duration, err error) {
	select {
	case err = <-p.over:
		p.over <- err
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("the process does not end:\n%s", p.log.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, 0, err
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(begin), nil
}

// kill makes sure that nothing is left behind.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// firstCard asks for the agent card until it comes.
func (l *lab) firstCard(ctx context.Context) error {
	for ctx.Err() == nil {
		resp, err := l.client.Get(l.cardURL())
		if err != nil {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("no agent card: %w", ctx.Err())
}

// alive waits for the registration and a heartbeat.
func (l *lab) alive(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := l.platform.Await(ctx, func() bool { return l.row.Status() == "online" && len(l.row.Heartbeats()) > 0 })
	if err != nil {
		return fmt.Errorf("%w; the workspace said:\n%s", err, p.log.String())
	}
	return nil
}

// lockedBuffer is a buffer that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
