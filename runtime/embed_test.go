package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// A program with a server of its own mounts the handler below a path.
func TestALifeOnAServerOfOnesOwn(t *testing.T) {
	b := lay(t, false, parrot)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	ws, err := runtime.New(parrot,
		runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL(b.platform.URL()), runtime.WithConfigDir(b.dir),
		runtime.WithAgentURL("http://localhost"+port+"/one"), runtime.WithoutServer())
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/one/", http.StripPrefix("/one", ws.Handler()))
	mux.HandleFunc("/one", func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/one", ws.Handler()).ServeHTTP(w, r)
	})
	b.ws = ws
	b.run()
	b.alive()
	if got := b.row.URL(); got != "http://localhost"+port+"/one" {
		t.Errorf("the platform knows the workspace at %q", got)
	}
	b.url = server.URL + "/one/"
	if status, body := b.post("hello"); status != http.StatusOK || !strings.Contains(body, "You said: hello") {
		t.Errorf("a message: %d %s", status, body)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
	if status, _ := b.post("too late"); status != http.StatusServiceUnavailable {
		t.Errorf("a message after the end: %d, want 503", status)
	}
}

func TestTheListenerIsClosedWhenALifeEndsBeforeItBegan(t *testing.T) {
	b := lay(t, false, parrot)
	if err := os.WriteFile(filepath.Join(b.dir, "config.yaml"), []byte("tier: 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.ws.Run(t.Context()); err == nil {
		t.Error("Run() = nil, want an error")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err == nil {
		resp.Body.Close()
		t.Error("somebody still listens")
	}
}

// A caller that changes its mind is nobody's failure.
func TestACanceledTurnIsNoError(t *testing.T) {
	begun := make(chan string, 1)
	cause := make(chan error, 1)
	b := lay(t, false, runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
		begun <- turn.TaskID()
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	}))
	b.run()
	b.alive()
	answer := make(chan string, 1)
	go func() { _, body := b.post("work"); answer <- body }()
	id := <-begun
	status, body := b.call("tasks/cancel", map[string]any{"id": id})
	if status != http.StatusOK || !strings.Contains(body, `"canceled"`) {
		t.Errorf("tasks/cancel: %d %s", status, body)
	}
	if err := <-cause; !errors.Is(err, runtime.ErrCanceled) {
		t.Errorf("cause = %v, want ErrCanceled", err)
	}
	if got := <-answer; !strings.Contains(got, `"canceled"`) {
		t.Errorf("the caller reads %s", got)
	}
	b.await("the end shows", func() bool { return b.row.LastHeartbeat().ActiveTasks == 0 })
	if beat := b.row.LastHeartbeat(); beat.ErrorRate != 0 || beat.SampleError != "" {
		t.Errorf("the heartbeat says %v %q, want no error", beat.ErrorRate, beat.SampleError)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// fickle is an agent whose optional methods go wrong once it is running.
type fickle struct {
	bad atomic.Bool
	ws  *runtime.Workspace
}

func (f *fickle) Run(_ context.Context, turn *runtime.Turn, _ *runtime.Reply) error { return nil }

func (f *fickle) SetUp(_ context.Context, ws *runtime.Workspace) error { f.ws = ws; return nil }

func (f *fickle) Describe() runtime.Description {
	if f.bad.Load() {
		return runtime.Description{Skills: []runtime.Skill{{ID: "twice"}, {ID: "twice"}}}
	}
	return runtime.Description{Name: "good"}
}

func (f *fickle) Capabilities() runtime.Capabilities {
	if f.bad.Load() {
		panic("capabilities")
	}
	return runtime.Capabilities{}
}

func TestABadDescriptionLeavesTheOldCardAndABadAnswerEndsNothing(t *testing.T) {
	agent := &fickle{}
	b := lay(t, false, agent)
	b.run()
	b.alive()
	agent.bad.Store(true)
	if err := agent.ws.Announce(); err == nil || !strings.Contains(err.Error(), `"twice"`) {
		t.Errorf("Announce() = %v, want what is wrong", err)
	}
	if _, card := b.get("/.well-known/agent-card.json"); !strings.Contains(card, "good") {
		t.Errorf("the card is %s", card)
	}
	if status, body := b.post("go"); status != http.StatusOK || strings.Contains(body, "capabilities") {
		t.Errorf("a turn after which Capabilities panics: %d %s", status, body)
	}
	b.await("the turn is over", func() bool { return b.row.LastHeartbeat().ActiveTasks == 0 })
	agent.bad.Store(false)
	if status, body := b.post("again"); status != http.StatusOK || !strings.Contains(body, `"completed"`) {
		t.Errorf("the next turn: %d %s", status, body)
	}
	if n := b.ws.State().ActiveTasks(); n != 0 {
		t.Errorf("%d tasks are counted as running, want none", n)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestNewFindsABadDescription(t *testing.T) {
	agent := &fickle{}
	agent.bad.Store(true)
	_, err := runtime.New(agent, runtime.WithWorkspaceID("nonsense"), runtime.WithPlatformURL("http://platform.test"))
	if err == nil || !strings.Contains(err.Error(), `"twice"`) || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("New() = %v, want both faults", err)
	}
	var none runtime.AgentFunc
	if _, err := runtime.New(none); err == nil || !strings.Contains(err.Error(), "agent is nil") {
		t.Errorf("New(nil func) = %v", err)
	}
}
