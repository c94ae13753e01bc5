// Durable is an agent whose turns outlive their process: it counts slowly, and
// when it is killed in the middle, the next process goes on where it was.
//
// Start a Temporal server, and the agent beside it:
//
//	temporal server start-dev --headless --db-filename /tmp/temporal.db
//	go build -o /tmp/durable-agent ./examples/durable
//	WORKSPACE_ID=11111111-2222-4333-8444-555555555555 CONFIGS_DIR=/tmp/durable \
//	    TEMPORAL_HOST=localhost:7233 /tmp/durable-agent
//
// Send it a number, kill it (pkill -9 durable-agent), start it again, and read on.
package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

func main() {
	runtime.Main(Counter{Pause: 200 * time.Millisecond}, temporal.FromEnv())
}

// Counter counts to the number it is told, with a pause before each.
type Counter struct{ Pause time.Duration }

// maxCount bounds what a caller may ask for.
const maxCount = 10_000

// Run begins to count.
func (c Counter) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	return c.count(ctx, turn, reply, 1)
}

// Resume goes on behind the number that callers have read last. A number that
// was cut off in the middle is finished first: nothing is written twice.
func (c Counter) Resume(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	written := turn.Written()
	complete := strings.LastIndexByte(written, ' ') + 1
	next := strings.Count(written[:complete], " ") + 1
	if rest := strings.TrimPrefix(strconv.Itoa(next)+" ", written[complete:]); complete < len(written) {
		if _, err := reply.WriteString(rest); err != nil {
			return err
		}
		next++
	}
	return c.count(ctx, turn, reply, next)
}

func (c Counter) count(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply, from int) error {
	to, err := strconv.Atoi(strings.TrimSpace(turn.Text()))
	if err != nil || to < 1 || to > maxCount {
		return runtime.Public(err, fmt.Sprintf("Send a number from 1 to %d.", maxCount))
	}
	// A side effect that must not happen twice, whatever happens to the process.
	if _, err := turn.Once(ctx, "announce", func(context.Context) ([]byte, error) {
		fmt.Printf("counting to %d for task %s\n", to, turn.TaskID())
		return nil, nil
	}); err != nil {
		return err
	}
	for n := from; n <= to; n++ {
		select {
		case <-time.After(c.Pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := fmt.Fprintf(reply, "%d ", n); err != nil {
			return err
		}
	}
	return nil
}
