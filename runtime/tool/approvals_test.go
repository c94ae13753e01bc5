package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// feed stands for the platform's events where a test wants to say what comes
// and when.
type feed struct {
	mu   sync.Mutex // guards subs
	subs []chan any // registry.Event or error
}

func (f *feed) events(ctx context.Context) iter.Seq2[registry.Event, error] {
	return func(yield func(registry.Event, error) bool) {
		ch := make(chan any, 16)
		f.mu.Lock()
		f.subs = append(f.subs, ch)
		f.mu.Unlock()
		for {
			select {
			case v := <-ch:
				e, _ := v.(registry.Event)
				err, _ := v.(error)
				if !yield(e, err) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *feed) send(v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ch := range f.subs {
		ch <- v
	}
}

func decisionEvent(name, workspace, approval string) registry.Event {
	return registry.Event{Type: name, WorkspaceID: workspace, Payload: json.RawMessage(`{"approval_id":"` + approval + `","decision":"x","decided_by":"eve"}`)}
}

var deploy = tool.ApprovalRequest{Action: "deploy", Reason: "it is ready"}

// request asks in another goroutine.
type answer struct {
	decision tool.Decision
	err      error
	took     time.Duration
}

func request(ctx context.Context, a *tool.Approvals, ask tool.ApprovalRequest) <-chan answer {
	ch := make(chan answer, 1)
	began := time.Now()
	go func() {
		d, err := a.Request(ctx, ask)
		ch <- answer{d, err, time.Since(began)}
	}()
	return ch
}

// only is the one approval the platform has.
func (b *bed) only() registrytest.Approval {
	b.t.Helper()
	synctest.Wait()
	all := b.self.Approvals()
	if len(all) != 1 {
		b.t.Fatalf("the platform has %d approvals: %+v", len(all), all)
	}
	return all[0]
}

// AP-1, AP-2: with the bearer, and by the events the platform really sends.
func TestAnApprovalIsGrantedOrDeniedByAnEvent(t *testing.T) {
	for event, want := range map[string]tool.ApprovalOutcome{"APPROVAL_APPROVED": tool.Approved, "APPROVAL_DENIED": tool.Denied} {
		t.Run(event, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, f := lay(t), &feed{}
				a := tool.NewApprovals(b.client, tool.ApprovalOptions{Events: f.events, Poll: time.Hour, Timeout: 9 * time.Minute})
				got := request(tool.WithTask(t.Context(), "task-1"), a, deploy)
				row := b.only()
				if row.Action != "deploy" || row.Reason != "it is ready" || row.TaskID != "task-1" {
					t.Errorf("the platform has %+v", row)
				}
				// None of these is a decision about it.
				f.send(decisionEvent("APPROVAL_APPROVED", otherID, row.ID))
				f.send(decisionEvent("APPROVAL_DENIED", selfID, "another"))
				f.send(decisionEvent("APPROVAL_DECIDED", selfID, row.ID))
				f.send(registry.Event{Type: event, WorkspaceID: selfID, Payload: json.RawMessage(`[`)})
				time.Sleep(time.Minute)
				f.send(decisionEvent(event, selfID, row.ID))
				r := <-got
				if r.err != nil || r.decision != (tool.Decision{Outcome: want, ApprovalID: row.ID, DecidedBy: "eve"}) || r.took != time.Minute {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// The same over the platform's own stream, also when that is cut.
func TestAnApprovalOverTheEventStream(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := lay(t)
			a := tool.NewApprovals(b.client, tool.ApprovalOptions{Events: b.client.Events, Poll: time.Hour})
			got := request(t.Context(), a, deploy)
			row := b.only()
			if b.self.Listeners() != 1 {
				t.Error("nobody listens")
			}
			time.Sleep(time.Second)
			if cut {
				b.platform.CutStreams()
			}
			b.self.Decide(row.ID, true, "human")
			r := <-got
			if r.err != nil || r.decision != (tool.Decision{Outcome: tool.Approved, ApprovalID: row.ID, DecidedBy: "human"}) || r.took > time.Minute {
				t.Errorf("cut %v: %+v", cut, r)
			}
			synctest.Wait()
			if b.self.Listeners() != 0 {
				t.Error("somebody listens still")
			}
		})
	}
}

// With events that never come, asking finds the decision.
func TestAnApprovalIsFoundByAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{})
		got := request(t.Context(), a, deploy)
		row := b.only()
		time.Sleep(time.Minute)
		b.platform.Fail(registrytest.To("GET", "/workspaces/"+selfID+"/approvals"), registrytest.Fault{Status: 500, Times: 3})
		b.self.Decide(row.ID, true, "human")
		r := <-got
		if r.err != nil || r.decision.Outcome != tool.Approved || r.decision.DecidedBy != "human" || r.took > 80*time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// AP-4: a decision that came before anybody listened was missed.
func TestADecisionBeforeTheSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		// The person is faster than the answer to the request.
		b.platform.Fail(registrytest.To("GET", "/workspaces/"+selfID+"/approvals"), registrytest.Fault{Delay: 3 * time.Second})
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{Events: (&feed{}).events, Poll: time.Hour})
		got := request(t.Context(), a, deploy)
		if !b.self.Decide(b.only().ID, false, "human") {
			t.Fatal("not decided")
		}
		if r := <-got; r.err != nil || r.decision.Outcome != tool.Denied || r.took != 3*time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// An interruption of the events may have hidden the decision.
func TestADecisionWhileTheEventsWereInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := lay(t), &feed{}
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{Events: f.events, Poll: time.Hour})
		got := request(t.Context(), a, deploy)
		b.self.Decide(b.only().ID, true, "human")
		time.Sleep(time.Second)
		f.send(errors.New("the connection broke"))
		if r := <-got; r.err != nil || r.decision.Outcome != tool.Approved || r.took != time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// AP-3, AP-5: there is one deadline, and it is not later than the platform's.
func TestAnApprovalExpires(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 0: 5 * time.Minute, time.Hour: 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			b, f := lay(t), &feed{}
			a := tool.NewApprovals(b.client, tool.ApprovalOptions{Events: f.events, Timeout: given})
			r := <-request(t.Context(), a, deploy)
			if r.err != nil || r.decision.Outcome != tool.Expired || r.took != want {
				t.Errorf("a timeout of %v: %+v", given, r)
			}
		})
	}
}

func TestThePlatformLetsAnApprovalExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.self.AddApproval(registrytest.Approval{Action: "deploy", Reason: "it is ready", TaskID: "t", Status: "denied", DecidedBy: "auto-expired"})
		dir := t.TempDir()
		crashed(t, b, dir, "t") // between the request and its answer
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir})
		r := <-request(tool.WithTask(t.Context(), "t"), a, deploy)
		if r.err != nil || r.decision.Outcome != tool.Expired || r.decision.DecidedBy != "auto-expired" || r.took > time.Second {
			t.Errorf("%+v", r)
		}
		b.only() // the one from before was found
	})
}

// A decision that was made in time counts, however late the workspace is back.
func TestADecisionIsFoundAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := lay(t), t.TempDir()
		life, kill := context.WithCancel(tool.WithCallID(t.Context(), "c"))
		before := request(life, tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
		row := b.only()
		kill()
		<-before
		b.self.Decide(row.ID, true, "human")
		time.Sleep(time.Hour)
		r := <-request(tool.WithCallID(t.Context(), "c"), tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
		if r.err != nil || r.decision.Outcome != tool.Approved || r.took > time.Second {
			t.Errorf("%+v", r)
		}
	})
}

// crashed leaves in dir what a process leaves that dies before the platform has
// answered.
func crashed(t *testing.T, b *bed, dir, task string) {
	t.Helper()
	ctx, cancel := context.WithCancel(tool.WithTask(t.Context(), task))
	b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/approvals"), registrytest.Fault{Hang: true})
	got := request(ctx, tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
	synctest.Wait()
	cancel()
	if r := <-got; r.err == nil {
		t.Fatalf("%+v", r)
	}
}

// AP-7: a decision that comes while the workspace is down is found, and nobody
// is asked twice, whether it is the same call or the same question of the task.
func TestADecisionWhileTheWorkspaceWasDown(t *testing.T) {
	for name, ctx := range map[string]func(context.Context) context.Context{
		"the same call": func(ctx context.Context) context.Context { return tool.WithCallID(ctx, "call-1") },
		"the same task": func(ctx context.Context) context.Context { return tool.WithTask(ctx, "task-1") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, dir := lay(t), t.TempDir()
				life, kill := context.WithCancel(t.Context())
				before := request(ctx(life), tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
				row := b.only()
				kill()
				if r := <-before; !errors.Is(r.err, context.Canceled) {
					t.Fatalf("%+v", r)
				}
				b.self.Decide(row.ID, true, "human")
				time.Sleep(time.Minute)

				a := tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir, Events: (&feed{}).events, Poll: time.Hour})
				if open := a.Open(); len(open) != 1 || open[0].ID != row.ID {
					t.Errorf("restored: %+v", open)
				}
				r := <-request(ctx(t.Context()), a, deploy)
				if r.err != nil || r.decision.Outcome != tool.Approved || r.decision.ApprovalID != row.ID || r.took > time.Second {
					t.Errorf("%+v", r)
				}
				b.only()

				// The same call gets the same answer again, also after another
				// restart; the same words in the task are another deed.
				a = tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir, Timeout: 8 * time.Minute})
				again := request(ctx(t.Context()), a, deploy)
				synctest.Wait()
				if n := len(b.self.Approvals()); n != map[string]int{"the same call": 1, "the same task": 2}[name] {
					t.Errorf("the person was asked %d times", n)
				}
				<-again
			})
		})
	}
}

