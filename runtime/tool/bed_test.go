package tool_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

const (
	selfID  = "11111111-2222-4333-8444-555555555555"
	peerID  = "22222222-2222-4333-8444-555555555555"
	otherID = "33333333-2222-4333-8444-555555555555"
)

// bearer adds a token, which the platform demands.
type bearer struct {
	base  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.base.RoundTrip(r)
}

// bed is a workspace with a peer below it, on a platform in memory.
type bed struct {
	t        *testing.T
	platform *registrytest.Platform
	self     *registrytest.Workspace
	peer     *registrytest.Workspace
	agent    *agent
	client   *registry.Client
	token    string // of the client
}

// lay makes one. Its peer is a container: messages reach it through the
// platform, and nothing else is allowed to.
func lay(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, platform: registrytest.NewPlatform(t, registrytest.WithInMemory()), agent: &agent{t: t}}
	t.Cleanup(b.platform.CloseIdleConnections)
	url, err := b.platform.ServeAgent("localhost:9001", b.agent)
	if err != nil {
		t.Fatal(err)
	}
	b.self = b.platform.AddWorkspace(selfID, registrytest.WithName("boss"))
	b.peer = b.platform.AddWorkspace(peerID, registrytest.WithName("Researcher"), registrytest.WithRole("reads papers"), registrytest.WithParent(selfID))
	b.register(b.peer, url, `{"name":"r"}`)
	b.client = b.clientOf(b.self)
	return b
}

// clientOf makes a client that speaks for a workspace with a token of its own.
func (b *bed) clientOf(w *registrytest.Workspace) *registry.Client {
	b.t.Helper()
	b.token = w.IssueToken()
	c, err := registry.NewClient(b.platform.URL(), w.ID(),
		registry.WithTransport(bearer{b.platform.Transport(), b.token}), registry.WithRetry(registry.Retry{Attempts: 1}))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bed) register(w *registrytest.Workspace, url, card string) {
	b.t.Helper()
	if _, err := b.clientOf(w).Register(b.t.Context(), registry.RegisterRequest{URL: url, AgentCard: json.RawMessage(card)}); err != nil {
		b.t.Fatal(err)
	}
}

// table makes the platform's tools; operator is everything but admin.
func (b *bed) table(p tool.Platform, roles ...string) *tool.Table {
	b.t.Helper()
	p.Client = b.client
	if roles == nil {
		roles = []string{"operator"}
	}
	return mustTable(b.t, p.Tools(), tool.WithRoles(tool.NewRoles(roles, nil)))
}

// call calls a tool and expects that it works.
func call[Out any](t *testing.T, table *tool.Table, name, input string) (Out, string) {
	t.Helper()
	result, err := table.Call(t.Context(), name, json.RawMessage(input))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out Out
	if err := json.Unmarshal(result.Structured, &out); err != nil {
		t.Fatalf("%s: %v: %s", name, err, result.Structured)
	}
	return out, result.Text
}

// fails calls a tool and expects an error whose text has these words.
func fails(t *testing.T, table *tool.Table, name, input string, words ...string) error {
	t.Helper()
	result, err := table.Call(t.Context(), name, json.RawMessage(input))
	if err == nil || !result.IsError {
		t.Errorf("%s %s: no error, but %+v", name, input, result)
		return err
	}
	for _, w := range words {
		if !strings.Contains(result.Text, w) {
			t.Errorf("%s %s:\n%q is missing in\n%s", name, input, w, result.Text)
		}
	}
	return err
}

// agent is the peer. It answers with the scripts in turn, and with the last one
// from then on.
type agent struct {
	t *testing.T

	mu      sync.Mutex // guards what follows
	scripts []http.HandlerFunc
	heard   []heard
}

// heard is a message as the peer got it.
type heard struct {
	Method, MessageID, Text, TaskID, ID string
	Metadata                            map[string]any
	Header                              http.Header
}

func (a *agent) script(scripts ...http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scripts = scripts
}

func (a *agent) messages() []heard {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]heard(nil), a.heard...)
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var body struct {
		Method string
		Params struct {
			ID      string
			Message struct {
				MessageID, TaskID string
				Parts             []struct{ Text string }
			}
			Metadata map[string]any
		}
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		a.t.Errorf("the peer got %s: %v", raw, err)
	}
	h := heard{Method: body.Method, MessageID: body.Params.Message.MessageID, TaskID: body.Params.Message.TaskID, ID: body.Params.ID,
		Metadata: body.Params.Metadata, Header: r.Header.Clone()}
	for _, p := range body.Params.Message.Parts {
		h.Text += p.Text
	}
	a.mu.Lock()
	a.heard = append(a.heard, h)
	next := says("echo: " + h.Text)
	if len(a.scripts) > 0 {
		next = a.scripts[0]
		if len(a.scripts) > 1 {
			a.scripts = a.scripts[1:]
		}
	}
	a.mu.Unlock()
	next(w, r)
}

// result answers with a JSON-RPC result.
func result(json string) http.HandlerFunc {
	return body(`{"jsonrpc":"2.0","id":"1","result":` + json + `}`)
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func says(text string) http.HandlerFunc {
	raw, _ := json.Marshal(text)
	return result(`{"kind":"message","role":"agent","messageId":"m","parts":[{"kind":"text","text":` + string(raw) + `}]}`)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// drops closes the connection without an answer, which the platform takes for
// busy.
func drops(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// breaks off in the middle of an answer.
func breaks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"jsonrpc"`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// within ends with the test or after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
