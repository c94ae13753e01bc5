package registry_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestRequestsAreTheContracts(t *testing.T) {
	full := registry.HeartbeatRequest{
		WorkspaceID: strings.ToUpper(ownID), ErrorRate: 0.25, SampleError: "e", ActiveTasks: 2, CurrentTask: "t",
		UptimeSeconds: 60, MonthlySpend: 123, RuntimeState: registry.RuntimeWedged,
		RuntimeMetadata: &registry.RuntimeMetadata{Capabilities: registry.Capabilities{Session: true}, IdleTimeoutSeconds: 600},
	}
	tests := []struct {
		name         string
		call         func(*registry.Client) error
		method, path string
		body         string
		caller       bool
	}{
		{"register", func(c *registry.Client) error {
			_, err := c.Register(t.Context(), registry.RegisterRequest{URL: "http://localhost:19101/echo", AgentCard: []byte(`{"name":"t","description":"d","version":"0.1.0"}`)})
			return err
		}, "POST", "/registry/register", `{"id":"` + ownID + `","url":"http://localhost:19101/echo","agent_card":{"name":"t","description":"d","version":"0.1.0"}}`, false},
		{"register without a card", func(c *registry.Client) error {
			_, err := c.Register(t.Context(), registry.RegisterRequest{URL: "http://localhost:1"})
			return err
		}, "POST", "/registry/register", `{"id":"` + ownID + `","url":"http://localhost:1","agent_card":null}`, false},
		{"heartbeat sends all it has", func(c *registry.Client) error {
			_, err := c.Heartbeat(t.Context(), full)
			return err
		}, "POST", "/registry/heartbeat", `{"workspace_id":"` + ownID + `","error_rate":0.25,"sample_error":"e","active_tasks":2,"current_task":"t","uptime_seconds":60,"monthly_spend":123,"runtime_state":"wedged","runtime_metadata":{"capabilities":{"heartbeat":false,"scheduler":false,"session":true,"status_mgmt":false,"retry":false,"activity_decoration":false,"channel_dispatch":false},"idle_timeout_seconds":600}}`, false},
		{"heartbeat sends its zeros", func(c *registry.Client) error {
			_, err := c.Heartbeat(t.Context(), registry.HeartbeatRequest{RuntimeMetadata: &registry.RuntimeMetadata{}})
			return err
		}, "POST", "/registry/heartbeat", `{"workspace_id":"` + ownID + `","error_rate":0,"sample_error":"","active_tasks":0,"current_task":"","uptime_seconds":0,"monthly_spend":0,"runtime_state":"","runtime_metadata":{"capabilities":{"heartbeat":false,"scheduler":false,"session":false,"status_mgmt":false,"retry":false,"activity_decoration":false,"channel_dispatch":false}}}`, false},
		{"update-card", func(c *registry.Client) error { return c.UpdateCard(t.Context(), []byte(`{"name":"t"}`)) },
			"POST", "/registry/update-card", `{"workspace_id":"` + ownID + `","agent_card":{"name":"t"}}`, false},
		{"update-card clears", func(c *registry.Client) error { return c.UpdateCard(t.Context(), nil) },
			"POST", "/registry/update-card", `{"workspace_id":"` + ownID + `","agent_card":null}`, false},
		{"workspace", func(c *registry.Client) error { _, err := c.Workspace(t.Context(), ""); return err },
			"GET", "/workspaces/" + ownID, "", false},
		{"another workspace, in lower case", func(c *registry.Client) error {
			_, err := c.Workspace(t.Context(), strings.ToUpper(peerID))
			return err
		}, "GET", "/workspaces/" + peerID, "", false},
		{"state", func(c *registry.Client) error { _, err := c.State(t.Context()); return err },
			"GET", "/workspaces/" + ownID + "/state", "", false},
		{"a2a with an id", func(c *registry.Client) error {
			_, err := c.SendA2A(t.Context(), strings.ToUpper(peerID), registry.A2ARequest{ID: "req-1", Method: "message/send", Params: []byte(`{"message":{"messageId":"m"}}`)})
			return err
		}, "POST", "/workspaces/" + peerID + "/a2a", `{"jsonrpc":"2.0","id":"req-1","method":"message/send","params":{"message":{"messageId":"m"}}}`, true},
		{"a2a without an id leaves the envelope to the platform", func(c *registry.Client) error {
			_, err := c.SendA2A(t.Context(), ownID, registry.A2ARequest{Method: "SendMessage"})
			return err
		}, "POST", "/workspaces/" + ownID + "/a2a", `{"method":"SendMessage"}`, true},
		{"delegations", func(c *registry.Client) error { _, err := c.Delegations(t.Context()); return err },
			"GET", "/workspaces/" + ownID + "/delegations", "", false},
		{"notify", func(c *registry.Client) error {
			return c.Notify(t.Context(), registry.NotifyRequest{Message: "hi", Attachments: []registry.Attachment{{URI: "workspace:/a", Name: "a", MIMEType: "text/plain", Size: 3}}})
		}, "POST", "/workspaces/" + ownID + "/notify", `{"message":"hi","attachments":[{"uri":"workspace:/a","name":"a","mimeType":"text/plain","size":3}]}`, false},
		{"notify without attachments", func(c *registry.Client) error {
			return c.Notify(t.Context(), registry.NotifyRequest{Message: "hi"})
		}, "POST", "/workspaces/" + ownID + "/notify", `{"message":"hi"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, org := range []string{"", "org-1"} {
				b := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/delegations") {
						answer(200, `[]`)(w, r)
						return
					}
					answer(200, `{"jsonrpc":"2.0","result":{}}`)(w, r)
				})
				if err := tt.call(b.client(t, registry.WithOrgID(org))); err != nil {
					t.Fatal(err)
				}
				header := http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"Go-http-client/1.1"}}
				if tt.body != "" {
					header.Set("Content-Type", "application/json")
				}
				if tt.caller {
					header.Set("X-Workspace-ID", ownID)
				}
				if org != "" {
					header.Set("X-Molecule-Org-Id", org)
				}
				got := b.requests()[0]
				got.Header.Del("Content-Length")
				want := seen{tt.method, tt.path, tt.body, header}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestWorkspaceHasEveryKey(t *testing.T) {
	c := serve(t, answer(200, golden(t, "workspace.json"))).client(t)
	got, err := c.Workspace(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := &registry.Workspace{
		ID: ownID, Name: "ws-2174112977", Tier: 3, Status: registry.StatusOnline, URL: "http://localhost:19101/echo",
		MaxConcurrentTasks: 1, Runtime: "external", AgentCard: json.RawMessage(`{"name":"t","version":"0.1.0","description":"d"}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workspace (-want +got):\n%s", diff)
	}

	// Every key of the platform's row has a field of its name.
	var row map[string]any
	if err := json.Unmarshal([]byte(golden(t, "workspace.json")), &row); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		t.Fatal(err)
	}
	for key := range row {
		if _, ok := fields[key]; !ok {
			t.Errorf("no field for the key %q", key)
		}
	}
}