// A leave counts also when the workspace was down until long after the time of
// its request; without one the person is asked anew.
func TestADecisionWhileTheWorkspaceWasDownForLong(t *testing.T) {
	for name, decide := range map[string]func(w *registrytest.Workspace, id string){
		"approved": func(w *registrytest.Workspace, id string) { w.Decide(id, true, "human") },
		"denied":   func(w *registrytest.Workspace, id string) { w.Decide(id, false, "human") },
		"open":     func(*registrytest.Workspace, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, dir := lay(t), t.TempDir()
				life, kill := context.WithCancel(tool.WithTask(t.Context(), "task-1"))
				before := request(life, tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
				row := b.only()
				kill()
				<-before
				decide(b.self, row.ID)
				time.Sleep(time.Hour)
				b.platform.Fail(registrytest.To("GET", "/workspaces/"+selfID+"/approvals"), registrytest.Fault{Status: 503})
				r := <-request(tool.WithTask(t.Context(), "task-1"), tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
				want, asked := tool.ApprovalOutcome(name), 1
				if name == "open" {
					want, asked = tool.Expired, 2
				}
				if r.err != nil || r.decision.Outcome != want || (r.decision.ApprovalID == row.ID) != (asked == 1) {
					t.Errorf("%+v", r)
				}
				if n := len(b.self.Approvals()); n != asked {
					t.Errorf("the person was asked %d times, want %d", n, asked)
				}
			})
		})
	}
}

// The deadline counts from when the person was asked, not from the restart.
func TestARestartDoesNotMoveTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := lay(t), t.TempDir()
		life, kill := context.WithTimeout(tool.WithCallID(t.Context(), "c"), 4*time.Minute)
		defer kill()
		<-request(life, tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
		r := <-request(tool.WithCallID(t.Context(), "c"), tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
		if r.decision.Outcome != tool.Expired || r.took != time.Minute {
			t.Errorf("%+v", r)
		}
	})
}

// When the answer to the request is lost, the request is found in the list
// instead of being made a second time.
func TestARequestWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"lost": {Lost: true}, "half open": {HalfOpen: true}, "truncated": {Truncate: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/approvals"), fault)
				got := request(t.Context(), tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: t.TempDir()}), deploy)
				time.Sleep(time.Minute)
				b.self.Decide(b.only().ID, true, "human")
				if r := <-got; r.err != nil || r.decision.Outcome != tool.Approved {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

func TestThePlatformIsAwayWhenAnApprovalIsRequested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.platform.Down()
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: t.TempDir(), Timeout: time.Minute})
		if r := <-request(t.Context(), a, deploy); r.err == nil || r.decision.Outcome != "" || r.took != time.Minute {
			t.Errorf("%+v", r)
		}
		if open := a.Open(); len(open) != 0 {
			t.Errorf("%+v", open)
		}
		got := request(t.Context(), a, deploy)
		time.Sleep(20 * time.Second)
		if err := b.platform.Up(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		b.self.Decide(b.only().ID, true, "human")
		if r := <-got; r.err != nil || r.decision.Outcome != tool.Approved {
			t.Errorf("%+v", r)
		}
	})
}

