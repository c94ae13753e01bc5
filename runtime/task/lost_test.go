package task_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// unread is a store of which now and then something cannot be read.
type unread struct {
	task.Store
	fail func(b task.Bucket) error // nil: everything can
	seen atomic.Int32              // what has failed
}

func (s *unread) failure(b task.Bucket) error {
	if s.fail == nil {
		return nil
	}
	err := s.fail(b)
	if err != nil {
		s.seen.Add(1)
	}
	return err
}

func (s *unread) Get(ctx context.Context, b task.Bucket, key string) ([]byte, error) {
	if err := s.failure(b); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, b, key)
}

func (s *unread) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	if err := s.failure(r.Bucket); err != nil {
		return nil, err
	}
	return s.Store.Scan(ctx, r)
}

var errConnection = errors.New("the connection is lost")

// TestAReadThatFailsAtTheStartLosesNoTask: Open says so, and the next one goes on
// with the task.
func TestAReadThatFailsAtTheStartLosesNoTask(t *testing.T) {
	for name, bucket := range map[string]task.Bucket{"the row": task.BucketTasks, "the journal": task.BucketEvents} {
		t.Run(name, func(t *testing.T) {
			d, g := newDisk(), newGate()
			e, kill := d.live(t, g.run, task.WithResume(0))
			id := start(t, e, send("hi")).ID
			<-g.begun
			get(t, e, id)
			kill()
			s := &unread{Store: d.Memory, fail: func(b task.Bucket) error {
				if b == bucket {
					return errConnection
				}
				return nil
			}}
			if e, err := task.Open(t.Context(), s, echo, task.WithResume(0)); err == nil {
				t.Error("Open says nothing")
				e.Close()
			} else {
				wantError(t, err, errConnection, string(id))
			}
			if s.seen.Load() == 0 {
				t.Fatal("nothing has failed")
			}
			e, kill = d.live(t, echo, task.WithResume(0))
			defer kill()
			for range e.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) { // until it ends
			}
			got := get(t, e, id)
			wantState(t, got, a2a.TaskStateCompleted)
			if replyText(got) != "before hi" {
				t.Errorf("the reply is %q", replyText(got))
			}
		})
	}
}

// TestAReadThatFailsLosesNoPlacedTask: its turn is brought again.
func TestAReadThatFailsLosesNoPlacedTask(t *testing.T) {
	d, o := newDisk(), newOffice()
	var fails atomic.Bool
	s := &unread{Store: d.Memory, fail: func(b task.Bucket) error {
		if b == task.BucketEvents && fails.Load() {
			return errConnection
		}
		return nil
	}}
	e2, err := task.Open(t.Context(), s, echo, task.WithDispatcher(newOffice()), task.WithResume(0))
	if err != nil {
		t.Fatal(err)
	}
	defer e2.Close()
	e, kill := d.live(t, echo, task.WithDispatcher(o), task.WithResume(0))
	defer kill()
	id := start(t, e, send("hi")).ID
	turn := <-o.turns
	fails.Store(true)
	wantError(t, <-bring(t.Context(), e2, turn), errConnection)
	fails.Store(false)
	if err := <-bring(t.Context(), e2, turn); err != nil {
		t.Errorf("RunTurn: %v", err)
	}
	wantState(t, get(t, e2, id), a2a.TaskStateCompleted)
	drain(t, e2)
}

// TestADamagedFrameInAFile: what is whole before it is kept, and the task fails.
func TestADamagedFrameInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	open := func(run task.RunFunc) (e *task.Engine, kill func()) {
		file, err := filestore.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		l := &life{Store: file}
		if e, err = task.Open(t.Context(), l, run, task.WithResume(0)); err != nil {
			t.Fatal(err)
		}
		return e, func() {
			l.dead.Store(true)
			e.Close()
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			_ = e.Drain(ended)
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	g, stored := newGate(), make(chan struct{})
	e, kill := open(func(ctx context.Context, x *task.Execution) error {
		if _, err := x.WriteText([]byte("whole ")); err != nil {
			return err
		}
		g.begun <- x.TaskID()
		<-stored
		return g.run(ctx, x)
	})
	id := start(t, e, send("hi")).ID
	<-g.begun
	get(t, e, id) // so that it has a frame of its own
	close(stored)
	<-g.begun
	get(t, e, id)
	kill()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(raw, []byte("before "), []byte("bef0re ")), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e, kill = open(echo)
		got := get(t, e, id)
		wantState(t, got, a2a.TaskStateFailed)
		if replyText(got) != "whole " || !strings.Contains(statusText(got), "damaged") {
			t.Errorf("the task says %q after %q", statusText(got), replyText(got))
		}
		kill()
	}
}
