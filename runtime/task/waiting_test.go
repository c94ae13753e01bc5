package task_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// asks is an agent that writes a text and asks for ever.
func asks(text string) task.RunFunc {
	return func(_ context.Context, x *task.Execution) error {
		if _, err := x.WriteText([]byte(text)); err != nil {
			return err
		}
		return x.Ask(a2a.NewTextPart("more?"))
	}
}

// TestTasksThatWaitForTheirCallerAreBounded: nobody answers, and neither memory
// nor store grow.
func TestTasksThatWaitForTheirCallerAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits task.Limits
		text   string
	}{
		{"by count", task.Limits{MaxFinished: 3}, "x"},
		{"by size", task.Limits{MaxFinishedBytes: 350_000}, strings.Repeat("x", 100_000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := task.NewMemory()
			e, err := task.Open(t.Context(), store, asks(tc.text), task.WithLimits(tc.limits))
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			var ids []a2a.TaskID
			for i := range 10 {
				ids = append(ids, finish(t, e, send(fmt.Sprint(i))).ID)
			}
			drained, kept := ids[:7], ids[7:]
			awaitStored(t, store, task.BucketTasks, len(kept))
			for _, id := range drained {
				_, err := e.SendMessage(t.Context(), reply(id, "yes"))
				wantError(t, err, a2a.ErrTaskNotFound, "forgotten")
			}
			for _, b := range []task.Bucket{task.BucketListed, task.BucketFinished} {
				if n := stored(t, store, b); n != len(kept) {
					t.Errorf("%d entries in %s, want %d", n, b, len(kept))
				}
			}
			wantState(t, finish(t, e, reply(kept[0], "yes")), a2a.TaskStateInputRequired)
			drain(t, e)
		})
	}
}

// awaitStored waits until a bucket has n entries.
func awaitStored(t testing.TB, s task.Store, b task.Bucket, n int) {
	t.Helper()
	for begin := time.Now(); stored(t, s, b) != n; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("%d entries in %s, want %d", stored(t, s, b), b, n)
		}
	}
}

func TestTasksThatWaitForTheirCallerAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		e, kill := d.live(t, asks("x"), task.WithLimits(task.Limits{MaxAge: time.Hour}))
		answered := finish(t, e, send("hi")).ID
		forgotten := finish(t, e, send("hi")).ID
		time.Sleep(50 * time.Minute)
		finish(t, e, reply(answered, "yes")) // and begins to wait anew
		time.Sleep(20 * time.Minute)
		_, err := e.SendMessage(t.Context(), reply(forgotten, "yes"))
		wantError(t, err, a2a.ErrTaskNotFound)
		wantState(t, finish(t, e, reply(answered, "yes")), a2a.TaskStateInputRequired)
		if n := stored(t, d.Memory, task.BucketFinished); n != 1 {
			t.Errorf("%d tasks are listed as kept, want 1", n)
		}
		kill()
	})
}

// TestAnsweringTakesNoRoom: a task that asks and is answered again and again, and
// is canceled in the end, counts once.
func TestAnsweringTakesNoRoom(t *testing.T) {
	d := newDisk()
	opts := task.WithLimits(task.Limits{MaxFinished: 3})
	e, kill := d.live(t, asks("x"), opts)
	oldest := finish(t, e, send("hi")).ID
	id := finish(t, e, send("hi")).ID
	for i := range 20 {
		wantState(t, finish(t, e, reply(id, "yes")), a2a.TaskStateInputRequired)
		if i == 10 {
			kill()
			e, kill = d.live(t, asks("x"), opts)
		}
	}
	if _, err := cancel(t.Context(), e, id); err != nil {
		t.Fatal(err)
	}
	finish(t, e, send("hi"))
	drain(t, e)
	get(t, e, oldest)
	if n := stored(t, d.Memory, task.BucketFinished); n != 3 {
		t.Errorf("%d tasks are listed as kept, want 3", n)
	}
	kill()
}

// TestAnswerMeetsForgetting: an answer that comes while its task is forgotten is
// either taken or refused as one to an unknown task.
func TestAnswerMeetsForgetting(t *testing.T) {
	d := newDisk()
	e, kill := d.live(t, asks("x"), task.WithLimits(task.Limits{MaxFinished: 1}))
	defer kill()
	var wg sync.WaitGroup
	var taken, refused sync.Map
	for range 4 {
		wg.Go(func() {
			for range 200 {
				res, err := e.SendMessage(t.Context(), send("hi"))
				if err != nil {
					t.Error(err)
					return
				}
				id := res.(*a2a.Task).ID
				switch _, err := e.SendMessage(t.Context(), reply(id, "yes")); {
				case err == nil:
					taken.Store(id, true)
				case errors.Is(err, a2a.ErrTaskNotFound):
					refused.Store(id, true)
				default:
					t.Errorf("the answer got %v", err)
				}
			}
		})
	}
	wg.Wait()
	count := func(m *sync.Map) (n int) {
		m.Range(func(any, any) bool { n++; return true })
		return n
	}
	if a, b := count(&taken), count(&refused); a+b != 800 {
		t.Errorf("%d answers were taken and %d refused", a, b)
	}
	drain(t, e)
	if n := stored(t, d.Memory, task.BucketTasks); n > 2 {
		t.Errorf("%d tasks are left", n)
	}
}

// TestWaitingTasksOfAnOlderStoreAreBounded: one that was written when only those
// were listed that have ended.
func TestWaitingTasksOfAnOlderStoreAreBounded(t *testing.T) {
	synctest.Test(t, testOlderStore)
}

func testOlderStore(t *testing.T) {
	d := newDisk()
	e, kill := d.live(t, asks("x"))
	ids := []a2a.TaskID{finish(t, e, send("1")).ID, finish(t, e, send("2")).ID, finish(t, e, send("3")).ID}
	kill()
	ops := []task.Op{
		{Kind: task.Delete, Bucket: task.BucketMeta, Key: "waiting"},
		{Kind: task.DeleteRange, Bucket: task.BucketFinished, Key: "", To: "\xff"},
	}
	for _, id := range ids {
		row, err := d.Get(t.Context(), task.BucketTasks, string(id))
		if err != nil {
			t.Fatal(err)
		}
		old := regexp.MustCompile(`,"size":\d+`).ReplaceAll(row, nil)
		ops = append(ops, task.Op{Kind: task.Put, Bucket: task.BucketTasks, Key: string(id), Value: old})
	}
	if err := d.Commit(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	e, kill = d.live(t, asks("x"))
	for _, id := range ids {
		wantState(t, get(t, e, id), a2a.TaskStateInputRequired)
	}
	time.Sleep(time.Second)
	wantState(t, finish(t, e, reply(ids[0], "yes")), a2a.TaskStateInputRequired)
	kill()
	e, kill = d.live(t, asks("x"), task.WithLimits(task.Limits{MaxFinished: 1}))
	defer kill()
	for i, id := range ids {
		_, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
		if kept := i == 0; kept != (err == nil) { // the one that was answered is the newest
			t.Errorf("task %d: %v", i, err)
		}
	}
}
