package task_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// unanswered is a store that makes the first commit in which there are several
// tasks, and never says so.
type unanswered struct {
	task.Store
	armed atomic.Bool
	made  atomic.Bool
}

func (s *unanswered) Commit(ctx context.Context, ops []task.Op) error {
	if !s.armed.Load() {
		return s.Store.Commit(ctx, ops)
	}
	time.Sleep(10 * time.Millisecond) // so that something comes together meanwhile
	tasks := map[string]bool{}
	for _, op := range ops {
		if op.Bucket == task.BucketTasks {
			tasks[op.Key] = true
		}
	}
	if len(tasks) < 2 {
		return s.Store.Commit(ctx, ops)
	}
	if !s.made.Swap(true) {
		if err := s.Store.Commit(ctx, ops); err != nil {
			return err
		}
	}
	return errors.New("the answer is lost")
}

// TestATaskThatIsNobodysIsTakenUpAgain: a commit of two tasks was made, nobody
// knows, and what each of them tries by itself then does not fit any more. Both
// are given up as another process's, which they are not.
func TestATaskThatIsNobodysIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &unanswered{Store: task.NewMemory()}
		gates := map[string]chan struct{}{"one": make(chan struct{}), "two": make(chan struct{}), "three": make(chan struct{})}
		e, err := task.Open(t.Context(), s, func(ctx context.Context, x *task.Execution) error {
			text := x.Message().Parts[0].Text()
			if x.Attempt() == 1 {
				<-gates[text]
			}
			if err := echo(ctx, x); err != nil || x.Attempt() > 1 {
				return err
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}, task.WithShared(0), task.WithResume(0))
		if err != nil {
			t.Fatal(err)
		}
		other, err := task.Open(t.Context(), &unanswered{Store: s.Store}, echo, task.WithShared(0), task.WithResume(0))
		if err != nil {
			t.Fatal(err)
		}
		start(t, e, send("one"))
		ids := map[string]a2a.TaskID{"two": start(t, e, send("two")).ID, "three": start(t, e, send("three")).ID}
		synctest.Wait()
		s.armed.Store(true)
		close(gates["one"]) // during its commit the others come together
		synctest.Wait()
		close(gates["two"])
		close(gates["three"])
		time.Sleep(time.Minute)
		if !s.made.Load() {
			t.Fatal("no commit had two tasks")
		}
		for text, id := range ids {
			got := get(t, other, id)
			wantState(t, got, a2a.TaskStateCompleted)
			if replyText(got) != text+text {
				t.Errorf("the reply is %q", replyText(got))
			}
		}
		ended, end := context.WithCancel(t.Context())
		end()
		_ = e.Drain(ended)
		e.Close()
		drain(t, other)
		other.Close()
	})
}
