package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/examples/internal/demo"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

func TestTheProgramAlone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = []string{"BE_THE_PROGRAM=1", "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Let me see who is there.\n\nThey say: SAY HELLO!") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestTheModelFindsAPeerAndDelegates(t *testing.T) {
	b := lay(t, func(w http.ResponseWriter, _ *http.Request, _ int, a ask) { script(w, a.Messages) })
	said, err := b.Say(b.ctx, "who is there?")
	if err != nil || said != "Let me see who is there.\n\nThey say: SAY HELLO!" {
		t.Errorf("%q, %v", said, err)
	}
	if got := b.asked[0]; got.Model != "m" || len(got.Tools) < 9 || got.Messages[0].Role != "system" || got.Messages[1].Content != "who is there?" {
		t.Errorf("the first request is %+v", got)
	}
	delegated := 0
	for _, r := range b.Platform.Requests() {
		if r.Path == "/workspaces/"+demo.PeerID+"/a2a" && strings.Contains(string(r.Body), "say hello") {
			delegated++
		}
	}
	if delegated != 1 {
		t.Errorf("the platform saw %d delegations, want one", delegated)
	}
}

// What was said before is told to the model, each in its role.
func TestTheModelKnowsTheHistory(t *testing.T) {
	b := lay(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ ask) { finish(w, "Bob") })
	part := func(text string) []any { return []any{map[string]any{"kind": "text", "text": text}} }
	status, raw, err := b.Platform.Call(b.ctx, demo.WorkspaceID, "message/send", map[string]any{
		"message": map[string]any{"role": "user", "messageId": "m", "parts": part("Who am I?")},
		"metadata": map[string]any{"history": []any{
			map[string]any{"role": "user", "parts": part("I am Bob.")},
			map[string]any{"role": "agent", "parts": part("Hello Bob.")},
		}},
	})
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, raw, err)
	}
	var got []string
	for _, m := range b.asked[0].Messages[1:] {
		got = append(got, m.Role+": "+m.Content)
	}
	if want := "user: I am Bob.|assistant: Hello Bob.|user: Who am I?"; strings.Join(got, "|") != want {
		t.Errorf("the model was told %q, want %q", got, want)
	}
}

// Parallel calls run at the same time, have identities of their own though the
// model gives them the same, and their results are in the model's order.
func TestParallelCalls(t *testing.T) {
	var meet sync.WaitGroup
	meet.Add(2)
	ids := make(chan string, 4)
	both := tool.New("both", "Waits for the other.", func(ctx context.Context, in struct {
		Name string `json:"name"`
	}) (string, error) {
		ids <- tool.CallID(ctx)
		meet.Done()
		meet.Wait()
		return "met " + in.Name, nil
	})
	b := lay(t, func(w http.ResponseWriter, _ *http.Request, n int, _ ask) {
		if n == 0 {
			calls(w, call("c", "both", `{"name":"ann"}`), call("c", "both", `{"name":"bob"}`))
			return
		}
		finish(w, "done")
	}, both)
	if said, err := b.Say(b.ctx, "x"); err != nil || said != "done" {
		t.Errorf("%q, %v", said, err)
	}
	if got := fmt.Sprint(b.results(1)); got != "[c: met ann c: met bob]" {
		t.Errorf("the model was told %s", got)
	}
	if one, two := <-ids, <-ids; one == two || !strings.HasSuffix(one, "/c") {
		t.Errorf("the calls are %s and %s", one, two)
	}
}

// What goes wrong with a tool is for the model to read, and the turn goes on.
func TestTheModelReadsWhatItsToolsSay(t *testing.T) {
	b := lay(t, func(w http.ResponseWriter, _ *http.Request, n int, _ ask) {
		if n == 0 {
			calls(w, call("1", "no_such_tool", "{}"), call("2", "commit_memory", `{"content":`), call("3", "commit_memory", "{}"),
				call("4", "delegate_task", `{"workspace_id":"me","task":"x"}`))
			return
		}
		finish(w, "I see")
	})
	if said, err := b.Say(b.ctx, "x"); err != nil || said != "I see" {
		t.Errorf("%q, %v", said, err)
	}
	for i, want := range []string{"there is no tool of this name", "is not JSON", "content is missing", "workspace_id"} {
		if got := b.results(1)[i]; !strings.Contains(got, want) {
			t.Errorf("the model was told %q, want %q", got, want)
		}
	}
	for _, m := range b.asked[1].Messages {
		for _, c := range m.ToolCalls {
			if !json.Valid([]byte(c.Function.Arguments)) {
				t.Errorf("the history has the arguments %s", c.Function.Arguments)
			}
		}
	}
}

func TestTurnsThatFailSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, n int)
		want   string
		asked  int
	}{
		"401": {func(w http.ResponseWriter, _ int) { http.Error(w, key, http.StatusUnauthorized) }, "does not accept this workspace's key", 1},
		"429": {func(w http.ResponseWriter, _ int) { http.Error(w, "", http.StatusTooManyRequests) }, "busy or its quota", attempts},
		"500": {func(w http.ResponseWriter, _ int) { http.Error(w, "", http.StatusInternalServerError) }, "has failed", attempts},
		"too many rounds": {func(w http.ResponseWriter, _ int) { calls(w, call("1", "list_peers", "{}")) },
			"has asked for tools 16 times", maxRounds},
		"broken": {func(w http.ResponseWriter, _ int) {
			say(w, "half an")
			panic(http.ErrAbortHandler)
		}, "broke off: send the message again", 1},
		"nothing": {func(w http.ResponseWriter, _ int) { finish(w, "") }, "has answered nothing", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := lay(t, func(w http.ResponseWriter, _ *http.Request, n int, _ ask) { c.answer(w, n) })
			if said, err := b.Say(b.ctx, "x"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v, want %q", said, err, c.want)
			}
			if b.mu.Lock(); len(b.asked) != c.asked {
				t.Errorf("the model was asked %d times, want %d", len(b.asked), c.asked)
			}
			b.mu.Unlock()
		})
	}
}

// A caller that cancels in the middle of the stream ends the model's work too.
func TestCancelInTheMiddleOfTheStream(t *testing.T) {
	gone := make(chan struct{})
	begun := make(chan struct{})
	b := lay(t, func(w http.ResponseWriter, r *http.Request, _ int, _ ask) {
		say(w, "a long story ")
		close(begun)
		<-r.Context().Done()
		close(gone)
	})
	answered := make(chan string, 1)
	go func() {
		said, err := b.Say(b.ctx, "x")
		answered <- fmt.Sprint(said, err)
	}()
	<-begun
	if status, raw, err := b.Platform.Call(b.ctx, demo.WorkspaceID, "tasks/cancel", map[string]any{"id": b.running(t)}); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, raw, err)
	}
	select {
	case <-gone:
	case <-b.ctx.Done():
		t.Fatal("the model goes on")
	}
	if got := <-answered; !strings.Contains(got, "canceled") {
		t.Errorf("the caller got %s", got)
	}
}

func TestSetUpSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{}, "no endpoint"},
		{map[string]string{"OPENAI_API_KEY": key}, "no model: set MODEL"},
	} {
		e := fromEnv(func(name string) string { return c.env[name] })
		_, err := demo.Start(t.Context(), &Agent{Model: e}, runtime.WithTools())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), key) {
			t.Errorf("%v: %v", c.env, err)
		}
	}
}
