package runtime_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// undisturbed is a Durability that leaves turns where they are.
type undisturbed struct {
	started int
	closing func(ctx context.Context)
}

func (*undisturbed) Check() error                                        { return nil }
func (u *undisturbed) Start(context.Context, *runtime.Workspace) error   { u.started++; return nil }
func (*undisturbed) Dispatch(context.Context, task.DispatchedTurn) error { return context.Canceled }
func (*undisturbed) Cancel(context.Context, task.DispatchedTurn) error   { return nil }
func (*undisturbed) Serve(runtime.Turns)                                 {}
func (*undisturbed) HandOver()                                           {}
func (*undisturbed) Status() (reason, warning string)                    { return "", "" }
func (u *undisturbed) Close(ctx context.Context) error {
	if u.closing != nil {
		u.closing(ctx)
	}
	return nil
}

// One option, given to several Runtimes, is one Durability for each.
func TestEachRuntimeHasItsOwnDurability(t *testing.T) {
	var made []*undisturbed
	option := runtime.WithDurability(func() runtime.Durability {
		made = append(made, &undisturbed{})
		return made[len(made)-1]
	})
	for range 2 {
		b := lay(t, false, parrot, option)
		b.run()
		b.alive()
		if err := b.end(); err != nil {
			t.Error(err)
		}
	}
	if len(made) != 2 || made[0].started != 1 || made[1].started != 1 {
		t.Errorf("made %+v, want two that are started once", made)
	}
}

// farewell notes how much time its Close has.
type farewell struct {
	runtime.Agent
	left time.Duration
}

func (f *farewell) Close(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	f.left = time.Until(deadline)
	return ctx.Err()
}

// A durability that cannot reach its service takes all the time it gets, and the
// agent has some after it.
func TestADurabilityLeavesTimeForTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &farewell{Agent: parrot}
		b := lay(t, true, agent, runtime.WithDrainTimeout(8*time.Second), runtime.WithDurability(func() runtime.Durability {
			return &undisturbed{closing: func(ctx context.Context) { <-ctx.Done() }}
		}))
		b.run()
		b.alive()
		begin := time.Now()
		if err := b.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); agent.left < 3*time.Second || took > 8*time.Second {
			t.Errorf("the agent has %v for its Close, and the end takes %v", agent.left, took)
		}
	})
}
