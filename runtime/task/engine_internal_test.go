package task

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// TestNothingIsHeldAfterATurn looks for what a turn that ends badly could leave
// behind: its slot, its locks, its context and, once the task is forgotten, its
// message ids.
func TestNothingIsHeldAfterATurn(t *testing.T) {
	for name, agent := range map[string]RunFunc{
		"returned": func(context.Context, *Execution) error { return nil },
		"failed":   func(context.Context, *Execution) error { return errors.New("no") },
		"panicked": func(context.Context, *Execution) error { panic("no") },
		"exited":   func(context.Context, *Execution) error { goruntime.Goexit(); return nil },
		"canceled": func(ctx context.Context, _ *Execution) error { <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var turn context.Context
			e := NewEngine(func(ctx context.Context, x *Execution) error {
				turn = ctx
				return agent(ctx, x)
			}, WithLimits(Limits{MaxFinished: 2}))
			run := func(id string) *task {
				m := &a2a.Message{ID: id, Role: a2a.MessageRoleUser, Parts: a2a.ContentParts{a2a.NewTextPart("hi")}}
				s, err := e.submit(t.Context(), &a2a.SendMessageRequest{Message: m})
				if err != nil {
					t.Fatal(err)
				}
				if name == "canceled" {
					if _, err := e.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: s.t.info.TaskID}); err != nil {
						t.Fatal(err)
					}
				}
				<-s.done
				return s.t
			}
			tk := run("first")
			<-e.turns.gone()
			<-e.commits.done()
			if len(e.running) != 0 || e.queue.length != 0 || len(e.queue.lanes) != 0 || len(e.queue.owners) != 0 {
				t.Errorf("%d turns hold a slot, the queue is %+v", len(e.running), e.queue)
			}
			if len(e.live) != 0 || len(e.messages) != 0 || len(e.arriving) != 0 {
				t.Errorf("%d tasks and %d messages stay in memory, %d are arriving", len(e.live), len(e.messages), len(e.arriving))
			}
			if !e.mu.TryLock() {
				t.Fatal("the engine is locked")
			}
			e.mu.Unlock()
			if !tk.mu.TryLock() {
				t.Fatal("the task is locked")
			}
			tk.mu.Unlock()
			if tk.turn.cancel != nil || tk.turn.ctx != nil {
				t.Error("the task holds the request's context")
			}
			if turn != nil && turn.Err() == nil {
				t.Error("the turn's context goes on")
			}
			for i := range 5 {
				run(fmt.Sprint(i))
			}
			<-e.turns.gone()
			<-e.commits.done()
			want := map[Bucket]int{
				BucketTasks: 2, BucketListed: 2, BucketFinished: 2, BucketOpen: 0,
				BucketMessages: 12, BucketSeen: 6, // two keys for a message without context
			}
			for bucket, n := range want {
				entries, err := e.store.Scan(t.Context(), Range{Bucket: bucket})
				if err != nil {
					t.Fatal(err)
				}
				if len(entries) != n {
					t.Errorf("%d entries in %s, want %d", len(entries), bucket, n)
				}
			}
			if e.kept.finished != 2 || e.kept.messages != 6 {
				t.Errorf("counted %+v", e.kept)
			}
		})
	}
}

func TestJournalWakesOnlyThoseWhoWait(t *testing.T) {
	var j journal
	j.append(nil, nil)
	if b, wait := j.since(0); wait == nil || len(b.records) != 0 {
		t.Error("a reader sees what is not committed")
	}
	j.commit(1)
	if _, wait := j.since(0); wait != nil {
		t.Error("a reader with something to read is told to wait")
	}
	if j.wake != nil {
		t.Error("a channel was made for nobody")
	}
	_, one := j.since(1)
	_, two := j.since(1)
	if one == nil || one != two {
		t.Error("two readers wait for two things")
	}
	j.append(nil, nil)
	j.commit(2)
	<-one
	if j.wake != nil {
		t.Error("the channel stays after the broadcast")
	}
	j.rest = true
	if _, wait := j.since(2); wait != nil {
		t.Error("a reader waits for the end of a journal that is at rest")
	}
}
