package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func TestWhatATurnKnows(t *testing.T) {
	type seen struct {
		Text, Task, Context, Message string
		Files                        []runtime.File
		History                      int
		Metadata                     any
	}
	got := make(chan seen, 1)
	b := lay(t, true, runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
		got <- seen{turn.Text(), turn.TaskID(), turn.ContextID(), turn.MessageID(), turn.Files(), len(turn.History()), turn.Metadata()["who"]}
		return nil
	}))
	b.run()
	b.alive()
	_, _, err := b.platform.Call(t.Context(), workspaceID, "message/send", map[string]any{
		"message": map[string]any{"role": "user", "messageId": "m-1", "contextId": "c-1", "parts": []any{
			map[string]any{"kind": "text", "text": "one"},
			map[string]any{"type": "text", "text": "two"},
			map[string]any{"kind": "file", "file": map[string]any{"uri": "workspace:/x.png", "name": "x.png", "mimeType": "image/png"}},
		}},
		"metadata": map[string]any{"who": "canvas", "history": []any{
			map[string]any{"role": "user", "parts": []any{map[string]any{"kind": "text", "text": "before"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	turn := <-got
	if turn.Task == "" {
		t.Error("no task id")
	}
	turn.Task = ""
	want := seen{"one\ntwo", "", "c-1", "m-1", []runtime.File{{Name: "x.png", MediaType: "image/png", URL: "workspace:/x.png"}}, 1, "canvas"}
	if diff := cmp.Diff(want, turn); diff != "" {
		t.Errorf("the turn (-want +got):\n%s", diff)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestWhatAReplyCarries(t *testing.T) {
	b := lay(t, true, runtime.AgentFunc(func(_ context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
		fmt.Fprint(reply, "text ")
		if _, err := reply.WriteString("more"); err != nil {
			return err
		}
		reply.Usage(3, 4)
		reply.Usage(1, 1)
		reply.ToolCall(runtime.ToolCall{Name: "search", Input: "q", Output: "a"})
		if err := reply.File(runtime.File{}); err == nil {
			return errors.New("an empty file is accepted")
		}
		if err := reply.File(runtime.File{URL: "u", Bytes: []byte("b")}); err == nil {
			return errors.New("a file that is two is accepted")
		}
		if err := reply.Data(nil); err == nil {
			return errors.New("no data is accepted")
		}
		return errors.Join(reply.Data(map[string]any{"a": 1}), reply.File(runtime.File{Name: "f", MediaType: "text/plain", Bytes: []byte("x")}))
	}))
	b.run()
	b.alive()
	status, r := b.say("go")
	if status != http.StatusOK || r.Result.Status.State != "completed" {
		t.Fatalf("got %d %+v", status, r)
	}
	if r.text() != "text more" {
		t.Errorf("text = %q", r.text())
	}
	if diff := cmp.Diff(map[string]int{"input_tokens": 4, "output_tokens": 5}, r.Result.Usage); diff != "" {
		t.Errorf("result.usage (-want +got):\n%s", diff)
	}
	if _, ok := r.Result.Metadata["tool_trace"]; !ok {
		t.Error("no result.metadata.tool_trace")
	}
	kinds := []string{}
	for _, p := range r.Result.Artifacts[0].Parts {
		kinds = append(kinds, p.Kind)
	}
	if diff := cmp.Diff([]string{"text", "data", "file"}, kinds); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestAFailingAgentGivesASafeTextAndTheProcessLives(t *testing.T) {
	var log buffer
	b := lay(t, true, runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
		switch turn.Text() {
		case "fail":
			return errors.New("could not open s3cr3t-key")
		case "public":
			return fmt.Errorf("wrapped: %w", runtime.Public(errors.New("s3cr3t-key"), "the model is overloaded"))
		case "panic":
			panic("s3cr3t-key")
		}
		return nil
	}), runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	b.run()
	b.alive()
	for _, c := range []struct{ say, want string }{{"fail", ""}, {"panic", ""}, {"public", "the model is overloaded"}} {
		_, raw, err := b.platform.Say(t.Context(), workspaceID, c.say)
		if err != nil {
			t.Fatal(err)
		}
		if body := string(raw); !strings.Contains(body, `"failed"`) || strings.Contains(body, "s3cr3t") || !strings.Contains(body, c.want) {
			t.Errorf("%s: the caller reads %s", c.say, body)
		}
	}
	if !strings.Contains(log.String(), "could not open") {
		t.Errorf("the log does not have the details:\n%s", log.String())
	}
	b.await("the error rate arrives", func() bool { return b.row.LastHeartbeat().ErrorRate == 1 })
	for _, beat := range b.row.Heartbeats() {
		if strings.Contains(beat.SampleError, "s3cr3t") || strings.Contains(beat.SampleError, "could not open") {
			t.Errorf("the platform is told %q", beat.SampleError)
		}
	}
	if status, r := b.say("well"); status != http.StatusOK || r.Result.Status.State != "completed" {
		t.Errorf("the next turn: %d %+v", status, r)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestEveryTurnIsSeenByThePlatform(t *testing.T) {
	begun, go_ := make(chan struct{}), make(chan struct{})
	b := lay(t, false, runtime.AgentFunc(func(_ context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
		reply.Label("thinking")
		close(begun)
		<-go_
		return nil
	}), runtime.WithHeartbeatInterval(time.Minute))
	b.run()
	b.alive()
	answered := make(chan struct{})
	go func() { defer close(answered); _, _, _ = b.platform.Say(t.Context(), workspaceID, "a\nlong\ttask") }()
	<-begun
	b.await("the task shows", func() bool {
		beat := b.row.LastHeartbeat()
		return beat.ActiveTasks == 1 && beat.CurrentTask == "thinking"
	})
	close(go_)
	<-answered
	b.await("its end shows", func() bool {
		beat := b.row.LastHeartbeat()
		return beat.ActiveTasks == 0 && beat.CurrentTask == ""
	})
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// versatile has every optional interface.
type versatile struct {
	setUp  error
	closed int
	ws     *runtime.Workspace
	name   string
}

func (v *versatile) Run(context.Context, *runtime.Turn, *runtime.Reply) error { return nil }
func (v *versatile) Describe() runtime.Description {
	return runtime.Description{Name: v.name, Version: "9.9.9", Skills: []runtime.Skill{{ID: "s", Description: "does s"}}}
}
func (v *versatile) SetUp(_ context.Context, ws *runtime.Workspace) error { v.ws = ws; return v.setUp }
func (v *versatile) Capabilities() runtime.Capabilities                   { return runtime.Capabilities{Scheduler: true} }
func (v *versatile) IdleTimeout() time.Duration                           { return 15 * time.Minute }
func (v *versatile) Close(context.Context) error                          { v.closed++; return nil }

func TestOptionalInterfaces(t *testing.T) {
	agent := &versatile{name: "first name"}
	b := lay(t, true, agent)
	b.run()
	b.alive()
	beat := b.row.LastHeartbeat()
	if !beat.Capabilities["scheduler"] || beat.IdleSeconds != 900 {
		t.Errorf("the first heartbeat: %+v", beat)
	}
	if _, card := b.get("/.well-known/agent-card.json"); !strings.Contains(card, "first name") || !strings.Contains(card, "does s") {
		t.Errorf("card: %s", card)
	}
	if agent.ws == nil || agent.ws.ID != workspaceID || agent.ws.Config == nil || agent.ws.Platform == nil || agent.ws.Logger == nil {
		t.Errorf("set-up got %+v", agent.ws)
	}
	agent.name = "second name"
	if err := agent.ws.Announce(); err != nil {
		t.Fatal(err)
	}
	b.await("the new card arrives", func() bool { return strings.Contains(string(b.row.Card()), "second name") })
	if err := b.end(); err != nil {
		t.Error(err)
	}
	if agent.closed != 1 {
		t.Errorf("closed %d times", agent.closed)
	}
}

func TestASetUpThatFailsEndsRun(t *testing.T) {
	agent := &versatile{setUp: errors.New("no model key")}
	b := lay(t, true, agent)
	if err := b.ws.Run(t.Context()); !errors.Is(err, agent.setUp) {
		t.Errorf("Run() = %v, want the agent's error", err)
	}
	if agent.closed != 1 {
		t.Errorf("closed %d times", agent.closed)
	}
	if n := len(b.platform.Requests()); n != 0 {
		t.Errorf("%d requests to the platform", n)
	}
}

func TestDrain(t *testing.T) {
	for _, c := range []struct {
		name    string
		turn    time.Duration
		drain   time.Duration
		refused bool // the turn is cut off
	}{
		{"a turn within the deadline is finished", time.Second, 8 * time.Second, false},
		{"a turn beyond it is cut off", time.Minute, 300 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := make(chan struct{})
			cause := make(chan error, 1)
			b := lay(t, false, runtime.AgentFunc(func(ctx context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
				close(begun)
				timer := time.NewTimer(c.turn)
				defer timer.Stop()
				select {
				case <-timer.C:
					_, err := io.WriteString(reply, "done")
					return err
				case <-ctx.Done():
					cause <- context.Cause(ctx)
					return ctx.Err()
				}
			}), runtime.WithDrainTimeout(c.drain))
			b.run()
			b.alive()
			answer := make(chan string, 1)
			go func() {
				_, raw, err := b.platform.Say(t.Context(), workspaceID, "work")
				answer <- fmt.Sprint(string(raw), err)
			}()
			<-begun
			b.stop()
			b.until("/readyz", func(_ int, body string) bool { return strings.Contains(body, "draining") })
			// 503 and not an error with status 200, which would count as delivered.
			if status, _ := b.post("too late"); status != http.StatusServiceUnavailable {
				t.Errorf("a message while draining is answered with %d, want 503", status)
			}
			if err := b.end(); err != nil {
				t.Errorf("Run() = %v", err)
			}
			got := <-answer
			if c.refused {
				if err := <-cause; !errors.Is(err, runtime.ErrShutdown) {
					t.Errorf("cause = %v, want ErrShutdown", err)
				}
				if !strings.Contains(got, `"failed"`) {
					t.Errorf("the caller reads %s", got)
				}
			} else if !strings.Contains(got, "done") || !strings.Contains(got, `"completed"`) {
				t.Errorf("the caller reads %s", got)
			}
		})
	}
}
