package pgstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

// watch watches a task until the end of the test.
func watch(t *testing.T, s *pgstore.Store, id string) (<-chan struct{}, func()) {
	t.Helper()
	changed, stop, err := s.Watch(t.Context(), a2a.TaskID(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return changed, stop
}

// woken waits for a value.
func woken(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
}

// asleep checks that no value has come, after another watch has got one.
func asleep(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
		t.Error("something was told that is of no concern")
	default:
	}
}

func TestWatch(t *testing.T) {
	dsn, name := server(t), workspace()
	s, other, elsewhere := open(t, dsn, name), open(t, dsn, name), open(t, dsn, name+"x")
	row, stop := watch(t, s, "task-1")
	woken(t, row) // it listens
	events, _ := watch(t, s, "task-2")
	quiet, _ := watch(t, s, "task-3")

	mustCommit(t, elsewhere, put("task-3", "v"))
	mustCommit(t, other, put("task-1", "v"))
	woken(t, row)
	mustCommit(t, other, task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: "task-2:\x00:\xff\x00\x00\x00\x00\x01", Value: []byte("v")})
	woken(t, events)
	mustCommit(t, other, task.Op{Kind: task.Put, Bucket: task.BucketOpen, Key: "task-3"}, put("task-1", "w"))
	woken(t, row)
	asleep(t, quiet)

	// So many that they are not told one by one.
	var ops []task.Op
	for i := range 1000 {
		ops = append(ops, put(fmt.Sprint("task-", i), "v"))
	}
	mustCommit(t, other, ops...)
	woken(t, row)
	woken(t, events)
	woken(t, quiet)

	stop()
	stop()
	mustCommit(t, other, put("task-1", "x"), put("task-2", "x"))
	woken(t, events)
	asleep(t, row)
}

// What was told while nobody took it comes as one value.
func TestWatchOfAContext(t *testing.T) {
	dsn, name := server(t), workspace()
	s, other := open(t, dsn, name), open(t, dsn, name)
	ctx, cancel := context.WithCancel(t.Context())
	changed, _, err := s.Watch(ctx, "task-1")
	if err != nil {
		t.Fatal(err)
	}
	woken(t, changed)
	second, _ := watch(t, s, "task-2")
	for i := range 5 {
		mustCommit(t, other, put("task-1", fmt.Sprint(i)))
	}
	mustCommit(t, other, put("task-2", "v"))
	woken(t, second)
	woken(t, changed)
	cancel()
	mustCommit(t, other, put("task-1", "v"), put("task-2", "w"))
	woken(t, second)
}

// The last thing a process has done before it closes its store is told.
func TestWatchHearsTheLastWord(t *testing.T) {
	dsn, name := server(t), workspace()
	changed, _ := watch(t, open(t, dsn, name), "task-1")
	woken(t, changed)
	other, err := pgstore.Open(t.Context(), dsn, name)
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, other, put("task-1", "v"))
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	woken(t, changed)
}

func TestWatchAfterClose(t *testing.T) {
	s, err := pgstore.Open(t.Context(), server(t), workspace())
	if err != nil {
		t.Fatal(err)
	}
	changed, stop, err := s.Watch(t.Context(), "task-1")
	if err != nil {
		t.Fatal(err)
	}
	woken(t, changed)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if _, _, err := s.Watch(t.Context(), "task-1"); err == nil {
		t.Error("Watch on a closed store = nil")
	}
}

// A connection that was lost is replaced, and what was missed is made up for.
func TestWatchAfterALostConnection(t *testing.T) {
	dsn, name := server(t), workspace()
	s, other := open(t, with(t, dsn, "application_name", name), name), open(t, dsn, name)
	changed, _ := watch(t, s, "task-1")
	woken(t, changed)
	for i := range 3 {
		runSQL(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '`+name+`'`)
		woken(t, changed) // it listens again
		mustCommit(t, other, put("task-1", fmt.Sprint(i)))
		woken(t, changed)
	}
}

func TestWatchOutlivesTheServer(t *testing.T) {
	ctl := control(t)
	dsn, name := server(t), workspace()
	s, other := open(t, dsn, name), open(t, dsn, name)
	changed, _ := watch(t, s, "task-1")
	woken(t, changed)
	for _, how := range []string{"stop", "kill"} {
		ctl(how)
		late, _ := watch(t, s, "task-2")
		ctl("start")
		woken(t, changed)
		woken(t, late)
		mustCommit(t, other, put("task-1", how))
		woken(t, changed)
	}
}
