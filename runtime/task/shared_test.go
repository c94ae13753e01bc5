package task_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// events reads a task's events from a sequence to its rest.
func events(t testing.TB, e *task.Engine, id a2a.TaskID, after uint64) (got []a2a.Event, last uint64) {
	t.Helper()
	last = after
	err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, after, func(seq uint64, ev a2a.Event) bool {
		if seq != last+1 {
			t.Errorf("event %d follows event %d", seq, last)
		}
		got, last = append(got, ev), seq
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return got, last
}

// TestAnotherProcessFollows: a caller gets the same from every process.
func TestAnotherProcessFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := newDisk(), newGate()
		e1, kill1 := d.live(t, g.run, task.WithShared(0))
		defer kill1()
		e2, kill2 := d.live(t, g.run, task.WithShared(0))
		defer kill2()
		req := send("hi")
		id := start(t, e1, req).ID
		<-g.begun
		wantState(t, get(t, e1, id), a2a.TaskStateWorking)
		if got := get(t, e2, id); replyText(got) != "before " {
			t.Errorf("the other process has %q", replyText(got))
		}
		var wg sync.WaitGroup
		var here, there []a2a.Event
		wg.Go(func() { here, _ = events(t, e1, id, 1) })
		wg.Go(func() { there, _ = events(t, e2, id, 1) })
		wg.Go(func() {
			if got := finish(t, e2, again(req)); got.ID != id || replyText(got) != "before after" {
				t.Errorf("the message sent to the other process got task %s with %q", got.ID, replyText(got))
			}
		})
		time.Sleep(time.Second)
		close(g.open)
		wg.Wait()
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("events here and there differ (-here +there):\n%s", diff)
		}
		if diff := cmp.Diff(get(t, e1, id), get(t, e2, id)); diff != "" {
			t.Errorf("the task here and there differs (-here +there):\n%s", diff)
		}
	})
}

// TestAMessageToTwoProcessesMakesOneTask: at the same moment.
func TestAMessageToTwoProcessesMakesOneTask(t *testing.T) {
	d := newDisk()
	var runs atomic.Int32
	run := func(ctx context.Context, x *task.Execution) error {
		runs.Add(1)
		return echo(ctx, x)
	}
	e1, kill1 := d.live(t, run, task.WithShared(0))
	defer kill1()
	e2, kill2 := d.live(t, run, task.WithShared(0))
	defer kill2()
	const messages = 30
	for i := range messages {
		req := send(fmt.Sprint("message ", i))
		var wg sync.WaitGroup
		ids := make([]a2a.TaskID, 6)
		for k := range ids {
			wg.Go(func() {
				got := finish(t, []*task.Engine{e1, e2}[k%2], again(req))
				ids[k] = got.ID
				if want := fmt.Sprint("message ", i); replyText(got) != want {
					t.Errorf("the reply is %q, want %q", replyText(got), want)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("one message made tasks %s and %s", ids[0], id)
			}
		}
	}
	if n := runs.Load(); n != messages {
		t.Errorf("%d runs of %d messages", n, messages)
	}
}

// TestCancelInAnotherProcess: at once, and the agent is told.
func TestCancelInAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := newDisk(), newGate()
		cause := make(chan error, 1)
		e1, kill1 := d.live(t, func(ctx context.Context, x *task.Execution) error {
			err := g.run(ctx, x)
			cause <- err
			return err
		}, task.WithShared(0))
		defer kill1()
		e2, kill2 := d.live(t, echo, task.WithShared(0))
		defer kill2()
		id := start(t, e1, send("hi")).ID
		<-g.begun
		get(t, e1, id)
		got, err := cancel(t.Context(), e2, id)
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, got, a2a.TaskStateCanceled)
		wantError(t, <-cause, task.ErrElsewhere)
		for _, e := range []*task.Engine{e1, e2} {
			got := get(t, e, id)
			wantState(t, got, a2a.TaskStateCanceled)
			if replyText(got) != "before " {
				t.Errorf("the reply is %q", replyText(got))
			}
		}
	})
}

