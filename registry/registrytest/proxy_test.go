package registrytest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const targetID = "aaaaaaaa-2222-4333-8444-555555555555"

// reach makes a platform with a workspace whose agent is at path of the
// transcripts' agent.
func reach(t *testing.T, path string) (*registrytest.Platform, *registrytest.Workspace, *transcriptAgent) {
	t.Helper()
	p := registrytest.NewPlatform(t, registrytest.WithInMemory())
	agent := &transcriptAgent{}
	url, err := p.ServeAgent("agent.test:8000", agent)
	if err != nil {
		t.Fatal(err)
	}
	return p, p.AddWorkspace(targetID, registrytest.WithURL(url+path)), agent
}

func TestAnswersAreCutAtTenMiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := reach(t, "/big")
		status, answer, err := p.Say(t.Context(), targetID, "hi")
		if err != nil || status != 200 || len(answer) != 10<<20 {
			t.Errorf("%d, %d bytes, %v; want 200 and 10 MiB", status, len(answer), err)
		}
	})
}

func TestHeartbeatsKeepADeliveryAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w, _ := reach(t, "/slow/900") // a quarter of an hour; silence may last five minutes
		var beats sync.WaitGroup
		beats.Go(func() {
			for range 8 {
				time.Sleep(2 * time.Minute)
				post(t, p, p.Client(), "/registry/heartbeat", "", `{"workspace_id":"`+targetID+`","active_tasks":1}`)
			}
		})
		status, _, err := p.Say(t.Context(), targetID, "take your time")
		if err != nil || status != 200 {
			t.Errorf("%d, %v; want 200", status, err)
		}
		beats.Wait()

		begin := time.Now()
		status, _, err = p.Say(t.Context(), targetID, "take your time")
		if err != nil || status != 202 || w.Queued() != 1 || time.Since(begin) != 5*time.Minute {
			t.Errorf("without beats: %d after %v, %d queued, %v; want 202 after 5m", status, time.Since(begin), w.Queued(), err)
		}
	})
}

func TestADelegationMakesTwoRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, agent := reach(t, "/echo")
		w := p.AddWorkspace(id)
		token := w.IssueToken()
		body := `{"target_id":"` + targetID + `","task":"say hello","idempotency_key":"k"}`
		for i, want := range []int{202, 200} {
			if got := post(t, p, p.Client(), "/workspaces/"+id+"/delegate", token, body); got != want {
				t.Errorf("delegate #%d: %d, want %d", i+1, got, want)
			}
			synctest.Wait()
		}
		var got []string
		for _, d := range w.Delegations() {
			got = append(got, d.Status+": "+uuid.ReplaceAllString(d.Summary, "UUID")+": "+d.ResponsePreview)
		}
		want := []string{"completed: Delegating to UUID: ", "completed: Delegation completed (echo: say hello): echo: say hello"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(agent.take()); n != 1 {
			t.Errorf("the agent got %d requests, want 1", n)
		}
	})
}

func TestAQueuedDelegationFlipsItsSecondRowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, target, _ := reach(t, "/drop")
		w := p.AddWorkspace(id)
		token := w.IssueToken()
		post(t, p, p.Client(), "/workspaces/"+id+"/delegate", token, `{"target_id":"`+targetID+`","task":"t"}`)
		synctest.Wait()
		if target.Queued() != 1 {
			t.Fatalf("%d queued, want 1", target.Queued())
		}
		post(t, p, p.Client(), "/registry/register", "", `{"id":"`+targetID+`","url":"http://agent.test:8000/echo","agent_card":{}}`)
		target.Revoke()
		post(t, p, p.Client(), "/registry/heartbeat", "", `{"workspace_id":"`+targetID+`"}`)
		synctest.Wait()
		rows := w.Delegations()
		if len(rows) != 2 || rows[0].Status != "queued" || rows[1].Status != "completed" || rows[1].ResponsePreview != "echo: t" {
			t.Errorf("rows: %+v", rows)
		}
	})
}

// A real agent on a loopback port registers as localhost, the only spelling
// that passes.
func TestLoopbackAgentsAreReachedAsLocalhost(t *testing.T) {
	p := registrytest.NewPlatform(t)
	url, err := p.ServeAgent("localhost:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	if err != nil || !strings.HasPrefix(url, "http://localhost:") {
		t.Fatal(url, err)
	}
	p.AddWorkspace(id)
	c := p.Client()
	if got := post(t, p, c, "/registry/register", "", strings.Replace(registerBody, "http://localhost:8000", url, 1)); got != 200 {
		t.Fatalf("register: %d", got)
	}
	status, answer, err := p.Say(t.Context(), id, "hello")
	if err != nil || status != 200 || !json.Valid(answer) || !strings.Contains(string(answer), `"hello"`) {
		t.Errorf("%d %s %v", status, answer, err)
	}
}

func TestNoTokenIsRecorded(t *testing.T) {
	p := registrytest.NewPlatform(t)
	w := p.AddWorkspace(id)
	first, second := w.IssueToken(), w.Rotate()
	for _, token := range []string{"", first, second, "unknown"} {
		post(t, p, p.Client(), "/registry/heartbeat", token, beatBody)
	}
	var got []int
	for _, r := range p.Requests() {
		got = append(got, r.TokenGen)
		if r.Header.Get("Authorization") != "" || r.Live != (r.TokenGen == 2) {
			t.Errorf("recorded: %+v", r)
		}
	}
	if diff := cmp.Diff([]int{0, 1, 2, -1}, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}
