package temporal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Durable makes turns durable on a Temporal server; see the package
// documentation. Several Runtimes may be given the same option.
func Durable(opts ...Option) runtime.Option {
	return runtime.WithDurability(func() runtime.Durability { return newDurability(opts) })
}

func newDurability(opts []Option) *durability {
	d := &durability{cfg: newConfig(), log: slog.New(slog.DiscardHandler), away: errAway, kick: make(chan struct{}, 1)}
	for _, o := range opts {
		o.apply(&d.cfg)
	}
	return d
}

// durability is a [runtime.Durability]: that of one Runtime, for one life.
type durability struct {
	cfg       config
	log       *slog.Logger
	workspace string
	queue     string // of the workspace
	process   string // the queue of this process
	steps     *checkpoints

	stop context.CancelFunc // of keep
	done sync.WaitGroup     // keep, and workers that stop
	kick chan struct{}      // something has gone wrong: look now

	mu       sync.Mutex
	client   client.Client   // nil until the server was there once
	away     error           // why turns are not durable now, nil when they are
	unplaced bool            // a turn could not be placed, and none was since
	turns    runtime.Turns   // nil until Serve
	workers  []worker.Worker // that run turns
	flows    worker.Worker   // that runs workflows; it leaves last, so that what becomes of turns is acted on at once
	dead     bool            // the workers have given up
	left     bool            // HandOver was called
}

var (
	_ runtime.Durability = (*durability)(nil)
	_ task.Gate          = (*durability)(nil)
)

// errAway is why a turn is not durable.
var errAway = errors.New("temporal: the server is away")

func (d *durability) Check() error { return d.cfg.check() }

// Start tries the server once, for a moment: where it is there, the very first
// turn is durable.
func (d *durability) Start(ctx context.Context, ws *runtime.Workspace) error {
	worker.SetBinaryChecksum(buildID()) // else the SDK hashes the whole executable
	d.log = ws.Logger
	d.workspace = ws.ID
	d.queue = "workspace-" + ws.ID
	d.process = d.queue + "-" + rand.Text()
	d.steps = newCheckpoints(ws)
	d.options()
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	first, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	d.settle(d.look(first))
	d.done.Go(func() { d.keep(living) })
	return nil
}

// options completes those of the client.
func (d *durability) options() {
	o := &d.cfg.client
	o.Logger = log.NewStructuredLogger(d.log.With("component", "temporal"))
	for _, change := range d.cfg.change {
		change(o)
	}
	if d.cfg.codec == nil {
		return
	}
	// After the changes, which may bring a converter: it is encoded as well.
	if o.DataConverter == nil {
		o.DataConverter = converter.GetDefaultDataConverter()
	}
	o.DataConverter = converter.NewCodecDataConverter(o.DataConverter, d.cfg.codec)
	if o.FailureConverter == nil {
		o.FailureConverter = sdk.NewDefaultFailureConverter(sdk.DefaultFailureConverterOptions{
			DataConverter: o.DataConverter, EncodeCommonAttributes: true,
		})
	}
}

// Dispatch places a turn, or finds it placed. A workflow that has ended although
// its task has not is followed by another one with the same id.
func (d *durability) Dispatch(ctx context.Context, t task.DispatchedTurn) error {
	c, err := d.connected()
	if err != nil {
		return err
	}
	p := placed{Task: string(t.TaskID), Sequence: t.Sequence, Process: d.process}
	if err := d.place(ctx, c, p); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // else somebody does not want the turn any more
			d.refused(err)
		}
		return err
	}
	d.tell(p, stepPlaced, "")
	return nil
}

func (d *durability) place(ctx context.Context, c client.Client, p placed) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.place)
	defer cancel()
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflowID(d.workspace, p.turn()),
		TaskQueue:                d.queue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:      taskTimeout,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, flowName, p)
	if err != nil {
		return fmt.Errorf("temporal: place a turn: %w", err)
	}
	return nil
}

// placeAgain places a running turn of which the server knows nothing any more.
// One whose workflow was ended by somebody is left alone.
func (d *durability) placeAgain(ctx context.Context, p placed) {
	c, err := d.connected()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.place)
	defer cancel()
	_, err = c.DescribeWorkflowExecution(ctx, workflowID(d.workspace, p.turn()), "")
	if !forgotten(err) {
		return
	}
	if err := d.place(ctx, c, p); err != nil {
		d.log.Warn("a running turn was lost by the Temporal server, and cannot be placed again", "task_id", p.Task, "error", err)
		return
	}
	d.log.Warn("a running turn was lost by the Temporal server, and was placed again", "task_id", p.Task)
}

