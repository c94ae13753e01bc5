package tool_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// canned answers calls to a peer with what a platform would say that the double
// cannot be brought to say, and then lets them pass.
type canned struct {
	base http.RoundTripper

	mu      sync.Mutex // guards what follows
	answers []string   // "STATUS BODY", RETRY-AFTER in front of it when there is one
	asked   int
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.HasSuffix(r.URL.Path, "/a2a") {
		return c.base.RoundTrip(r)
	}
	c.asked++
	if len(c.answers) == 0 {
		return c.base.RoundTrip(r)
	}
	answer := c.answers[0]
	c.answers = c.answers[1:]
	status := map[string]int{"502": 502, "503": 503}[answer[:3]]
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer[4:])),
	}, nil
}

// DL-4: each 503 was tried three times without a pause, and its text was "None".
func TestThePlatformsKindsOf503And502(t *testing.T) {
	const (
		restarting = `503 {"error":"container restart triggered","restarting":true}`
		waking     = `503 {"error":"waking","waking":true,"retry_after":15}`
		busy       = `503 {"error":"busy","busy":true,"retry_after":30,"native_session":true}`
		confirmed  = `502 {"error":"failed to read agent response","delivery_confirmed":true}`
		unread     = `502 {"error":"failed to read agent response","delivery_confirmed":false}`
		provision  = `503 {"error":"workspace has no URL","status":"provisioning"}`
	)
	for name, c := range map[string]struct {
		answers []string
		asked   int
		took    time.Duration
		want    string // in the text of an error; none when it works
	}{
		"restarting, then back":             {[]string{restarting, restarting}, 3, 16 * time.Second, ""},
		"restarting for too long":           {[]string{restarting, restarting, restarting}, 3, 16 * time.Second, "is being restarted; the task has not arrived"},
		"waking, then awake":                {[]string{waking}, 2, 16 * time.Second, ""},
		"waking for ever":                   {[]string{waking, waking, waking}, 3, 32 * time.Second, "is hibernated and did not wake up"},
		"busy":                              {[]string{busy}, 1, 0, "Ask it how it stands in 31 s before handing it over again"},
		"the answer broke off":              {[]string{confirmed}, 1, 0, "had begun to answer"},
		"it had not begun to answer":        {[]string{unread}, 2, 5 * time.Second, ""},
		"without an address":                {[]string{provision}, 1, 0, "it is provisioning and cannot be reached"},
		"a restart, then it is turned away": {[]string{restarting, busy}, 2, 8 * time.Second, "is busy"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := lay(t)
				way := &canned{base: bearer{b.platform.Transport(), b.token}, answers: c.answers}
				client, err := registry.NewClient(b.platform.URL(), selfID, registry.WithTransport(way))
				if err != nil {
					t.Fatal(err)
				}
				b.client = client
				began := time.Now()
				if c.want == "" {
					call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello)
				} else {
					fails(t, b.table(tool.Platform{}), "delegate_task", hello, c.want)
				}
				if took := time.Since(began); took != c.took || way.asked != c.asked {
					t.Errorf("asked %d times in %v, want %d in %v", way.asked, took, c.asked, c.took)
				}
			})
		})
	}
}

// A peer that keeps its own queue says busy, and is asked for its answer if it
// knows messages by their ids.
func TestABusyPeerWithASessionOfItsOwn(t *testing.T) {
	for _, knows := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := lay(t)
			if knows {
				b.register(b.peer, b.peer.URL(), `{"name":"r","capabilities":{"extensions":[{"uri":"`+tool.MessageIDExtension+`"}]}}`)
			}
			beat := registry.HeartbeatRequest{RuntimeMetadata: &registry.RuntimeMetadata{Capabilities: registry.Capabilities{Session: true}}}
			for range 2 { // it counts from the next one on
				if _, err := b.clientOf(b.peer).Heartbeat(t.Context(), beat); err != nil {
					t.Fatal(err)
				}
			}
			b.client = b.clientOf(b.self)
			b.agent.script(drops, says("at last"))
			if knows {
				if out, _ := call[outcome](t, b.table(tool.Platform{}), "delegate_task", hello); out.Text != "at last" {
					t.Errorf("%+v", out)
				}
				return
			}
			fails(t, b.table(tool.Platform{}), "delegate_task", hello, "the peer is busy")
			if n := len(b.agent.messages()); n != 1 {
				t.Errorf("the peer was asked %d times", n)
			}
		})
	}
}

func TestPeersThatMayNotBeReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		const grandchild, stranger = "44444444-2222-4333-8444-555555555555", "55555555-2222-4333-8444-555555555555"
		b.platform.AddWorkspace(otherID)
		b.platform.AddWorkspace(grandchild, registrytest.WithParent(otherID))
		table := b.table(tool.Platform{})
		for _, id := range []string{grandchild, stranger} {
			fails(t, table, "delegate_task", `{"workspace_id":"`+id+`","task":"x"}`, "lets this workspace not talk to", "list_peers shows")
		}
		b.peer.SetBudget(100)
		if _, err := b.clientOf(b.peer).Heartbeat(t.Context(), registry.HeartbeatRequest{MonthlySpend: 200}); err != nil {
			t.Fatal(err)
		}
		b.client = b.clientOf(b.self)
		fails(t, b.table(tool.Platform{}), "delegate_task", hello, "its budget is used up")
		fails(t, b.table(tool.Platform{}), "delegate_task", `{"workspace_id":"`+peerID+`","task":"`+strings.Repeat("x", 1<<20-100)+`"}`, "too large")
	})
}

func TestWhatTheTeamKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.peer.AddInstruction("Be kind", "Say please.", 1)
		b.client = b.clientOf(b.peer)
		team := tool.NewTeam(b.client, nil, nil)
		peers := func() int {
			got, err := team.Peers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(got)
		}
		if peers() != 1 || team.Instructions() != "" {
			t.Errorf("%d peers, instructions %q", peers(), team.Instructions())
		}
		if err := team.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if parent, ok := team.Parent(); !ok || parent.ID != selfID || !strings.Contains(team.Instructions(), "Say please.") {
			t.Errorf("parent %+v, %v; instructions %q", parent, ok, team.Instructions())
		}
		b.platform.AddWorkspace(otherID, registrytest.WithParent(selfID))
		if peers() != 1 {
			t.Error("a look of this moment is not good enough")
		}
		time.Sleep(time.Minute)
		if peers() != 2 {
			t.Error("a look of a minute ago is good enough")
		}
		b.platform.Down()
		time.Sleep(time.Minute)
		if peers() != 2 {
			t.Error("without the platform an older look has to do")
		}
		if err := team.Refresh(t.Context()); err == nil {
			t.Error("no error without the platform")
		}
	})
}
