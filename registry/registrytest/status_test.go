package registrytest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const id = "11111111-2222-4333-8444-555555555555"

// post sends a body with a token and returns the status, 0 for no answer.
func post(t testing.TB, p *registrytest.Platform, client *http.Client, path, token, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

const (
	beatBody     = `{"workspace_id":"` + id + `"}`
	registerBody = `{"id":"` + id + `","url":"http://localhost:8000","agent_card":{}}`
)

func statuses(w *registrytest.Workspace, since time.Time) (out []string) {
	for _, c := range w.History() {
		out = append(out, fmt.Sprintf("%v %s", c.At.Sub(since), c.To))
	}
	return out
}

func TestTimeChangesTheStatus(t *testing.T) {
	tests := []struct {
		name string
		opts []registrytest.WorkspaceOption
		live func(t *testing.T, p *registrytest.Platform, w *registrytest.Workspace, c *http.Client)
		want []string
	}{
		{
			name: "a workspace that never comes up fails after ten minutes",
			live: func(*testing.T, *registrytest.Platform, *registrytest.Workspace, *http.Client) {},
			want: []string{"0s provisioning", "10m0s failed"},
		},
		{
			name: "a registered one is offline 180 s after its last beat",
			live: func(t *testing.T, p *registrytest.Platform, w *registrytest.Workspace, c *http.Client) {
				post(t, p, c, "/registry/register", "", registerBody)
				time.Sleep(100 * time.Second)
				w.Revoke()
				post(t, p, c, "/registry/heartbeat", "", beatBody)
			},
			want: []string{"0s provisioning", "0s online", "4m40s offline"},
		},
		{
			name: "a beat brings it back, unwatched",
			live: func(t *testing.T, p *registrytest.Platform, w *registrytest.Workspace, c *http.Client) {
				post(t, p, c, "/registry/register", "", registerBody)
				time.Sleep(200 * time.Second)
				w.Revoke()
				post(t, p, c, "/registry/heartbeat", "", beatBody)
				if w.Watched() {
					t.Error("a heartbeat armed the liveness key")
				}
			},
			want: []string{"0s provisioning", "0s online", "3m0s offline", "3m20s online"},
		},
		{
			name: "a silent external one is swept after 90 s",
			opts: []registrytest.WorkspaceOption{registrytest.WithRuntime("external")},
			live: func(t *testing.T, p *registrytest.Platform, _ *registrytest.Workspace, c *http.Client) {
				post(t, p, c, "/registry/register", "", registerBody)
			},
			want: []string{"0s provisioning", "0s online", "1m30s offline"},
		},
		{
			name: "a paused one stays paused",
			live: func(t *testing.T, p *registrytest.Platform, w *registrytest.Workspace, c *http.Client) {
				post(t, p, c, "/registry/register", "", registerBody)
				w.Pause()
				w.Revoke()
				post(t, p, c, "/registry/heartbeat", "", beatBody)
			},
			want: []string{"0s provisioning", "0s online", "0s paused"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := registrytest.NewPlatform(t, registrytest.WithInMemory())
				w := p.AddWorkspace(id, test.opts...)
				begin := time.Now()
				test.live(t, p, w, p.Client())
				time.Sleep(time.Hour)
				got := append([]string{"0s provisioning"}, statuses(w, begin)...)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("status over time (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestADayOfHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		w := p.AddWorkspace(id)
		token := w.IssueToken()
		client := p.Client()
		if status := post(t, p, client, "/registry/register", token, registerBody); status != 200 {
			t.Fatal(status)
		}
		for range 24 * 60 * 2 {
			if status := post(t, p, client, "/registry/heartbeat", token, beatBody); status != 200 {
				t.Fatal(status)
			}
			time.Sleep(30 * time.Second)
		}
		if n := len(w.Heartbeats()); n != 2880 || w.Status() != "online" || len(w.History()) != 1 {
			t.Errorf("%d beats, status %s, history %v", n, w.Status(), w.History())
		}
	})
}

func TestAwaitNoticesWhatOnlyTimeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		w := p.AddWorkspace(id)
		begin := time.Now()
		if err := p.Await(t.Context(), func() bool { return w.Status() == "failed" }); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited != 10*time.Minute {
			t.Errorf("waited %v, want 10m", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := p.Await(ctx, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await = %v, want the context's cause", err)
		}
	})
}
