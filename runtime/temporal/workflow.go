package temporal

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// The names under which workers of every version find the code. Workflows that
// run when the library is exchanged are gone on with by the new one, so a change
// of turnFlow that is not compatible needs another name.
const (
	flowName   = "workspace-turn"
	runName    = "run-turn"
	cancelName = "cancel-turn"
)

// placed is what a workflow is given: whose turn it is, and nothing of what is
// said in it.
type placed struct {
	Task     string `json:"task"`
	Sequence uint64 `json:"sequence"`
	Process  string `json:"process"` // the task queue of the process that has taken the message
}

func (p placed) turn() task.DispatchedTurn {
	return task.DispatchedTurn{TaskID: a2a.TaskID(p.Task), Sequence: p.Sequence}
}

// Outcomes of an activity that has nothing to complain of.
const (
	atRest   = "at rest"        // the task has completed, or asks its caller
	nothing  = "nothing to run" // the journal says that the turn is over, or has run without Temporal
	canceled = "canceled"
)

// maxAttempt bounds one activity, since Temporal wants a bound. It is no bound
// for the turn: the activity that follows finds it running.
const maxAttempt = 24 * time.Hour

// turnFlow is the workflow: the turn is run by the process that has taken its
// message, and if that fails by whichever process of the workspace comes first,
// until the task is at rest.
func (d *durability) turnFlow(ctx workflow.Context, p placed) (string, error) {
	if p.Task == "" { // a probe
		return nothing, nil
	}
	var outcome string
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, d.here(p)), runName, p).Get(ctx, &outcome)
	if ctx.Err() == nil && another(err) {
		err = d.find(ctx, runName, p, &outcome)
	}
	if err != nil && ctx.Err() != nil { // somebody has canceled the workflow; the process may have died without knowing
		last, _ := workflow.NewDisconnectedContext(ctx)
		err = d.find(last, cancelName, p, &outcome)
	}
	if outcome == canceled {
		return "", sdk.NewCanceledError()
	}
	return outcome, err
}

// How long a process that has the task is looked for among those that are
// there: ten minutes. While there is none at all the workflow just waits.
const (
	unknownDelay = 3 * time.Second
	maxUnknown   = 200
)

// find runs an activity in a process that has the task. Temporal's own retries
// cannot tell one that does not from one that has died, of which there may be
// any number, so these are counted here.
func (d *durability) find(ctx workflow.Context, name string, p placed, outcome *string) error {
	for n := 1; ; n++ {
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, d.anywhere()), name, p).Get(ctx, outcome)
		var app *sdk.ApplicationError
		if !errors.As(err, &app) || app.Type() != FailureUnknown || n == maxUnknown || workflow.Sleep(ctx, unknownDelay) != nil {
			return err
		}
	}
}

// here is for the first attempt, in the process that has taken the message.
func (d *durability) here(p placed) workflow.ActivityOptions {
	o := d.anywhere()
	o.TaskQueue = p.Process
	o.ScheduleToStartTimeout = d.cfg.patience
	o.RetryPolicy = &sdk.RetryPolicy{MaximumAttempts: 1}
	return o
}

// anywhere is for attempts in any process of the workspace.
func (d *durability) anywhere() workflow.ActivityOptions {
	retry := d.cfg.retry
	retry.NonRetryableErrorTypes = append(slices.Clip(retry.NonRetryableErrorTypes), FailureUnknown) // by find instead
	return workflow.ActivityOptions{
		StartToCloseTimeout: maxAttempt,
		HeartbeatTimeout:    d.cfg.heartbeat,
		RetryPolicy:         &retry,
		WaitForCancellation: true,
	}
}

// another reports whether what has become of the first attempt can be mended by
// another one.
func another(err error) bool {
	var app *sdk.ApplicationError
	if errors.As(err, &app) {
		return !app.NonRetryable()
	}
	return err != nil && !sdk.IsCanceledError(err)
}

// workflowID is the same for the same turn wherever it is placed from.
func workflowID(workspace string, t task.DispatchedTurn) string {
	if t.TaskID == "" {
		return workspace + "/probe"
	}
	return strings.Join([]string{workspace, string(t.TaskID), strconv.FormatUint(t.Sequence, 10)}, "/")
}

func (d *durability) registerTurns(w worker.Registry) {
	w.RegisterActivityWithOptions(d.runTurn, activityOptions(runName))
	w.RegisterActivityWithOptions(d.cancelTurn, activityOptions(cancelName))
}

func (d *durability) registerFlow(w worker.Registry) {
	w.RegisterWorkflowWithOptions(d.turnFlow, workflow.RegisterOptions{Name: flowName})
}

// cancelTurn is the activity that cancels a task whose workflow was canceled.
func (d *durability) cancelTurn(ctx context.Context, p placed) (string, error) {
	switch err := d.served().CancelTurn(ctx, p.turn()); {
	case errors.Is(err, task.ErrUnknownTurn):
		return "", unknown()
	case err != nil && !errors.Is(err, task.ErrNotDispatched):
		return "", again("NotCanceled", "the task could not be canceled", 0)
	}
	return canceled, nil
}
