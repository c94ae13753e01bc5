// Package devserver starts the real Temporal development server for programs
// that measure or break things.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// ErrNoBinary says that TEMPORAL_CLI names no binary; .ci/temporal sets it.
var ErrNoBinary = errors.New("TEMPORAL_CLI names no binary: use .ci/temporal")

// Start starts the server of the binary that TEMPORAL_CLI names, with its state
// in a file of dir, and waits until it serves. stop kills it.
func Start(ctx context.Context, dir string) (host string, stop func(), err error) {
	cli := os.Getenv("TEMPORAL_CLI")
	if cli == "" {
		return "", nil, ErrNoBinary
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	host = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(host)
	cmd := exec.CommandContext(ctx, cli, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port,
		"--db-filename", filepath.Join(dir, "temporal.db"), "--log-level", "error")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if err := await(ctx, host); err != nil {
		stop()
		return "", nil, fmt.Errorf("the Temporal server does not serve: %w", err)
	}
	return host, stop, nil
}

// await asks for the default namespace until it is there.
func await(ctx context.Context, host string) error {
	c, err := client.NewLazyClient(client.Options{HostPort: host})
	if err != nil {
		return err
	}
	defer c.Close()
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		_, err = c.WorkflowService().DescribeNamespace(asking, &workflowservice.DescribeNamespaceRequest{Namespace: client.DefaultNamespace})
		cancel()
		if err == nil || ctx.Err() != nil || time.Since(begin) > time.Minute {
			return err
		}
	}
}
