package temporal

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// step is a stage in a turn's life, as the platform's checkpoints name it.
type step struct {
	name  string
	index int
}

var (
	stepPlaced  = step{"turn_placed", 0}
	stepAttempt = step{"turn_attempt", 1}
	stepEnd     = step{"turn_end", 2}
)

// What a checkpoint may cost: it is for people who look at the workspace, so it
// is left out rather than waited for.
const (
	maxCheckpoints    = 100             // that wait to be sent
	checkpointTimeout = 5 * time.Second // for one
)

// checkpoints tells the platform how far turns have come. Its goroutine lives
// while there is something to tell.
type checkpoints struct {
	platform *registry.Client
	log      *slog.Logger
	living   context.Context
	end      context.CancelFunc

	mu      sync.Mutex
	waiting []registry.SaveCheckpointRequest
	busy    bool
	closed  bool
	work    sync.WaitGroup
}

func newCheckpoints(ws *runtime.Workspace) *checkpoints {
	c := &checkpoints{platform: ws.Platform, log: ws.Logger}
	c.living, c.end = context.WithCancel(context.Background())
	return c
}

// tell notes that a turn has come to a step. It never waits.
func (d *durability) tell(p placed, s step, outcome string) {
	c := d.steps
	if c == nil {
		return
	}
	payload, err := json.Marshal(map[string]any{"task_id": p.Task, "sequence": p.Sequence, "outcome": outcome})
	if err != nil {
		return // of strings and a number there is none
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.waiting) >= maxCheckpoints {
		return
	}
	c.waiting = append(c.waiting, registry.SaveCheckpointRequest{
		WorkflowID: workflowID(d.workspace, p.turn()), StepName: s.name, StepIndex: s.index, Payload: payload,
	})
	if !c.busy {
		c.busy = true
		c.work.Go(c.send)
	}
}

// send tells the platform what waits. What it does not take is not sent again.
func (c *checkpoints) send() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 || c.living.Err() != nil {
			c.busy = false
			c.mu.Unlock()
			return
		}
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.mu.Unlock()
		ctx, cancel := context.WithTimeout(c.living, checkpointTimeout)
		if err := c.platform.SaveCheckpoint(ctx, next); err != nil && c.living.Err() == nil {
			c.log.Debug("the platform does not take a checkpoint", "workflow_id", next.WorkflowID, "step", next.StepName, "error", err)
		}
		cancel()
	}
}

// close lets what waits be sent until ctx ends.
func (c *checkpoints) close(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	defer context.AfterFunc(ctx, c.end)()
	c.work.Wait()
	c.end()
}