// TestATaskOfADeadProcessIsTakenOver: and that of a living one is not.
func TestATaskOfADeadProcessIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := newDisk(), newGate()
		const lease = 10 * time.Second
		e1, kill1 := d.live(t, g.run, task.WithShared(lease), task.WithResume(0))
		attempts := make(chan int, 10)
		e2, kill2 := d.live(t, func(_ context.Context, x *task.Execution) error {
			attempts <- x.Attempt()
			_, err := x.WriteText([]byte("by the other"))
			return err
		}, task.WithShared(lease), task.WithResume(0))
		defer kill2()
		id := start(t, e1, send("hi")).ID
		<-g.begun
		get(t, e1, id)
		time.Sleep(5 * lease)
		if n := len(attempts); n != 0 {
			t.Fatal("the task of a living process was taken over")
		}
		kill1()
		begin := time.Now()
		if n := <-attempts; n != 2 {
			t.Errorf("attempt %d", n)
		}
		if took := time.Since(begin); took > lease*13/10 {
			t.Errorf("it took %v, the lease is %v", took, lease)
		}
		events(t, e2, id, 1)
		if got := get(t, e2, id); replyText(got) != "before by the other" {
			t.Errorf("the reply is %q", replyText(got))
		}
	})
}

// TestATaskOfAClosedProcessIsTakenOverAtOnce: the others need not wait for the
// lease.
func TestATaskOfAClosedProcessIsTakenOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := newDisk(), newGate()
		const lease = 10 * time.Second
		e1, _ := d.live(t, g.run, task.WithShared(lease), task.WithResume(0))
		e2, kill2 := d.live(t, answer("after"), task.WithShared(lease), task.WithResume(0))
		defer kill2()
		id := start(t, e1, send("hi")).ID
		<-g.begun
		begin := time.Now()
		ended, end := context.WithCancel(t.Context())
		end()
		wantError(t, e1.Drain(ended), context.Canceled)
		e1.Close()
		events(t, e2, id, 1)
		if got := get(t, e2, id); replyText(got) != "before after" {
			t.Errorf("the reply is %q", replyText(got))
		}
		if took := time.Since(begin); took > lease/2 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestAQuestionIsAnsweredInAnotherProcess: once.
func TestAQuestionIsAnsweredInAnotherProcess(t *testing.T) {
	d := newDisk()
	asks := func(ctx context.Context, x *task.Execution) error {
		if x.Message().TaskID != "" && len(x.History()) > 0 {
			return echo(ctx, x)
		}
		return x.Ask(a2a.NewTextPart("what?"))
	}
	e1, kill1 := d.live(t, asks, task.WithShared(0))
	defer kill1()
	e2, kill2 := d.live(t, asks, task.WithShared(0))
	defer kill2()
	id := finish(t, e1, send("hi")).ID
	var taken atomic.Int32
	var wg sync.WaitGroup
	for i, e := range []*task.Engine{e1, e2, e1, e2} {
		wg.Go(func() {
			if _, err := e.SendMessage(t.Context(), reply(id, fmt.Sprint("answer ", i))); err == nil {
				taken.Add(1)
			} else {
				wantError(t, err, a2a.ErrUnsupportedOperation)
			}
		})
	}
	wg.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("%d answers were taken", n)
	}
	wantState(t, get(t, e2, id), a2a.TaskStateCompleted)
}

// TestAPlacedTurnThatAnotherProcessRunsGivesItsSlotBack: and who waits here sees
// it to its end.
func TestAPlacedTurnThatAnotherProcessRunsGivesItsSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := newDisk(), newOffice()
		opts := []task.Option{task.WithShared(0), task.WithDispatcher(o), task.WithResume(0), task.WithLimits(task.Limits{MaxRunning: 1})}
		e1, kill1 := d.live(t, echo, opts...)
		defer kill1()
		e2, kill2 := d.live(t, echo, opts...)
		defer kill2()
		var wg sync.WaitGroup
		for _, text := range []string{"one", "two"} {
			wg.Go(func() {
				if got := finish(t, e1, send(text)); replyText(got) != text {
					t.Errorf("the reply is %q, want %q", replyText(got), text)
				}
			})
		}
		for range 2 {
			if err := e2.RunTurn(t.Context(), <-o.turns); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		drain(t, e1)
	})
}

