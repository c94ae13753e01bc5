package runtime_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const restHello = `{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hi"}]}}`

// TestRESTStreams: each piece when it is written, and what is missing by
// subscribing again.
func TestRESTStreams(t *testing.T) {
	goOn := make(chan struct{})
	agent := runtime.AgentFunc(func(ctx context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
		if _, err := reply.WriteString("first"); err != nil {
			return err
		}
		select {
		case <-goOn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		_, err := reply.WriteString("second")
		return err
	})
	url, stop := alone(t, t.TempDir(), agent, runtime.WithREST(), runtime.WithTaskStore(task.NewMemory()))
	defer stop()
	defer http.DefaultClient.CloseIdleConnections()
	res, err := http.Post(url+"/rest/message:stream", "application/json", strings.NewReader(restHello))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s, %s", res.Status, kind)
	}
	var seen strings.Builder
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		seen.WriteString(lines.Text())
		if strings.Contains(lines.Text(), `"first"`) {
			close(goOn)
		}
	}
	wantIn(t, "the stream", seen.String(), `"first"`, `"second"`, "TASK_STATE_COMPLETED")
}

// deadlines is a ResponseWriter that keeps the deadlines it is given.
type deadlines struct {
	*httptest.ResponseRecorder
	mu          sync.Mutex
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = at
	return nil
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = at
	return nil
}

func (d *deadlines) now() (read, write time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read, d.write
}

// TestRESTDeadlines: one for the body, which does not end the turn, and one for
// each write, which does not last.
func TestRESTDeadlines(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	agent := runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error {
		if read, _ := w.now(); !read.IsZero() {
			t.Error("the deadline for the body is there during the turn")
		}
		return nil
	})
	h, stop := aloneHandler(t, agent, runtime.WithREST(), runtime.WithTaskStore(task.NewMemory()))
	defer stop()
	body := &watched{Reader: strings.NewReader(restHello), look: func() {
		if read, _ := w.now(); read.IsZero() {
			t.Error("the body has no deadline")
		}
	}}
	slow := &slowWriter{deadlines: w, look: func() {
		if _, write := w.now(); write.IsZero() {
			t.Error("a write has no deadline")
		}
	}}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rest/message:stream", body)
	req.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(slow, req)
	wantIn(t, "the stream", w.Body.String(), "TASK_STATE_COMPLETED")
	if _, write := w.now(); !write.IsZero() {
		t.Error("the deadline of the last write is left to the connection's next use")
	}
}

type watched struct {
	*strings.Reader
	look func()
}

func (r *watched) Read(p []byte) (int, error) {
	r.look()
	return r.Reader.Read(p)
}

type slowWriter struct {
	*deadlines
	look func()
}

func (w *slowWriter) Write(p []byte) (int, error) {
	w.look()
	return w.deadlines.Write(p)
}

// TestRESTIsGuarded as JSON-RPC is: by size, and against web pages.
func TestRESTIsGuarded(t *testing.T) {
	agent := runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error { return nil })
	url, stop := alone(t, t.TempDir(), agent, runtime.WithREST(), runtime.WithTaskStore(task.NewMemory()),
		runtime.WithLimits(runtime.Limits{Body: 1000}))
	defer stop()
	if status, body := fetch(t, http.MethodPost, url+"/rest/message:send", restHello, http.Header{"Sec-Fetch-Site": {"cross-site"}}); status != http.StatusForbidden {
		t.Errorf("a web page gets %d %s", status, body)
	}
	if status, body := fetch(t, http.MethodPost, url+"/rest/message:send", strings.Repeat(" ", 1000)+restHello, nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body gets %d %s", status, body)
	}
	if status, body := fetch(t, http.MethodPost, url+"/rest/message:send", restHello, nil); status != http.StatusOK {
		t.Errorf("a message gets %d %s", status, body)
	}
}
