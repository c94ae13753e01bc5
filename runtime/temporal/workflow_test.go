package temporal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// flow runs the workflow with an activity of ours in the place of the turn, in
// the time of the test's environment, and returns its result and the attempts
// and their queues.
func flow(t *testing.T, during func(*testsuite.TestWorkflowEnvironment), run func(attempt int, queue string) (string, error)) (outcome string, queues []string, err error) {
	t.Helper()
	d := newDurability(nil)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	d.registerTurns(env)
	d.registerFlow(env)
	env.OnActivity(runName, mock.Anything, mock.Anything).Return(func(ctx context.Context, _ placed) (string, error) {
		queues = append(queues, activity.GetInfo(ctx).TaskQueue)
		return run(len(queues), activity.GetInfo(ctx).TaskQueue)
	})
	env.OnActivity(cancelName, mock.Anything, mock.Anything).Return(canceled, nil)
	if during != nil {
		during(env)
	}
	env.ExecuteWorkflow(flowName, placed{Task: "t", Sequence: 1, Process: "process"})
	if !env.IsWorkflowCompleted() {
		t.Fatal("the workflow does not end")
	}
	if err = env.GetWorkflowError(); err == nil {
		err = env.GetWorkflowResult(&outcome)
	}
	return outcome, queues, err
}

func TestTheProcessThatTookTheMessageIsFirst(t *testing.T) {
	outcome, queues, err := flow(t, nil, func(int, string) (string, error) { return atRest, nil })
	if err != nil || outcome != atRest || len(queues) != 1 || queues[0] != "process" {
		t.Errorf("%q on %v, %v", outcome, queues, err)
	}
}

// TestAProbeAsksNobody: it is there to be placed, and for nothing else.
func TestAProbeAsksNobody(t *testing.T) {
	d := newDurability(nil)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	d.registerFlow(env)
	env.ExecuteWorkflow(flowName, placed{Process: "process"})
	if err := env.GetWorkflowError(); err != nil || !env.IsWorkflowCompleted() {
		t.Errorf("it ends with %v", err)
	}
}

func TestAnotherProcessIsNext(t *testing.T) {
	for name, failure := range map[string]error{
		"hand-over": again(FailureHandOver, "", time.Millisecond),
		"unknown":   unknown(),
		"a crash":   errors.New("heartbeat timeout"),
	} {
		t.Run(name, func(t *testing.T) {
			outcome, queues, err := flow(t, nil, func(attempt int, _ string) (string, error) {
				if attempt < 4 {
					return "", failure
				}
				return atRest, nil
			})
			if err != nil || outcome != atRest || len(queues) != 4 || queues[1] == "process" || queues[3] == "process" {
				t.Errorf("%q on %v, %v", outcome, queues, err)
			}
		})
	}
}

func TestAFailureOfTheAgentIsFinal(t *testing.T) {
	for _, kind := range []string{FailureAgent, FailureTimeout} {
		_, queues, err := flow(t, nil, func(int, string) (string, error) { return "", final(kind, "") })
		var app *sdk.ApplicationError
		if !errors.As(err, &app) || app.Type() != kind || len(queues) != 1 {
			t.Errorf("%s: on %v, %v", kind, queues, err)
		}
	}
}

// TestATaskThatNobodyHas: it is looked for, but not for ever.
func TestATaskThatNobodyHas(t *testing.T) {
	var took time.Duration
	_, queues, err := flow(t, func(env *testsuite.TestWorkflowEnvironment) {
		begin := env.Now()
		env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { took = env.Now().Sub(begin) })
	}, func(int, string) (string, error) { return "", unknown() })
	var app *sdk.ApplicationError
	if !errors.As(err, &app) || app.Type() != FailureUnknown {
		t.Errorf("the workflow ends with %v", err)
	}
	if took < 9*time.Minute || took > 11*time.Minute || len(queues) != 1+maxUnknown {
		t.Errorf("it was tried %d times in %v", len(queues), took)
	}
}

