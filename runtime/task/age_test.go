package task_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// stored counts what is in a bucket.
func stored(t testing.TB, s task.Store, b task.Bucket) int {
	t.Helper()
	entries, err := s.Scan(t.Context(), task.Range{Bucket: b})
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestFinishedTasksAreForgottenByAge: also by an engine that does nothing.
func TestFinishedTasksAreForgottenByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := task.NewMemory()
		e, err := task.Open(t.Context(), store, echo, task.WithLimits(task.Limits{MaxAge: time.Hour}))
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		old := finish(t, e, send("hi")).ID
		time.Sleep(30 * time.Minute)
		young := finish(t, e, send("hi")).ID
		time.Sleep(29 * time.Minute)
		get(t, e, old) // not before its time
		time.Sleep(6 * time.Minute)
		_, err = e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: old})
		wantError(t, err, a2a.ErrTaskNotFound, "forgotten")
		get(t, e, young)
		time.Sleep(time.Hour)
		for _, b := range []task.Bucket{task.BucketTasks, task.BucketEvents, task.BucketListed, task.BucketFinished} {
			if n := stored(t, store, b); n > 0 {
				t.Errorf("%d entries are left in %s", n, b)
			}
		}
		if n := stored(t, store, task.BucketSeen); n != 2 {
			t.Errorf("%d messages are remembered, want 2", n)
		}
	})
}

// TestTasksAgeAcrossARestart: the time while no process was there counts.
func TestTasksAgeAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := task.WithLimits(task.Limits{MaxAge: time.Hour})
		d := newDisk()
		e, kill := d.live(t, echo, opts)
		old := finish(t, e, send("hi")).ID
		time.Sleep(10 * time.Minute)
		young := finish(t, e, send("hi")).ID
		kill()
		time.Sleep(55 * time.Minute)
		e, kill = d.live(t, echo, opts)
		_, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: old})
		wantError(t, err, a2a.ErrTaskNotFound)
		get(t, e, young)
		kill()
	})
}

// TestMessagesAreForgottenByAge: a message that is forgotten is answered again,
// one that is not never is, on either side of a restart.
func TestMessagesAreForgottenByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		run := func(ctx context.Context, x *task.Execution) error {
			runs.Add(1)
			return echo(ctx, x)
		}
		sentAgain := func(e *task.Engine, req *a2a.SendMessageRequest, want int32) a2a.TaskID {
			t.Helper()
			got := finish(t, e, again(req))
			if n := runs.Load(); n != want {
				t.Errorf("the turn ran %d times, want %d", n, want)
			}
			return got.ID
		}
		opts := task.WithLimits(task.Limits{MaxMessageAge: time.Hour})
		d := newDisk()
		e, kill := d.live(t, run, opts)
		req := send("hi")
		first := sentAgain(e, req, 1)
		time.Sleep(59 * time.Minute)
		if id := sentAgain(e, req, 1); id != first {
			t.Errorf("the message is answered by %s, want %s", id, first)
		}
		time.Sleep(6 * time.Minute)
		if n := stored(t, d.Memory, task.BucketMessages) + stored(t, d.Memory, task.BucketSeen); n > 0 {
			t.Errorf("%d entries are left of the message", n)
		}
		second := sentAgain(e, req, 2)
		if second == first {
			t.Error("a forgotten message is answered by its old task")
		}
		get(t, e, first) // which stays
		kill()

		time.Sleep(50 * time.Minute)
		e, kill = d.live(t, run, opts)
		if id := sentAgain(e, req, 2); id != second {
			t.Errorf("after a restart the message is answered by %s, want %s", id, second)
		}
		kill()
		time.Sleep(20 * time.Minute)
		e, kill = d.live(t, run, opts)
		sentAgain(e, req, 3)
		kill()
	})
}

// TestMessageOfARunningTurnIsNotForgotten: its task knows it however old it is.
func TestMessageOfARunningTurnIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := task.NewEngine(g.run, task.WithLimits(task.Limits{MaxMessageAge: time.Minute, MaxAge: time.Minute}))
		defer e.Close()
		req := send("hi")
		id := start(t, e, req).ID
		time.Sleep(time.Hour)
		if got := start(t, e, again(req)).ID; got != id {
			t.Errorf("the message is answered by %s, want %s", got, id)
		}
		close(g.open)
		synctest.Wait()
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
	})
}
