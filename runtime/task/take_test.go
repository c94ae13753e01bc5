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

// distant is a store that takes its time.
type distant struct {
	task.Store
	read, commit time.Duration
}

func (s *distant) Get(ctx context.Context, b task.Bucket, key string) ([]byte, error) {
	time.Sleep(s.read)
	return s.Store.Get(ctx, b, key)
}

func (s *distant) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	found, err := s.Store.Scan(ctx, r)
	time.Sleep(s.read)
	return found, err
}

func (s *distant) Commit(ctx context.Context, ops []task.Op) error {
	time.Sleep(s.commit)
	return s.Store.Commit(ctx, ops)
}

// talker writes a word each millisecond, until it must not.
func talker(_ context.Context, x *task.Execution) error {
	for {
		if _, err := x.WriteText([]byte("word ")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// TestWhoWritesFastDoesNotKeepATask: what it writes between the reading and the
// taking is there, and does not keep the other one from taking it.
func TestWhoWritesFastDoesNotKeepATask(t *testing.T) {
	two := func(t *testing.T, second task.RunFunc, opts ...task.Option) (e1, e2 *task.Engine) {
		d := newDisk()
		e1, err := task.Open(t.Context(), &distant{d.Memory, 0, 2 * time.Millisecond}, talker, opts...)
		if err != nil {
			t.Fatal(err)
		}
		e2, err = task.Open(t.Context(), &distant{d.Memory, 3 * time.Millisecond, 2 * time.Millisecond}, second, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return e1, e2
	}
	end := func(t *testing.T, engines ...*task.Engine) {
		for _, e := range engines {
			drain(t, e)
			e.Close()
		}
	}
	t.Run("to cancel it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e1, e2 := two(t, talker, task.WithShared(0))
			id := start(t, e1, send("hi")).ID
			time.Sleep(100 * time.Millisecond)
			got, err := cancel(t.Context(), e2, id)
			if err != nil {
				t.Fatal(err)
			}
			wantState(t, got, a2a.TaskStateCanceled)
			end(t, e1, e2)
		})
	})
	t.Run("to run it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice()
			e1, e2 := two(t, answer("the end"), task.WithShared(0), task.WithDispatcher(o), task.WithResume(0))
			id := start(t, e1, send("hi")).ID
			turn := <-o.turns
			first := bring(t.Context(), e1, turn)
			time.Sleep(100 * time.Millisecond)
			if err := e2.RunTurn(t.Context(), turn); err != nil {
				t.Error(err)
			}
			wantError(t, <-first, task.ErrElsewhere)
			wantState(t, get(t, e2, id), a2a.TaskStateCompleted)
			end(t, e1, e2)
		})
	})
}

// slowCommits holds the next commit of a task's row up.
type slowCommits struct {
	task.Store
	armed atomic.Bool
	held  chan struct{}
	pass  chan struct{}
}

func (s *slowCommits) Commit(ctx context.Context, ops []task.Op) error {
	for _, op := range ops {
		if op.Kind == task.Put && op.Bucket == task.BucketTasks && s.armed.CompareAndSwap(true, false) {
			close(s.held)
			<-s.pass
		}
	}
	return s.Store.Commit(ctx, ops)
}

// TestNothingIsWrittenOverByWhoTakesATaskOver: the other one may write between
// the reading and the taking.
func TestNothingIsWrittenOverByWhoTakesATaskOver(t *testing.T) {
	d, o := newDisk(), newOffice()
	write, wrote := make(chan string), make(chan bool)
	e1, kill1 := d.live(t, func(ctx context.Context, x *task.Execution) error {
		for text := range write {
			if _, err := x.WriteText([]byte(text)); err != nil {
				return err
			}
			wrote <- true
		}
		return nil
	}, task.WithShared(0), task.WithDispatcher(o), task.WithResume(0))
	defer kill1()
	id := start(t, e1, send("hi")).ID
	turn := <-o.turns
	first := bring(t.Context(), e1, turn)
	write <- "one "
	<-wrote
	get(t, e1, id)

	slow := &slowCommits{Store: d.Memory, held: make(chan struct{}), pass: make(chan struct{})}
	e2, err := task.Open(t.Context(), slow, echo, task.WithShared(0), task.WithDispatcher(newOffice()), task.WithResume(0))
	if err != nil {
		t.Fatal(err)
	}
	defer e2.Close()
	slow.armed.Store(true)
	second := bring(t.Context(), e2, turn)
	<-slow.held
	write <- "two "
	<-wrote
	get(t, e1, id)
	close(slow.pass)
	if err := <-second; err != nil {
		t.Errorf("who takes it: %v", err)
	}
	close(write)
	wantError(t, <-first, task.ErrElsewhere)
	if got := get(t, e2, id); replyText(got) != "one two hi" {
		t.Errorf("the reply is %q", replyText(got))
	}
	drain(t, e2)
}

// blindedByTaking is a store in which events cannot be read once a row has been
// written.
type blindedByTaking struct{ blind }

func (b *blindedByTaking) Commit(ctx context.Context, ops []task.Op) error {
	err := b.Store.Commit(ctx, ops)
	for _, op := range ops {
		if op.Bucket == task.BucketTasks && op.Kind == task.Put {
			b.on.Store(true)
		}
	}
	return err
}

// TestATaskThatWasTakenIsNotLeft: its cancellation goes on when the store can be
// read again.
func TestATaskThatWasTakenIsNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := newDisk(), newGate()
		e1, kill := d.live(t, g.run, task.WithShared(0))
		defer kill()
		b := &blindedByTaking{blind{Store: d.Memory}}
		e2, err := task.Open(t.Context(), b, echo, task.WithShared(0))
		if err != nil {
			t.Fatal(err)
		}
		id := start(t, e1, send("hi")).ID
		<-g.begun
		_, err = cancel(t.Context(), e2, id)
		wantError(t, err, task.ErrStore)
		b.on.Store(false)
		time.Sleep(10 * time.Second)
		wantState(t, get(t, e1, id), a2a.TaskStateCanceled)
		drain(t, e2)
		e2.Close()
	})
}
