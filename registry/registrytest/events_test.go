package registrytest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

func TestSocketShowsWhomOneMayTalkTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		own := p.AddWorkspace(toolsID, registrytest.WithParent(toolsRootID))
		sibling := p.AddWorkspace(otherID, registrytest.WithParent(toolsRootID))
		stranger := p.AddWorkspace(droppyID, registrytest.WithParent(teamID))
		token := own.IssueToken()

		dial := func(header http.Header) (*websocket.Conn, int) {
			c, resp, err := websocket.Dial(t.Context(), p.URL()+"/ws", &websocket.DialOptions{HTTPClient: p.Client(), HTTPHeader: header})
			if err != nil && resp == nil {
				t.Fatal(err)
			}
			return c, resp.StatusCode
		}
		for name, header := range map[string]http.Header{
			"no token":    {"X-Workspace-Id": {own.ID()}},
			"wrong token": {"X-Workspace-Id": {own.ID()}, "Authorization": {"Bearer x"}},
		} {
			if _, status := dial(header); status != http.StatusUnauthorized {
				t.Errorf("%s: %d", name, status)
			}
		}
		p.DatabaseDown(true)
		if _, status := dial(http.Header{"X-Workspace-Id": {own.ID()}}); status != http.StatusInternalServerError {
			t.Errorf("without a database: %d", status)
		}
		p.DatabaseDown(false)

		agent, status := dial(http.Header{"X-Workspace-Id": {own.ID()}, "Authorization": {"Bearer " + token}})
		canvas, _ := dial(nil)
		if status != http.StatusSwitchingProtocols || canvas == nil {
			t.Fatalf("status %d", status)
		}
		defer func() { _ = agent.CloseNow(); _ = canvas.CloseNow() }()
		synctest.Wait()
		own.Revoke() // it is authorised once
		own.Emit("A", map[string]any{"b": 1, "a": "<"})
		sibling.Emit("B", nil)
		stranger.Emit("C", nil)
		heard := func(c *websocket.Conn, n int) (out []string) {
			for range n {
				kind, data, err := c.Read(t.Context())
				if err != nil || kind != websocket.MessageText {
					t.Fatalf("%v, %v", kind, err)
				}
				var e struct {
					Event       string
					WorkspaceID string `json:"workspace_id"`
					Timestamp   time.Time
					Payload     json.RawMessage
				}
				if err := json.Unmarshal(data, &e); err != nil || e.Timestamp.IsZero() {
					t.Fatalf("%s: %v", data, err)
				}
				out = append(out, e.Event+" "+e.WorkspaceID[:8]+" "+string(e.Payload))
			}
			return out
		}
		want := []string{"A " + toolsID[:8] + ` {"a":"\u003c","b":1}`, "B " + otherID[:8] + " null"}
		if diff := cmp.Diff(want, heard(agent, 2)); diff != "" {
			t.Errorf("agent (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(append(want, "C "+droppyID[:8]+" null"), heard(canvas, 3)); diff != "" {
			t.Errorf("canvas (-want +got):\n%s", diff)
		}

		p.Down() // without a close frame
		if _, _, err := agent.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
			t.Errorf("after the platform went down: %v", err)
		}
	})
}

func TestStreamDropsWhatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory(), registrytest.WithAdminToken(adminToken))
		w := p.AddWorkspace(toolsID)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/workspaces/"+toolsID+"/events/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+adminToken)
		resp, err := p.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for i := range 5000 { // more than the connection and the buffer hold
			w.Emit("X", map[string]any{"n": i, "fill": strings.Repeat("x", 1000)})
		}
		seen := map[string]bool{}
		go func() { time.Sleep(time.Minute); cancel() }()
		lines := bufio.NewScanner(resp.Body)
		first := ""
		for lines.Scan() {
			if first == "" {
				first = lines.Text()
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e struct{ Data struct{ N int } }
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				seen[fmt.Sprint(e.Data.N)] = true
			}
		}
		if first != ": ping" || !seen["0"] || len(seen) < 64 || len(seen) == 5000 {
			t.Errorf("first %q, %d events", first, len(seen))
		}
	})
}

// The platform tells of what only time brings, too.
func TestStreamTellsOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		w := p.AddWorkspace(toolsID, registrytest.WithRuntime("external"))
		w.SetStatus("online")
		c, _, err := websocket.Dial(t.Context(), p.URL()+"/ws", &websocket.DialOptions{HTTPClient: p.Client()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.CloseNow() }()
		begin := time.Now()
		_, data, err := c.Read(t.Context())
		if err != nil || !strings.Contains(string(data), "WORKSPACE_OFFLINE") || time.Since(begin) != 90*time.Second {
			t.Errorf("%s, %v after %v", data, err, time.Since(begin))
		}
	})
}
