package task_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// lateRemoval is a store that removes ranges of events late.
type lateRemoval struct {
	task.Store
	pass chan struct{}
}

func (s *lateRemoval) Commit(ctx context.Context, ops []task.Op) error {
	if slices.ContainsFunc(ops, func(op task.Op) bool { return op.Kind == task.DeleteRange && op.Bucket == task.BucketEvents }) {
		<-s.pass
	}
	return s.Store.Commit(ctx, ops)
}

// TestTwoFindTheSameDamage: the one that is late removes nothing of what the other
// one has written instead.
func TestTwoFindTheSameDamage(t *testing.T) {
	for name, whole := range map[string]int{"behind what is whole": 1, "in all there is": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, g := newDisk(), newGate()
				dead, kill := d.live(t, g.run, task.WithShared(0), task.WithResume(0))
				id := start(t, dead, send("hi")).ID
				<-g.begun
				get(t, dead, id)
				kill()
				var ops []task.Op
				for _, frame := range frames(t, d, id)[whole:] {
					ops = append(ops, task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: frame.Key, Value: []byte("broken")})
				}
				if err := d.Commit(t.Context(), ops); err != nil {
					t.Fatal(err)
				}
				slow := &lateRemoval{Store: d.Memory, pass: make(chan struct{})}
				late, err := task.Open(t.Context(), slow, echo, task.WithShared(0), task.WithResume(0))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(task.DefaultLease + 2*time.Second) // it has read the task, and is about to
				e, killOther := d.live(t, echo, task.WithShared(0), task.WithResume(0))
				time.Sleep(2 * task.DefaultLease)
				wantState(t, get(t, e, id), a2a.TaskStateFailed)
				close(slow.pass)
				time.Sleep(2 * task.DefaultLease)
				for _, e := range []*task.Engine{late, e} {
					got := get(t, e, id)
					wantState(t, got, a2a.TaskStateFailed)
					if !strings.Contains(statusText(got), "damaged") {
						t.Errorf("its status says %q", statusText(got))
					}
				}
				killOther()
				drain(t, late)
				late.Close()
			})
		})
	}
}
