package jsonrpc_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// recording is a request that the platform has sent to an agent, byte for byte
// (line ends apart), and what that agent has answered.
type recording struct {
	name     string
	request  string
	body     string
	answered string
}

// recordings reads testdata/platform.
func recordings(t testing.TB) []recording {
	t.Helper()
	files, err := filepath.Glob("testdata/platform/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var all []recording
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sent, answered, ok := strings.Cut(string(text), "\n-- answered --\n")
		header, body, ok2 := strings.Cut(sent, "\n\n")
		if !ok || !ok2 {
			t.Fatalf("%s is no recording", file)
		}
		all = append(all, recording{
			name: strings.TrimSuffix(filepath.Base(file), ".txt"), body: body, answered: answered,
			request: strings.ReplaceAll(header, "\n", "\r\n") + "\r\n\r\n" + body,
		})
	}
	return all
}

// replay sends a recorded request to a handler.
func (r recording) replay(t testing.TB, h http.Handler) answered {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.request)))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req.WithContext(t.Context()))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{status: w.Code, header: w.Result().Header, body: string(body)}
}

func TestThePlatformsRequestsAreAnsweredAsTheRecordedAgentDid(t *testing.T) {
	// The recorded agent takes anything for a message. What is none is refused.
	refused := map[string]int{
		"tasks-get":            -32001, // there is no such task
		"stream-without-parts": -32602,
		"notification":         -32600,
		"null-method":          -32600,
	}
	for _, r := range recordings(t) {
		t.Run(r.name, func(t *testing.T) {
			got := r.replay(t, jsonrpc.NewHandler(new(agent)))
			if code, ok := refused[r.name]; ok {
				got.wantError(t, code)
				return
			}
			got.wantResult(t)
			if diff := cmp.Diff(decode(t, r.answered), decode(t, got.body)); diff != "" {
				t.Errorf("(-recorded +got):\n%s", diff)
			}
		})
	}
}

// decode reads JSON with its numbers as they are written.
func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.300q", err, text)
	}
	return v
}

func TestWhatThePlatformSaysBesideTheTextReachesTheHandler(t *testing.T) {
	user := a2a.MessageRoleUser
	want := map[string]*a2a.SendMessageRequest{
		"canvas-chat-with-history": {
			Message: &a2a.Message{ID: "0b6cf1de-2b0a-4f0a-9c93-7a4a5a0f0a01", Role: user, Parts: a2a.ContentParts{
				a2a.NewTextPart("Hi"),
				{Content: a2a.URL("workspace:/uploads/a.txt"), Filename: "a.txt", MediaType: "text/plain"},
			}},
			Metadata: map[string]any{"history": []any{
				map[string]any{"role": "user", "parts": []any{map[string]any{"kind": "text", "text": "earlier"}}},
				map[string]any{"role": "agent", "parts": []any{map[string]any{"kind": "text", "text": "yes?"}}},
			}},
		},
		"delegate": {Message: &a2a.Message{
			ID: "f03da8bd-ff21-4c8b-84ad-75737ffd8632", Role: user, Parts: a2a.ContentParts{a2a.NewTextPart("delegated task")},
			Metadata: map[string]any{"delegation_id": "f03da8bd-ff21-4c8b-84ad-75737ffd8632"},
		}},
		"peer-delegation": {
			Message: &a2a.Message{ID: "msg-3574c219-ad8c-4da7-bb2b-5e5ed9ac3999-0", Role: user, Parts: a2a.ContentParts{a2a.NewTextPart("task")}},
			Metadata: map[string]any{
				"parent_task_id": "3574c219-ad8c-4da7-bb2b-5e5ed9ac3999", "source_workspace_id": "7c41a6f0-92e3-4dd6-8c75-8bb32a94ef34", "traceparent": nil,
			},
		},
		"cron": {Message: &a2a.Message{ID: "cron-9f26ab4d-a644d9f8", Role: user, Parts: a2a.ContentParts{a2a.NewTextPart("cron says hi")}}},
	}
	for _, r := range recordings(t) {
		if want[r.name] == nil {
			continue
		}
		a := new(agent)
		r.replay(t, jsonrpc.NewHandler(a))
		if diff := cmp.Diff(want[r.name], a.last.Load()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.name, diff)
		}
		delete(want, r.name)
	}
	if len(want) > 0 {
		t.Errorf("no recording for %v", want)
	}
}

func TestTheEngineAnswersThePlatformsRequests(t *testing.T) {
	h := jsonrpc.NewHandler(turns(t))
	for _, r := range recordings(t) {
		if !strings.Contains(r.answered, "echo: ") || strings.Contains(r.answered, `"echo: "`) {
			continue
		}
		var recorded struct{ Result json.RawMessage }
		if err := json.Unmarshal([]byte(r.answered), &recorded); err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(platformText(t, string(recorded.Result)), "echo: ", "You said: ", 1)
		if got := platformText(t, r.replay(t, h).wantResult(t)); got != want {
			t.Errorf("%s: the platform reads %q, want %q", r.name, got, want)
		}
	}
}