// A leave is for what was asked, also when an id is used twice.
func TestACallIDIsForOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{})
		ctx := tool.WithCallID(t.Context(), "c")
		got := request(ctx, a, deploy)
		b.self.Decide(b.only().ID, true, "human")
		<-got
		r := <-request(ctx, a, tool.ApprovalRequest{Action: "delete everything", Reason: deploy.Reason})
		if !errors.Is(r.err, tool.ErrInput) || r.decision.Outcome != "" {
			t.Errorf("%+v", r)
		}
		b.only()
	})
}

// Two that wait for the same call are one request.
func TestTheSameCallTwiceAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{})
		first, cancel := context.WithCancel(tool.WithCallID(t.Context(), "c"))
		one := request(first, a, deploy)
		row := b.only()
		two := request(tool.WithCallID(t.Context(), "c"), a, deploy)
		synctest.Wait()
		cancel() // the second one takes over
		if r := <-one; !errors.Is(r.err, context.Canceled) {
			t.Errorf("%+v", r)
		}
		b.self.Decide(row.ID, true, "human")
		if r := <-two; r.err != nil || r.decision.Outcome != tool.Approved {
			t.Errorf("%+v", r)
		}
		b.only()
	})
}

func TestApprovalFilesAreWholeAndPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := lay(t), filepath.Join(t.TempDir(), "a", "b")
		life, kill := context.WithCancel(tool.WithCallID(t.Context(), "../../x"))
		got := request(life, tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}), deploy)
		b.only()
		kill()
		<-got
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || !strings.HasSuffix(entries[0].Name(), ".json") {
			t.Fatalf("%v, %v", entries, err)
		}
		info, err := entries[0].Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		// What is damaged is left, and hides nothing else.
		if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{"call_id":`), 0o600); err != nil {
			t.Fatal(err)
		}
		if open := tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}).Open(); len(open) != 1 {
			t.Errorf("restored: %+v", open)
		}
		time.Sleep(25 * time.Hour)
		if open := tool.NewApprovals(b.client, tool.ApprovalOptions{Dir: dir}).Open(); len(open) != 0 {
			t.Errorf("kept for more than a day: %+v", open)
		}
	})
}

func TestTheApprovalTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		a := tool.NewApprovals(b.client, tool.ApprovalOptions{})
		table := b.table(tool.Platform{Approvals: a})
		for outcome, words := range map[tool.ApprovalOutcome]string{
			tool.Approved: "Approved by human. This is for one time", tool.Denied: "Denied by human. Do not do it", tool.Expired: "That is no approval",
		} {
			n := len(b.self.Approvals())
			done := make(chan tool.Result, 1)
			go func() {
				result, err := table.Call(t.Context(), "request_approval", json.RawMessage(`{"action":"x","reason":"y","details":{"n":1}}`))
				if err != nil {
					t.Error(err)
				}
				done <- result
			}()
			synctest.Wait()
			row := b.self.Approvals()[n]
			if string(row.Context) != `{"n":1}` {
				t.Errorf("the person sees %s", row.Context)
			}
			if outcome != tool.Expired {
				b.self.Decide(row.ID, outcome == tool.Approved, "human")
			}
			result := <-done
			var out struct {
				Approved bool
				Outcome  tool.ApprovalOutcome
			}
			if err := json.Unmarshal(result.Structured, &out); err != nil || out.Outcome != outcome || out.Approved != (outcome == tool.Approved) || !strings.Contains(result.Text, words) {
				t.Errorf("%s: %+v, %v", outcome, result, err)
			}
		}
		// The runtime could, and must not.
		for _, r := range b.platform.Requests() {
			if strings.HasSuffix(r.Path, "/decide") {
				t.Error("the workspace has decided itself")
			}
		}
	})
}
