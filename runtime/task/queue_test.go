package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// in puts a request into a conversation.
func in(conversation string, req *a2a.SendMessageRequest) *a2a.SendMessageRequest {
	req.Message.ContextID = conversation
	return req
}

// TestTurnsOfOneContextRunInOrder, and those of others beside them.
func TestTurnsOfOneContextRunInOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		opts []task.Option
		want string
	}{
		"in order":    {nil, "a1+ b1+ b1- a1- a2+ a2- a3+ a3-"},
		"in parallel": {[]task.Option{task.WithParallelTurns()}, "a1+ b1+ a2+ a3+ b1- a1- a2- a3-"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var trail []string
				e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
					note := func(what string) {
						mu.Lock()
						defer mu.Unlock()
						trail = append(trail, x.Message().Parts[0].Text()+what)
					}
					note("+")
					if x.ContextID() == "a" {
						time.Sleep(2 * time.Second)
					} else {
						time.Sleep(time.Second)
					}
					note("-")
					return nil
				}, tc.opts...)
				for _, text := range []string{"a1", "b1", "a2", "a3"} {
					start(t, e, in(text[:1], send(text)))
					time.Sleep(time.Millisecond)
				}
				drain(t, e)
				if got := strings.Join(trail, " "); got != tc.want {
					t.Errorf("order %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := task.NewEngine(g.run, task.WithLimits(task.Limits{MaxRunning: 2, MaxQueued: 3}))
		for i := range 5 {
			start(t, e, in(fmt.Sprint(i%2), send("hi")))
		}
		req := send("too many")
		_, err := e.SendMessage(t.Context(), req)
		wantError(t, err, task.ErrBusy, "2 messages are being answered and 3 wait", "same id")
		var busy *task.BusyError
		if !errors.As(err, &busy) || busy.RetryAfter < time.Second || busy.RetryAfter > time.Minute {
			t.Errorf("no use to the caller: %v", err)
		}
		close(g.open)
		synctest.Wait()
		if got := finish(t, e, req); got.Status.State != a2a.TaskStateCompleted {
			t.Errorf("later it is %s", got.Status.State)
		}
		drain(t, e)
	})
}

// caller is a context of an authenticated user.
func caller(ctx context.Context, name string) context.Context {
	ctx, call := a2asrv.NewCallContext(ctx, nil)
	call.User = a2asrv.NewAuthenticatedUser(name, nil)
	return ctx
}

// TestCallersWithNamesInOtherEncodings find their tasks, and only theirs.
func TestCallersWithNamesInOtherEncodings(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	names := []string{"J\xf6rg", "J\xe4rg", "J\uFFFDrg", "\x00\"J\\xf6rg\""}
	ids := map[string]a2a.TaskID{}
	for _, name := range names {
		res, err := e.SendMessage(caller(t.Context(), name), send("hi"))
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = res.(*a2a.Task).ID
	}
	for _, asks := range names {
		for owner, id := range ids {
			_, err := e.GetTask(caller(t.Context(), asks), &a2a.GetTaskRequest{ID: id})
			if (err == nil) != (asks == owner) {
				t.Errorf("%q asks for the task of %q: %v", asks, owner, err)
			}
		}
	}
}

func TestOneCallerCannotTakeAllThereIs(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run, task.WithLimits(task.Limits{MaxPerOwner: 2}))
	now := &a2a.SendMessageConfig{ReturnImmediately: true}
	for range 2 {
		req := send("hi")
		req.Config = now
		if _, err := e.SendMessage(caller(t.Context(), "greedy"), req); err != nil {
			t.Fatal(err)
		}
	}
	_, err := e.SendMessage(caller(t.Context(), "greedy"), send("hi"))
	wantError(t, err, task.ErrBusy, "2 of your messages")
	req := send("hi")
	req.Config = now
	if _, err := e.SendMessage(caller(t.Context(), "modest"), req); err != nil {
		t.Error(err)
	}
	close(g.open)
	drain(t, e)
}