// TestRetentionHoldsForAllProcesses: each counts what the others finish, too.
func TestRetentionHoldsForAllProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		opts := []task.Option{task.WithShared(0), task.WithLimits(task.Limits{MaxFinished: 8, MaxMessages: 8})}
		e1, kill1 := d.live(t, echo, opts...)
		defer kill1()
		e2, kill2 := d.live(t, echo, opts...)
		defer kill2()
		for i := range 14 {
			finish(t, []*task.Engine{e1, e2}[i%2], send("hi"))
		}
		time.Sleep(time.Minute)
		for _, b := range []task.Bucket{task.BucketFinished, task.BucketTasks, task.BucketSeen} {
			entries, err := d.Scan(t.Context(), task.Range{Bucket: b})
			if err != nil || len(entries) != 8 {
				t.Errorf("%d entries in %s, want 8 (%v)", len(entries), b, err)
			}
		}
	})
}

// TestWhoRunsATurnIsWhoTheStoreSays: two processes have no room for a turn that
// both take up at the same moment. The one that runs it in the end dies, and the
// other one takes it over.
func TestWhoRunsATurnIsWhoTheStoreSays(t *testing.T) {
	for round := range 10 {
		synctest.Test(t, func(t *testing.T) {
			opts := []task.Option{task.WithShared(0), task.WithResume(0), task.WithLimits(task.Limits{MaxRunning: 1})}
			d := newDisk()
			dead, kill := d.live(t, newGate().run, opts...)
			id := start(t, dead, send("hi")).ID
			var engines [2]*task.Engine
			var gates [2]*gate
			var kills [2]func()
			for i := range engines {
				gates[i] = newGate()
				engines[i], kills[i] = d.live(t, gates[i].run, opts...)
				start(t, engines[i], send("keeps its process busy"))
				<-gates[i].begun
			}
			synctest.Wait()
			kill()
			time.Sleep(2 * task.DefaultLease)
			for k := range engines { // one after the other has room
				gates[(round+k)%2].open <- struct{}{}
				time.Sleep(2 * task.DefaultLease)
			}
			runs := 0
			if len(gates[0].begun) == 0 {
				runs = 1
			}
			if got := <-gates[runs].begun; got != id || len(gates[1-runs].begun) > 0 {
				t.Errorf("process %d runs task %s, want one that runs task %s", runs, got, id)
			}
			kills[runs]()
			close(gates[1-runs].open)
			time.Sleep(2 * task.DefaultLease)
			wantState(t, get(t, engines[1-runs], id), a2a.TaskStateCompleted)
			kills[1-runs]()
		})
	}
}

// stalling is a store that takes nothing for a while and does not say so; it can be
// read.
type stalling struct {
	task.Store
	hangs *atomic.Pointer[chan struct{}]
}

func (s stalling) Commit(ctx context.Context, ops []task.Op) error {
	if over := s.hangs.Load(); over != nil {
		select {
		case <-*over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Store.Commit(ctx, ops)
}

// TestNobodyIsRobbedWhileTheStoreHangs: nobody can say that he is alive, so that
// nobody is to be taken for dead.
func TestNobodyIsRobbedWhileTheStoreHangs(t *testing.T) {
	for phase := range 10 {
		synctest.Test(t, func(t *testing.T) {
			d, g := newDisk(), newGate()
			var hangs atomic.Pointer[chan struct{}]
			var engines [2]*task.Engine
			for i := range engines {
				e, err := task.Open(t.Context(), stalling{d.Memory, &hangs}, g.run, task.WithShared(0))
				if err != nil {
					t.Fatal(err)
				}
				engines[i] = e
				time.Sleep(time.Duration(phase) * 100 * time.Millisecond)
			}
			defer engines[0].Close()
			defer engines[1].Close()
			ids := [2]a2a.TaskID{start(t, engines[0], send("hi")).ID, start(t, engines[1], send("hi")).ID}
			<-g.begun
			<-g.begun
			time.Sleep(3 * task.DefaultLease)
			over := make(chan struct{})
			hangs.Store(&over)
			time.Sleep(3*task.DefaultLease + time.Duration(phase)*170*time.Millisecond)
			hangs.Store(nil)
			close(over)
			time.Sleep(3 * task.DefaultLease)
			close(g.open)
			synctest.Wait()
			for i, id := range ids {
				if got := get(t, engines[1-i], id); got.Status.State != a2a.TaskStateCompleted {
					t.Errorf("phase %d: the task of process %d is %s: %s", phase, i, got.Status.State, statusText(got))
				}
			}
		})
	}
}
