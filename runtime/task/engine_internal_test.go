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
				tk, err := e.submit(t.Context(), &a2a.SendMessageRequest{Message: m})
				if err != nil {
					t.Fatal(err)
				}
				if name == "canceled" {
					if _, err := e.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: tk.info.TaskID}); err != nil {
						t.Fatal(err)
					}
				}
				<-tk.done
				return tk
			}
			tk := run("first")
			e.turns.Wait()
			if len(e.running) != 0 {
				t.Errorf("%d turns hold a slot", len(e.running))
			}
			if !e.mu.TryLock() {
				t.Fatal("the engine is locked")
			}
			e.mu.Unlock()
			if !tk.mu.TryLock() {
				t.Fatal("the task is locked")
			}
			tk.mu.Unlock()
			if tk.cancel != nil {
				t.Error("the task holds the request's context")
			}
			if turn.Err() == nil {
				t.Error("the turn's context goes on")
			}
			if len(e.messages) != 2 {
				t.Errorf("%d message keys for a message without context, want 2", len(e.messages))
			}
			for i := range 5 {
				run(fmt.Sprint(i))
			}
			e.turns.Wait()
			if len(e.tasks) != 2 || len(e.messages) != 4 || e.finished.count != 2 {
				t.Errorf("%d tasks, %d message keys and %d finished, want 2, 4 and 2", len(e.tasks), len(e.messages), e.finished.count)
			}
			if want := e.finished.oldest.size + e.finished.newest.size; e.finished.bytes != want {
				t.Errorf("%d bytes counted, want %d", e.finished.bytes, want)
			}
		})
	}
}

func TestJournalWakesOnlyThoseWhoWait(t *testing.T) {
	var j journal
	j.append(nil)
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
	j.append(nil)
	<-one
	if j.wake != nil {
		t.Error("the channel stays after the broadcast")
	}
	j.ended = true
	if _, wait := j.since(2); wait != nil {
		t.Error("a reader waits for the end of a journal that has ended")
	}
}
