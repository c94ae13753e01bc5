package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/examples/internal/demo"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
	"go.uber.org/goleak"
)

// TestMain lets this test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		os.Args = os.Args[:1]
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// bed is a model that answers as a test says, and an agent with it.
type bed struct {
	*demo.Stage
	ctx   context.Context
	agent *Agent
	log   *logbook

	mu    sync.Mutex
	asked []ask
}

type ask struct {
	Model    string
	Messages []Message
	Tools    []json.RawMessage
}

const key = "sk-very-secret"

// lay makes a bed: the model's answer to the n-th request, from 0, is what
// answer writes.
func lay(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int, a ask), tools ...*tool.Tool) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	b := &bed{ctx: ctx, log: &logbook{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a ask
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		n := len(b.asked)
		b.asked = append(b.asked, a)
		b.mu.Unlock()
		answer(w, r, n, a)
	}))
	b.agent = &Agent{Model: Endpoint{BaseURL: server.URL + "/v1", Key: key, Model: "m", Pause: time.Millisecond}}
	stage, err := demo.Start(ctx, b.agent, runtime.WithTools(tools...),
		runtime.WithLogger(slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	b.Stage = stage
	t.Cleanup(func() {
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		cancel()
		if strings.Contains(b.log.String(), key) {
			t.Error("the log has the key")
		}
	})
	return b
}

// results are what the model was told of its calls in its n-th request.
func (b *bed) results(n int) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.asked[n].Messages {
		if m.Role == "tool" {
			all = append(all, m.ToolCallID+": "+m.Content)
		}
	}
	return all
}

func calls(w http.ResponseWriter, all ...ToolCall) {
	for i, c := range all {
		raw, _ := json.Marshal(c)
		event(w, `{"choices":[{"delta":{"tool_calls":[{"index":%d,%s]}}]}`, i, raw[1:])
	}
	event(w, `{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}`)
}

func finish(w http.ResponseWriter, text string) {
	say(w, text)
	event(w, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`)
}

// running is the one task there is.
func (b *bed) running(t *testing.T) string {
	t.Helper()
	status, raw, err := b.Platform.Call(b.ctx, demo.WorkspaceID, "ListTasks", map[string]any{})
	var list struct {
		Result struct{ Tasks []struct{ ID string } }
	}
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil || len(list.Result.Tasks) != 1 {
		t.Fatalf("%d %s %v", status, raw, err)
	}
	return list.Result.Tasks[0].ID
}

// logbook is a log that is read while it is written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