// TestATaskIsItsOwnersOnly: for others it does not exist, whatever they ask.
func TestATaskIsItsOwnersOnly(t *testing.T) {
	e := task.NewEngine(travel)
	defer drain(t, e)
	mine := caller(t.Context(), "me")
	req := in("shared", send("a trip"))
	res, err := e.SendMessage(mine, req)
	if err != nil {
		t.Fatal(err)
	}
	id := res.(*a2a.Task).ID
	for name, ctx := range map[string]context.Context{"another": caller(t.Context(), "other"), "nobody": t.Context()} {
		_, err := e.GetTask(ctx, &a2a.GetTaskRequest{ID: id})
		wantError(t, err, a2a.ErrTaskNotFound)
		_, err = e.CancelTask(ctx, &a2a.CancelTaskRequest{ID: id})
		wantError(t, err, a2a.ErrTaskNotFound)
		_, err = e.SendMessage(ctx, reply(id, "Oslo"))
		wantError(t, err, a2a.ErrTaskNotFound)
		for _, err := range e.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: id}) {
			wantError(t, err, a2a.ErrTaskNotFound)
		}
		list, err := e.ListTasks(ctx, nil)
		if err != nil || len(list.Tasks) != 0 || list.TotalSize != 0 {
			t.Errorf("%s lists %d tasks, %v", name, len(list.Tasks), err)
		}
		// The same message id of somebody else is another message.
		res, err := e.SendMessage(ctx, again(req))
		if err != nil || res.(*a2a.Task).ID == id {
			t.Errorf("%s got the task by its message: %v", name, err)
		}
	}
	list, err := e.ListTasks(mine, nil)
	if err != nil || len(list.Tasks) != 1 || list.Tasks[0].ID != id {
		t.Errorf("its owner lists %v, %v", list, err)
	}
}

func TestTimeouts(t *testing.T) {
	for name, tc := range map[string]struct {
		limits task.Timeouts
		run    task.RunFunc
		state  a2a.TaskState
		text   string
		took   time.Duration
	}{
		"total": {task.Timeouts{Total: time.Minute}, wait, a2a.TaskStateFailed, "not answered within 1m0s", time.Minute},
		"silence": {task.Timeouts{Silence: time.Second}, func(ctx context.Context, x *task.Execution) error {
			for range 10 {
				time.Sleep(900 * time.Millisecond)
				if _, err := x.WriteText([]byte(".")); err != nil {
					return err
				}
			}
			return wait(ctx, x)
		}, a2a.TaskStateFailed, "nothing had come from it for 1s", 10 * time.Second},
		"a deaf turn": {task.Timeouts{Total: time.Second}, func(context.Context, *task.Execution) error {
			time.Sleep(time.Hour)
			return nil
		}, a2a.TaskStateFailed, "not answered within 1s", time.Second + task.DefaultCancelGrace},
		"in time": {task.Timeouts{Total: time.Second, Silence: time.Second}, echo, a2a.TaskStateCompleted, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
					defer func() { cause = context.Cause(ctx) }()
					return tc.run(ctx, x)
				}, task.WithTimeouts(tc.limits))
				begin := time.Now()
				got := finish(t, e, send("hi"))
				took := time.Since(begin)
				drain(t, e)
				wantState(t, got, tc.state)
				if !strings.Contains(statusText(got), tc.text) {
					t.Errorf("the status says %q", statusText(got))
				}
				if tc.state == a2a.TaskStateFailed && !errors.Is(cause, task.ErrTimeout) {
					t.Errorf("the cause is %v", cause)
				}
				if took < tc.took || took > tc.took+time.Second {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
			})
		})
	}
}

// TestACanceledTaskNeverRuns that waits for its turn.
func TestACanceledTaskNeverRuns(t *testing.T) {
	g := newGate()
	var ran []string
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		ran = append(ran, x.Message().Parts[0].Text())
		return g.run(ctx, x)
	})
	start(t, e, in("c", send("first")))
	<-g.begun
	second := start(t, e, in("c", send("second"))).ID
	start(t, e, in("c", send("third")))
	got, err := cancel(t.Context(), e, second)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, got, a2a.TaskStateCanceled)
	close(g.open)
	drain(t, e)
	if diff := cmp.Diff([]string{"first", "third"}, ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
}
