package runtime_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// The platform keeps a message that was answered with 503 and delivers it
// again; one that was answered with an error and 200 is lost.
func TestAMessageTooManyIsAnsweredWith503(t *testing.T) {
	begun, end := make(chan struct{}, 1), make(chan struct{})
	b := lay(t, false, runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error {
		begun <- struct{}{}
		<-end
		return nil
	}), runtime.WithLimits(runtime.Limits{Turns: 1, Queued: -1, Body: 4096}))
	b.run()
	b.alive()
	first := make(chan int, 1)
	go func() { status, _ := b.post("first"); first <- status }()
	<-begun
	status, body := b.post("second")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "busy") {
		t.Errorf("the second message: %d %s, want 503 and why", status, body)
	}
	close(end)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first message: %d", status)
	}
	if status, _ := b.post(strings.Repeat("x", 5000)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a message over the limit: %d, want 413", status)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestHandlerBeforeRun(t *testing.T) {
	ws, err := runtime.New(parrot, runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL("http://platform.test"),
		runtime.WithoutServer(), runtime.WithAgentURL("http://agent.test"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{http.MethodPost, "/", http.StatusServiceUnavailable, "starting"},
		{http.MethodPost, "/a2a", http.StatusServiceUnavailable, "starting"},
		{http.MethodGet, "/.well-known/agent-card.json", http.StatusServiceUnavailable, "starting"},
		{http.MethodGet, "/readyz", http.StatusServiceUnavailable, `{"ready":false,"reasons":["starting"]}`},
		{http.MethodGet, "/livez", http.StatusOK, `{"live":true}`},
		{http.MethodGet, "/elsewhere", http.StatusNotFound, ""},
		{http.MethodPost, "/livez", http.StatusMethodNotAllowed, ""},
	} {
		w := httptest.NewRecorder()
		ws.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader("{}")))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.status, c.want)
		}
	}
}

// TestBusySaysWhenToComeAgain in both dialects, and over REST.
func TestBusySaysWhenToComeAgain(t *testing.T) {
	begun, end := make(chan struct{}, 1), make(chan struct{})
	url, stop := alone(t, t.TempDir(), runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error {
		begun <- struct{}{}
		<-end
		return nil
	}), runtime.WithREST(), runtime.WithLimits(runtime.Limits{Turns: 1, Queued: -1}))
	defer stop()
	defer http.DefaultClient.CloseIdleConnections()
	first := make(chan string, 1)
	go func() { first <- say(t, url, "m0", "", "hi", nil) }()
	<-begun
	for path, body := range map[string]string{
		"/":                  `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hi"}]}}}`,
		"/a2a":               `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","messageId":"m2","role":"user","parts":[{"kind":"text","text":"hi"}]}}}`,
		"/rest/message:send": restHello,
	} {
		res, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if after := res.Header.Get("Retry-After"); res.StatusCode != http.StatusServiceUnavailable || after == "" || !strings.Contains(string(said), "busy") {
			t.Errorf("%s: %s, Retry-After %q, %s", path, res.Status, after, said)
		}
	}
	close(end)
	wantIn(t, "the first message", <-first, "COMPLETED")
}
