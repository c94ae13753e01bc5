// Quickstart is a whole workspace and, since a newcomer has none, the platform
// it lives on: it registers, beats, answers a streamed message, lives through a
// token rotation whose file comes late, and drains. It ends by itself in a few
// seconds.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

const workspaceID = "11111111-2222-4333-8444-555555555555"

// parrot is the adapter: the only part of this program that an author writes.
var parrot = runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	for _, word := range strings.Fields("You said: " + turn.Text()) {
		if _, err := fmt.Fprintf(reply, "%s ", word); err != nil {
			return err
		}
	}
	return nil
})

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tell := teller(out)

	// The platform, on a loopback port of its own.
	platform, err := registrytest.Start()
	if err != nil {
		return err
	}
	defer platform.Close()
	row := platform.AddWorkspace(workspaceID)
	tell("a platform listens on %s and knows workspace %s… (status %s)", platform.URL(), workspaceID[:8], row.Status())

	// The workspace. In a container all of this is runtime.Main and two
	// environment variables.
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return err
	}
	ws, err := runtime.New(parrot,
		runtime.WithWorkspaceID(workspaceID),
		runtime.WithPlatformURL(platform.URL()),
		runtime.WithConfigDir(dir),
		runtime.WithListener(listener),
		runtime.WithAgentURL("http://localhost:"+port),
		runtime.WithHeartbeatInterval(500*time.Millisecond),
	)
	if err != nil {
		return err
	}
	life, end := context.WithCancel(ctx)
	defer end()
	over := make(chan error, 1)
	go func() { over <- ws.Run(life) }()

	if err := registers(ctx, tell, platform, row, dir); err != nil {
		return errors.Join(err, stop(end, over))
	}
	if err := streams(ctx, tell, platform, "http://localhost:"+port); err != nil {
		return errors.Join(err, stop(end, over))
	}
	if err := rotates(ctx, tell, platform, row, dir); err != nil {
		return errors.Join(err, stop(end, over))
	}

	tell("stopping: running turns would be finished, then one last beat")
	if err := stop(end, over); err != nil {
		return err
	}
	tell("drained after %d heartbeats; the platform saw the last one with %d active tasks. That is a workspace.",
		len(row.Heartbeats()), row.LastHeartbeat().ActiveTasks)
	return nil
}
