package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// The types of the failures that stand in a workflow's history. Their messages
// say nothing of what went wrong in the agent, which is not Temporal's business:
// the log of the workspace has it, under the id of the task.
const (
	// FailureAgent: the agent has failed and the task with it, also by a reply
	// that is too large. Not retried.
	FailureAgent = "AgentFailed"
	// FailureTimeout: the turn took too long and its task has failed. Not retried.
	FailureTimeout = "TurnTimeout"
	// FailureUnknown: the process that was there does not have the task in its
	// store. Another one may, so it is tried again every few seconds; when none
	// was found in ten minutes, such as after the store was lost, the workflow
	// fails with it. A process that waits for the turn, or is started with the
	// task in its store, places it again.
	FailureUnknown = "UnknownTask"
	// FailureHandOver: the process shuts down and takes no turn any more. Another
	// one has it next.
	FailureHandOver = "HandOver"
	// FailureElsewhere: another process has taken the turn over.
	FailureElsewhere = "Elsewhere"
	// FailureStore: the task store does not work. Retried.
	FailureStore = "Store"
)

func activityOptions(name string) activity.RegisterOptions {
	return activity.RegisterOptions{Name: name}
}

// runTurn is the activity that runs a turn, and says what has become of it.
func (d *durability) runTurn(ctx context.Context, p placed) (string, error) {
	running, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	over := make(chan struct{})
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		d.beat(ctx, p, end, over)
	}()
	d.tell(p, stepAttempt, "")
	err := d.served().RunTurn(running, p.turn())
	close(over)
	<-beating
	outcome, err := d.verdict(ctx, err)
	d.tell(p, stepEnd, outcomeOf(outcome, err))
	return outcome, err
}

// beat tells the server that the turn runs, and the turn that it must end.
func (d *durability) beat(ctx context.Context, p placed, end context.CancelCauseFunc, over <-chan struct{}) {
	tick := time.NewTicker(d.cfg.heartbeat / 3)
	defer tick.Stop()
	done := ctx.Done()
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-over:
			return
		case <-tick.C:
		case <-done:
			done = nil
			switch cause := context.Cause(ctx); {
			case sdk.IsCanceledError(cause):
				end(task.ErrCanceled)
			case errors.Is(cause, activity.ErrActivityPaused), errors.Is(cause, activity.ErrActivityReset), errors.Is(cause, context.Canceled):
				end(task.ErrShutdown) // somebody wants it to begin again, or the worker gives up
			case forgotten(cause):
				// The server has given the turn to somebody else, who takes it
				// over through the store, or it has lost its state. Until then
				// the turn goes on.
				d.placeAgain(ctx, p)
			default: // the server is away; the turn goes on, and the one it sends for it later joins it
				d.lost(fmt.Errorf("temporal: send a heartbeat: %w", cause))
			}
		}
	}
}

// verdict is what the history says of a turn that has returned.
func (d *durability) verdict(ctx context.Context, err error) (string, error) {
	var failed *task.FailedError
	switch {
	case err == nil:
		return atRest, nil
	case errors.As(err, &failed): // first, for it may wrap any of the others
		return "", final(FailureAgent, "the agent has failed; its log says why, under the id of the task")
	case errors.Is(err, task.ErrCanceled):
		if sdk.IsCanceledError(context.Cause(ctx)) {
			return "", sdk.NewCanceledError()
		}
		return canceled, nil
	case errors.Is(err, task.ErrTimeout):
		return "", final(FailureTimeout, "the turn took too long")
	case errors.Is(err, task.ErrUnknownTurn): // before "nothing to run": it may be there for another process
		return "", unknown()
	case errors.Is(err, task.ErrNotDispatched):
		return nothing, nil
	case errors.Is(err, task.ErrShutdown):
		return "", again(FailureHandOver, "the process shuts down", time.Millisecond)
	case errors.Is(err, task.ErrElsewhere):
		return "", again(FailureElsewhere, "another process has the turn", time.Second)
	}
	d.log.Warn("a turn cannot be run at the moment", "error", err)
	return "", again(FailureStore, "the task cannot be read or written", time.Second)
}

// final is a failure that no repeat can cure.
func final(kind, text string) error {
	return sdk.NewNonRetryableApplicationError(text, kind, nil)
}

// again is a failure that another attempt may cure, after some time if it is
// not 0.
func again(kind, text string, after time.Duration) error {
	return sdk.NewApplicationErrorWithOptions(text, kind, sdk.ApplicationErrorOptions{NextRetryDelay: after})
}

// unknown is the failure of a process that does not have the task.
func unknown() error {
	return again(FailureUnknown, "this process does not have the task", 0)
}

// outcomeOf is an outcome for a checkpoint.
func outcomeOf(outcome string, err error) string {
	var app *sdk.ApplicationError
	switch {
	case errors.As(err, &app):
		return app.Type()
	case err != nil:
		return canceled
	}
	return outcome
}
