package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	sdk "go.temporal.io/sdk/client"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// startTemporal starts the real development server, from the binary that
// TEMPORAL_CLI names, and waits until it serves.
func startTemporal(ctx context.Context, dir string) (addr string, stop func(), err error) {
	cli := os.Getenv("TEMPORAL_CLI")
	if cli == "" {
		return "", nil, errors.New("TEMPORAL_CLI names no binary: use .ci/temporal")
	}
	if addr, err = freeAddr(); err != nil {
		return "", nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.CommandContext(ctx, cli, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port,
		"--db-filename", filepath.Join(dir, "temporal.db"), "--log-level", "error")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	c, err := sdk.NewLazyClient(sdk.Options{HostPort: addr})
	if err != nil {
		stop()
		return "", nil, err
	}
	defer c.Close()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(50 * time.Millisecond) {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		_, err = c.WorkflowService().DescribeNamespace(asking, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		cancel()
		if err == nil {
			return addr, stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("the Temporal server does not serve: %w", err)
}

// effectsFile notes the side effects that turns have made, a line for each.
const effectsFile = "effects"

// effect makes a side effect that must not happen twice.
func effect(ctx context.Context, dir string, turn *runtime.Turn, n int) error {
	key := fmt.Sprint("effect-", n)
	_, err := turn.Once(ctx, key, func(context.Context) ([]byte, error) {
		f, err := os.OpenFile(filepath.Join(dir, effectsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintln(f, turn.TaskID(), key)
		return nil, errors.Join(err, f.Close())
	})
	if errors.Is(err, task.ErrUnknownOutcome) {
		return nil // it may have happened, so it is left
	}
	return err
}

// countEffects says how many side effects were made, and fails if one was made
// twice.
func countEffects(dir string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(dir, effectsFile))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	made := map[string]bool{}
	for _, line := range lines {
		if made[line] {
			return 0, fmt.Errorf("side effect %q was made twice", line)
		}
		made[line] = true
	}
	return len(lines), nil
}
