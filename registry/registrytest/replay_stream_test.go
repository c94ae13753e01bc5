package registrytest_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// streamed is the type and the shape of an event.
type streamed struct {
	Type string
	Data any
}

func readStreamed(t *testing.T, line string) (streamed, bool) {
	t.Helper()
	data, ok := strings.CutPrefix(line, "data: ")
	if !ok {
		return streamed{}, false
	}
	var e struct {
		Type      string
		Timestamp int64
		Data      json.RawMessage
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.Timestamp == 0 {
		t.Fatalf("%s: %v", line, err)
	}
	return streamed{e.Type, shape(string(e.Data))}, true
}

// TestStreamOfTheTranscript does what was done while transcript 23 was recorded,
// and compares every event.
func TestStreamOfTheTranscript(t *testing.T) {
	const id, target = "7304b04d-1ec7-4728-9442-25332ee0e384", "71ef2928-ae9e-4f36-9a6b-094a3ff8378d"
	raw, err := os.ReadFile(filepath.Join("testdata", "23-sse.txt"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, _, _ := strings.Cut(string(raw), "# revoke while streaming")
	var want []streamed
	for line := range strings.Lines(recorded) {
		if e, ok := readStreamed(t, strings.TrimSpace(line)); ok {
			want = append(want, e)
		}
	}
	if len(want) < 20 {
		t.Fatalf("%d events were read from the transcript", len(want))
	}
	synctest.Test(t, func(t *testing.T) {
		r := &replay{t: t, p: registrytest.NewPlatform(t, registrytest.WithInMemory(), registrytest.WithAdminToken(adminToken)), tokens: map[string]string{}}
		r.client = r.p.Client()
		if _, err := r.p.ServeAgent("localhost:19101", &transcriptAgent{}); err != nil {
			t.Fatal(err)
		}
		r.registered(id, "/echo", "", append(external(toolsRootID), registrytest.WithName("ws-1184218447"))...)
		r.registered(target, "/echo", "", external(toolsRootID)...)
		token := r.row(id).IssueToken()
		do := func(method, path, body string) {
			t.Helper()
			b := block{method: method, path: strings.ReplaceAll(path, "ID", id), body: strings.ReplaceAll(body, "ID", id),
				headers: [][2]string{{"Authorization", "Bearer " + token}}}
			if status, _, answer, err := r.send(b); err != nil || status > 299 {
				t.Fatalf("%s %s: %d, %s, %v", method, path, status, answer, err)
			}
			time.Sleep(200 * time.Millisecond)
		}

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.p.URL()+"/workspaces/"+id+"/events/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for key, value := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
			if resp.Header.Get(key) != value {
				t.Errorf("%s: %q", key, resp.Header.Get(key))
			}
		}
		do("POST", "/registry/heartbeat", `{"workspace_id":"ID","active_tasks":1,"current_task":"task A","uptime_seconds":10}`)
		do("POST", "/registry/heartbeat", `{"workspace_id":"ID","active_tasks":1,"current_task":"task A","uptime_seconds":10}`)
		do("POST", "/registry/heartbeat", `{"workspace_id":"ID","error_rate":0.9,"sample_error":"bad","current_task":"tÄsk <B>","uptime_seconds":10}`)
		do("POST", "/registry/heartbeat", `{"workspace_id":"ID","uptime_seconds":10}`)
		do("POST", "/workspaces/ID/notify", `{"message":"hi\nthere"}`)
		do("POST", "/workspaces/ID/activity", `{"activity_type":"agent_log","summary":"s"}`)
		if _, _, err := r.p.Say(t.Context(), id, "x"); err != nil {
			t.Fatal(err)
		}
		do("POST", "/workspaces/ID/delegate", `{"target_id":"`+target+`","task":"t"}`)
		do("POST", "/workspaces/ID/approvals", `{"action":"a"}`)
		do("POST", "/registry/update-card", `{"workspace_id":"ID","agent_card":{"name":"n"}}`)
		do("POST", "/registry/register", `{"id":"ID","url":"http://localhost:19101/echo","agent_card":{"name":"t","description":"d","version":"0.1.0"}}`)
		r.row(id).Pause()
		synctest.Wait()
		r.p.CutStreams()

		var got []streamed
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if e, ok := readStreamed(t, lines.Text()); ok {
				got = append(got, e)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-real +double):\n%s", diff)
		}
	})
}