func TestWorkspaceNullsAreZero(t *testing.T) {
	c := serve(t, answer(200, golden(t, "workspace-provisioning.json"))).client(t)
	got, err := c.Workspace(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got.AgentCard != nil || got.Role != "" || got.ParentID != "" || !got.LastOutboundAt.IsZero() {
		t.Errorf("null did not become the zero value: %+v", got)
	}
}

func TestUnknownKeysAreIgnored(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.op, func(t *testing.T) {
			body := `{"status":"ok","later":{"deep":[1]},"jsonrpc":"2.0","result":{}}`
			if e.op == "Delegations" {
				body = `[{"id":"1","later":true}]`
			}
			if err := e.call(t.Context(), serve(t, answer(200, body)).client(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRegisterReturnsTheToken(t *testing.T) {
	c := serve(t, answer(200, `{"auth_token":"XIIxjB82Q12FINPNBWzRGsdV0TjqFY7D1WCGxkhuj5Q","status":"registered"}`)).client(t)
	got, err := c.Register(t.Context(), registry.RegisterRequest{URL: "http://localhost:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != "registered" || got.AuthToken.Reveal() != "XIIxjB82Q12FINPNBWzRGsdV0TjqFY7D1WCGxkhuj5Q" {
		t.Errorf("Register = %q, %q", got.Status, got.AuthToken.Reveal())
	}
}

func TestDelegationRows(t *testing.T) {
	tests := []struct {
		name, body string
		check      func(*testing.T, []registry.Delegation)
	}{
		{"completed", golden(t, "delegations.json"), func(t *testing.T, d []registry.Delegation) {
			at, _ := time.Parse(time.RFC3339, "2026-11-23T14:07:09.528894Z")
			want := registry.Delegation{
				ID: "3c658d12-397e-4438-9352-ff1811db80e5", Type: "delegation", SourceID: "0509149e-3d7f-4720-9de3-19b5165eb089",
				TargetID: "01b48c01-faba-448a-873f-ee53c6351291", Summary: "Delegation completed (echo: say hello)",
				Status: registry.DelegationCompleted, CreatedAt: at,
				DelegationID: "0f0b1fc1-7454-46b4-9b24-ddfb4bd0f7ff", ResponsePreview: "echo: say hello",
			}
			if diff := cmp.Diff(want, d[0]); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			if d[1].DelegationID != d[0].DelegationID {
				t.Error("the second row is not the same delegation's")
			}
		}},
		{"a failed result has no delegation id", golden(t, "delegations-failed.json"), func(t *testing.T, d []registry.Delegation) {
			if d[0].DelegationID != "" || d[0].Status != registry.DelegationFailed || d[0].Error == "" || d[1].DelegationID == "" {
				t.Errorf("rows = %+v", d[:2])
			}
		}},
		{"null and missing keys", `[{"id":"1","delegation_id":null,"created_at":null,"error":null,"target_id":null},{}]`, func(t *testing.T, d []registry.Delegation) {
			if diff := cmp.Diff([]registry.Delegation{{ID: "1"}, {}}, d); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		}},
		{"none", `[]`, func(t *testing.T, d []registry.Delegation) {
			if len(d) != 0 {
				t.Errorf("rows = %v", d)
			}
		}},
		{"null", `null`, func(t *testing.T, d []registry.Delegation) {
			if len(d) != 0 {
				t.Errorf("rows = %v", d)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serve(t, answer(200, tt.body)).client(t).Delegations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, got)
		})
	}
}
