package task_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// TestAFullDisk: nothing is shown that is not stored, new messages are turned
// away, nobody waits for ever, and once there is room everything is there.
func TestAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		l := &life{Store: task.NewMemory()}
		g := newGate()
		e, err := task.Open(t.Context(), l, g.run, task.WithLogger(log.logger()))
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		<-g.begun
		get(t, e, id)
		l.full.Store(true)
		close(g.open) // the turn writes and ends, and cannot be stored
		synctest.Wait()
		_, err = e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
		wantError(t, err, task.ErrStore, "same id")
		req := send("another")
		_, err = e.SendMessage(t.Context(), req)
		wantError(t, err, task.ErrStore, "same id")
		if err := e.Health(); err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("Health: %v", err)
		}
		l.full.Store(false)
		time.Sleep(2 * time.Second)
		if err := e.Health(); err != nil {
			t.Errorf("Health: %v", err)
		}
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
		wantState(t, finish(t, e, req), a2a.TaskStateCompleted)
		drain(t, e)
		wantLogged(t, log, "cannot be written to", "disk is full", "can be written to again")
	})
}

// TestAFastAgentWaitsForASlowStore: what is not stored yet is bounded.
func TestAFastAgentWaitsForASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &life{Store: task.NewMemory()}
		written := 0
		full := make(chan struct{})
		e, err := task.Open(t.Context(), l, func(_ context.Context, x *task.Execution) error {
			<-full
			for range 100 {
				if _, err := x.WriteText(make([]byte, 100_000)); err != nil {
					return err
				}
				written++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e, send("hi")).ID
		l.full.Store(true)
		close(full)
		synctest.Wait()
		if written > 12 {
			t.Errorf("%d writes did not wait", written)
		}
		l.full.Store(false)
		drain(t, e)
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
		if n := len(replyText(get(t, e, id))); n != 10_000_000 {
			t.Errorf("the reply has %d bytes", n)
		}
	})
}

// TestTwoEnginesOnOneStore: where two processes share a store by mistake, a
// task is changed by one of them only.
func TestTwoEnginesOnOneStore(t *testing.T) {
	d := newDisk()
	g := newGate()
	log := &logged{}
	one, kill := d.live(t, g.run, task.WithResume(0), task.WithLogger(log.logger()))
	defer kill()
	id := start(t, one, send("hi")).ID
	<-g.begun
	get(t, one, id)
	two, killTwo := d.live(t, func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte("by the other"))
		return err
	}, task.WithResume(0))
	defer killTwo()
	for range two.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
	}
	close(g.open) // the first engine goes on to write
	var left error
	for _, err := range one.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
		if err == nil {
			continue
		}
		left = err
	}
	if err := one.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if left != nil && !errors.Is(left, task.ErrElsewhere) {
		t.Errorf("the reader of the first engine got %v", left)
	}
	got := get(t, two, id)
	wantState(t, got, a2a.TaskStateCompleted)
	if replyText(got) != "before by the other" {
		t.Errorf("the reply is %q", replyText(got))
	}
	wantLogged(t, log, "changed in the store by somebody else")
}

// TestDamagedRecords: whatever is wrong with one record, the engine opens, says
// so, and the other tasks are whole.
func TestDamagedRecords(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, d *disk, id a2a.TaskID) []task.Op{
		"a row": func(_ *testing.T, _ *disk, id a2a.TaskID) []task.Op {
			return []task.Op{{Kind: task.Put, Bucket: task.BucketTasks, Key: string(id), Value: []byte("{")}}
		},
		"no row": func(_ *testing.T, _ *disk, id a2a.TaskID) []task.Op {
			return []task.Op{{Kind: task.Delete, Bucket: task.BucketTasks, Key: string(id)}}
		},
		"the first frame": func(t *testing.T, d *disk, id a2a.TaskID) []task.Op {
			return []task.Op{{Kind: task.Put, Bucket: task.BucketEvents, Key: frames(t, d, id)[0].Key, Value: []byte{1, 1, 's', 200}}}
		},
		"the last frame": func(t *testing.T, d *disk, id a2a.TaskID) []task.Op {
			all := frames(t, d, id)
			return []task.Op{{Kind: task.Put, Bucket: task.BucketEvents, Key: all[len(all)-1].Key, Value: nil}}
		},
		"half of the first frame": func(t *testing.T, d *disk, id a2a.TaskID) []task.Op {
			all := frames(t, d, id)
			return []task.Op{{Kind: task.Put, Bucket: task.BucketEvents, Key: all[0].Key, Value: all[0].Value[:len(all[0].Value)-1]}}
		},
		"no frames": func(_ *testing.T, _ *disk, id a2a.TaskID) []task.Op {
			return []task.Op{{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: string(id), To: string(id) + ";"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			g := newGate()
			e, kill := d.live(t, func(ctx context.Context, x *task.Execution) error {
				if x.Message().Parts[0].Text() == "done" {
					return nil
				}
				return g.run(ctx, x)
			})
			whole := finish(t, e, send("done"))
			req := send("hi")
			id := start(t, e, req).ID
			<-g.begun
			get(t, e, id)
			kill()
			if err := d.Commit(t.Context(), damage(t, d, id)); err != nil {
				t.Fatal(err)
			}
			log := &logged{}
			e, kill = d.live(t, echo, task.WithLogger(log.logger()))
			defer kill()
			wantLogged(t, log, "level=ERROR", string(id))
			wantState(t, get(t, e, whole.ID), a2a.TaskStateCompleted)
			got, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
			if lost := strings.HasSuffix(name, "row"); lost != (err != nil) {
				t.Errorf("the task: %v", err)
			} else if !lost {
				wantState(t, got, a2a.TaskStateFailed)
				if !strings.Contains(statusText(got), "damaged") {
					t.Errorf("its status says %q", statusText(got))
				}
				if n := len(listed(t, e, nil)); n != 2 {
					t.Errorf("%d tasks are listed, want 2", n)
				}
				if got := finish(t, e, again(req)); got.ID != id {
					t.Errorf("its message is answered by %s, want %s", got.ID, id)
				}
			}
			wantState(t, finish(t, e, send("new")), a2a.TaskStateCompleted)
			kill()
			again := &logged{}
			_, stop := d.live(t, echo, task.WithLogger(again.logger()))
			defer stop()
			if again.String() != "" {
				t.Errorf("it is not dealt with once and for all:\n%s", again)
			}
		})
	}
}

func frames(t *testing.T, d *disk, id a2a.TaskID) []task.Entry {
	t.Helper()
	all, err := d.Scan(t.Context(), task.Range{Bucket: task.BucketEvents, From: string(id), To: string(id) + ";"})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d frames, %v", len(all), err)
	}
	return all
}