// Cancel cancels the workflow of a turn.
func (d *durability) Cancel(ctx context.Context, t task.DispatchedTurn) error {
	c, err := d.connected()
	if err != nil {
		return err
	}
	if err := c.CancelWorkflow(ctx, workflowID(d.workspace, t), ""); err != nil && !forgotten(err) {
		return fmt.Errorf("temporal: cancel the workflow: %w", err)
	}
	return nil
}

// Open is the gate: messages are taken while turns are durable, or need not be.
func (d *durability) Open() error {
	if !d.cfg.require {
		return nil
	}
	if _, err := d.connected(); err != nil {
		return a2a.NewError(errors.Join(task.ErrBusy, a2a.ErrServerError),
			"the agent has lost its Temporal server: send the message again later, under the same id")
	}
	return nil
}

func (d *durability) Serve(turns runtime.Turns) {
	d.mu.Lock()
	d.turns = turns
	d.mu.Unlock()
	d.lookNow()
}

func (d *durability) served() runtime.Turns {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turns
}

// Status is the reason or the warning for /readyz.
func (d *durability) Status() (reason, warning string) {
	_, err := d.connected()
	switch {
	case err == nil:
		return "", ""
	case d.cfg.require:
		return "turns cannot be made durable: " + err.Error(), ""
	}
	return "", "turns are not durable: " + err.Error()
}

// HandOver lets the workers take no more. What they have ends as its turns do.
func (d *durability) HandOver() {
	d.mu.Lock()
	workers := d.workers
	d.workers, d.left = nil, true
	d.mu.Unlock()
	d.stopAll(workers)
}

func (d *durability) stopAll(workers []worker.Worker) {
	for _, w := range workers {
		d.done.Go(w.Stop)
	}
}

// Close waits for the last words of the workers to reach the server, as long as
// ctx and a server that is well allow. The SDK's workers wait for turns that do
// not return and for a server that does not answer, and cannot be told to stop
// that: such a one is left behind, and ends with its turn or after a minute.
func (d *durability) Close(ctx context.Context) error {
	d.HandOver()
	d.stop()
	patience := lastWords
	if _, err := d.connected(); err != nil {
		patience = lastTry
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	turns := whenOver(d.done.Wait)
	ended(ctx, turns)
	d.mu.Lock()
	last := d.flows
	d.flows = nil
	d.mu.Unlock()
	flows := whenOver(func() {
		if last != nil {
			last.Stop()
		}
	})
	ended(ctx, flows)
	d.steps.close(ctx)
	d.mu.Lock()
	c := d.client
	d.client, d.away = nil, errAway
	d.mu.Unlock()
	if c != nil {
		c.Close() // which ends what still tries to reach the server
	}
	giveUp, cancelGiveUp := context.WithTimeout(context.WithoutCancel(ctx), givingUp)
	defer cancelGiveUp()
	if !ended(giveUp, turns) || !ended(giveUp, flows) {
		d.log.Warn("a worker of the Temporal client was left behind: a turn has not returned, or the server does not answer")
	}
	return nil
}

// whenOver tells when f has returned.
func whenOver(f func()) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	return over
}

// ended waits for over, but not longer than ctx.
func ended(ctx context.Context, over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// connected is the client, or why there is none to be used.
func (d *durability) connected() (client.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.client, d.away
}

// forgotten reports whether the server knows nothing of what it was asked for.
func forgotten(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// buildID tells versions of the adapter apart in the history.
func buildID() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
		if info.Main.Version != "" {
			return info.Main.Version
		}
	}
	return "unknown"
}

const (
	taskTimeout   = 2 * time.Second  // for a process to say what comes next in a workflow; one that dies over it is waited for so long
	firstPatience = time.Second      // with the server, before the workspace starts without it
	lookPatience  = 5 * time.Second  // with the server, later
	lookInterval  = 5 * time.Second  // while all is well
	maxBackOff    = 15 * time.Second // between attempts to reach a server that is away
	minBackOff    = 250 * time.Millisecond
	lastWords     = 2 * time.Second        // at the end, for a server that was there
	lastTry       = time.Second            // and for one that was not
	givingUp      = 250 * time.Millisecond // for workers to notice that the connection is closed
)