// TestCancelAtAProcessThatDoesNotHaveTheTask: that one has nothing to cancel,
// and must not say that it has.
func TestCancelAtAProcessThatDoesNotHaveTheTask(t *testing.T) {
	d := newDurability(nil)
	d.turns = stranger{}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(d.runTurn, activityOptions(runName))
	env.RegisterActivityWithOptions(d.cancelTurn, activityOptions(cancelName))
	for _, name := range []string{runName, cancelName} {
		_, err := env.ExecuteActivity(name, placed{Task: "t", Sequence: 1})
		var app *sdk.ApplicationError
		if !errors.As(err, &app) || app.Type() != FailureUnknown || app.NonRetryable() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stranger is a process with another store.
type stranger struct{}

func (stranger) RunTurn(context.Context, task.DispatchedTurn) error    { return task.ErrUnknownTurn }
func (stranger) CancelTurn(context.Context, task.DispatchedTurn) error { return task.ErrUnknownTurn }

// TestACanceledWorkflowCancelsTheTask: also when the process that ran the turn
// has died and cannot say so.
func TestACanceledWorkflowCancelsTheTask(t *testing.T) {
	_, _, err := flow(t, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(env.CancelWorkflow, 500*time.Millisecond)
	}, func(int, string) (string, error) { return "", errors.New("heartbeat timeout") })
	if !sdk.IsCanceledError(err) {
		t.Errorf("it ends with %v, want canceled", err)
	}
}

// TestVerdicts: what the history says of each end of a turn, and that it says
// nothing of what an agent said.
func TestVerdicts(t *testing.T) {
	d := newDurability(nil)
	for _, c := range []struct {
		err     error
		outcome string
		kind    string
		final   bool
	}{
		{nil, atRest, "", false},
		{task.ErrNotDispatched, nothing, "", false},
		{task.ErrUnknownTurn, "", FailureUnknown, false},
		{task.ErrCanceled, canceled, "", false},
		{&task.FailedError{Err: errors.New("secret")}, "", FailureAgent, true},
		{&task.FailedError{Err: fmt.Errorf("secret: %w", task.ErrReplyTooLarge)}, "", FailureAgent, true},
		{&task.FailedError{Err: fmt.Errorf("secret: %w", task.ErrTimeout)}, "", FailureAgent, true},
		{task.ErrTimeout, "", FailureTimeout, true},
		{task.ErrShutdown, "", FailureHandOver, false},
		{task.ErrElsewhere, "", FailureElsewhere, false},
		{errors.New("secret"), "", FailureStore, false},
	} {
		outcome, err := d.verdict(t.Context(), c.err)
		var app *sdk.ApplicationError
		switch {
		case outcome != c.outcome, (err == nil) != (c.kind == ""):
			t.Errorf("%v: %q, %v", c.err, outcome, err)
		case err != nil && (!errors.As(err, &app) || app.Type() != c.kind || app.NonRetryable() != c.final || app.Unwrap() != nil):
			t.Errorf("%v: %v", c.err, err)
		}
	}
}

func TestFromEnvIsOffWithoutAHost(t *testing.T) {
	for name, env := range map[string]map[string]string{"nothing": {}, "a namespace only": {"TEMPORAL_NAMESPACE": "n"}, "a blank": {"TEMPORAL_HOST": " "}} {
		c := newConfig()
		if _, ok := env[envHost]; ok && env[envHost] != " " {
			fromEnv(look(env)).apply(&c)
		}
		if FromLookup(look(env)) == nil {
			t.Errorf("%s: no option", name)
		}
	}
	c := newConfig()
	fromEnv(look(map[string]string{"TEMPORAL_HOST": "temporal:7233", "TEMPORAL_NAMESPACE": "mine"})).apply(&c)
	if err := c.check(); err != nil || c.client.HostPort != "temporal:7233" || c.client.Namespace != "mine" {
		t.Errorf("%+v, %v", c.client, err)
	}
	c = newConfig()
	fromEnv(look(map[string]string{"TEMPORAL_HOST": "temporal:7233", "TEMPORAL_TLS_CLIENT_CERT_PATH": "/nowhere", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/nowhere"})).apply(&c)
	if err := c.check(); err == nil {
		t.Error("a certificate that is not there is no fault")
	}
}

func look(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestFaultsOfOptions(t *testing.T) {
	d := newDurability([]Option{WithHeartbeatTimeout(time.Millisecond), WithPlaceTimeout(-1), WithRetryPolicy(sdk.RetryPolicy{MaximumAttempts: 3})})
	err := d.Check()
	for _, want := range []string{"WithHeartbeatTimeout", "WithPlaceTimeout", "WithMaxAttempts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
