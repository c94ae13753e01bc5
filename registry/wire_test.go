package registry_test

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
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
		{"peers", func(c *registry.Client) error { _, err := c.Peers(t.Context()); return err },
			"GET", "/registry/" + ownID + "/peers", "", true},
		{"discover", func(c *registry.Client) error { _, err := c.Discover(t.Context(), strings.ToUpper(peerID)); return err },
			"GET", "/registry/discover/" + peerID, "", true},
		{"check-access", func(c *registry.Client) error { _, err := c.MayReach(t.Context(), strings.ToUpper(peerID)); return err },
			"POST", "/registry/check-access", `{"caller_id":"` + ownID + `","target_id":"` + peerID + `"}`, false},
		{"delegate", func(c *registry.Client) error {
			_, err := c.Delegate(t.Context(), registry.DelegateRequest{TargetID: " " + strings.ToUpper(peerID), Task: "say hello", IdempotencyKey: "k1"})
			return err
		}, "POST", "/workspaces/" + ownID + "/delegate", `{"target_id":"` + peerID + `","task":"say hello","idempotency_key":"k1"}`, false},
		{"delegate without a key", func(c *registry.Client) error {
			_, err := c.Delegate(t.Context(), registry.DelegateRequest{TargetID: peerID, Task: "say hello"})
			return err
		}, "POST", "/workspaces/" + ownID + "/delegate", `{"target_id":"` + peerID + `","task":"say hello"}`, false},
		{"a NUL is taken out, an escaped backslash is not", func(c *registry.Client) error {
			_, err := c.Delegate(t.Context(), registry.DelegateRequest{TargetID: peerID, Task: "a\x00b\\u0000c"})
			return err
		}, "POST", "/workspaces/" + ownID + "/delegate", `{"target_id":"` + peerID + `","task":"ab\\u0000c"}`, false},
		{"record a delegation", func(c *registry.Client) error { return c.RecordDelegation(t.Context(), "d-1", peerID, "direct") },
			"POST", "/workspaces/" + ownID + "/delegations/record", `{"target_id":"` + peerID + `","task":"direct","delegation_id":"d-1"}`, false},
		{"finish a delegation", func(c *registry.Client) error {
			return c.FinishDelegation(t.Context(), "d 1", registry.DelegationOutcome{Status: registry.DelegationFailed, Error: "e"})
		}, "POST", "/workspaces/" + ownID + "/delegations/d%201/update", `{"status":"failed","error":"e"}`, false},
		{"commit a memory", func(c *registry.Client) error {
			_, err := c.CommitMemory(t.Context(), registry.CommitMemoryRequest{Content: "team fact about rockets", Scope: registry.MemoryTeam, Namespace: "facts"})
			return err
		}, "POST", "/workspaces/" + ownID + "/memories", `{"content":"team fact about rockets","scope":"TEAM","namespace":"facts"}`, false},
		{"commit a memory of the default scope", func(c *registry.Client) error {
			_, err := c.CommitMemory(t.Context(), registry.CommitMemoryRequest{Content: "c"})
			return err
		}, "POST", "/workspaces/" + ownID + "/memories", `{"content":"c","scope":"LOCAL"}`, false},
		{"all memories", func(c *registry.Client) error { _, err := c.Memories(t.Context(), registry.MemoryQuery{}); return err },
			"GET", "/workspaces/" + ownID + "/memories", "", false},
		{"some memories", func(c *registry.Client) error {
			_, err := c.Memories(t.Context(), registry.MemoryQuery{Text: "a&b ü", Scope: registry.MemoryTeam, Namespace: "facts", Limit: 1})
			return err
		}, "GET", "/workspaces/" + ownID + "/memories?limit=1&namespace=facts&q=a%26b+%C3%BC&scope=TEAM", "", false},
		{"delete a memory", func(c *registry.Client) error { return c.DeleteMemory(t.Context(), strings.ToUpper(thingID)) },
			"DELETE", "/workspaces/" + ownID + "/memories/" + thingID, "", false},
		{"request an approval", func(c *registry.Client) error {
			_, err := c.RequestApproval(t.Context(), registry.RequestApprovalRequest{Action: "deploy", Reason: "because", TaskID: "t1", Context: []byte(`{"x":1}`)})
			return err
		}, "POST", "/workspaces/" + ownID + "/approvals", `{"action":"deploy","reason":"because","task_id":"t1","context":{"x":1}}`, false},
		{"request an approval of the least", func(c *registry.Client) error {
			_, err := c.RequestApproval(t.Context(), registry.RequestApprovalRequest{Action: "rm -rf"})
			return err
		}, "POST", "/workspaces/" + ownID + "/approvals", `{"action":"rm -rf"}`, false},
		{"approvals", func(c *registry.Client) error { _, err := c.Approvals(t.Context()); return err },
			"GET", "/workspaces/" + ownID + "/approvals", "", false},
		{"decide", func(c *registry.Client) error {
			return c.DecideApproval(t.Context(), thingID, registry.ApprovalDenied, "eve")
		},
			"POST", "/workspaces/" + ownID + "/approvals/" + thingID + "/decide", `{"decision":"denied","decided_by":"eve"}`, false},
		{"report activity", func(c *registry.Client) error {
			return c.ReportActivity(t.Context(), registry.ActivityReport{Type: registry.ActivityAgentLog, Summary: "did a thing", Metadata: []byte(`{"k":1}`), Duration: 12*time.Millisecond + 999})
		}, "POST", "/workspaces/" + ownID + "/activity", `{"activity_type":"agent_log","summary":"did a thing","duration_ms":12,"metadata":{"k":1}}`, false},
		{"report activity with all there is", func(c *registry.Client) error {
			return c.ReportActivity(t.Context(), registry.ActivityReport{
				Type: registry.ActivityError, Method: "message/send", Summary: "s", TargetID: strings.ToUpper(peerID), Status: "error", ErrorDetail: "stack",
				Duration: 1 << 62, Request: []byte(`{"a":[1]}`), Response: []byte(`"str"`),
			})
		}, "POST", "/workspaces/" + ownID + "/activity", `{"activity_type":"error","method":"message/send","summary":"s","target_id":"` + peerID + `","status":"error","error_detail":"stack","duration_ms":2147483647,"request_body":{"a":[1]},"response_body":"str"}`, false},
		{"activities", func(c *registry.Client) error {
			_, err := c.Activities(t.Context(), registry.ActivityQuery{Type: registry.ActivityError, Source: registry.FromAgent, Limit: 5})
			return err
		}, "GET", "/workspaces/" + ownID + "/activity?limit=5&source=agent&type=error", "", false},
		{"session search", func(c *registry.Client) error { _, err := c.SearchSession(t.Context(), "hello", 2); return err },
			"GET", "/workspaces/" + ownID + "/session-search?limit=2&q=hello", "", false},
		{"list values", func(c *registry.Client) error { _, err := c.ListKV(t.Context()); return err },
			"GET", "/workspaces/" + ownID + "/memory", "", false},
		{"get a value", func(c *registry.Client) error { _, err := c.GetKV(t.Context(), "100% Ü"); return err },
			"GET", "/workspaces/" + ownID + "/memory/100%25%20%C3%9C", "", false},
		{"set a value", func(c *registry.Client) error {
			_, err := c.SetKV(t.Context(), registry.SetKVRequest{Key: "a/b c", Value: []byte(`{"b":1.0,"a":1}`)})
			return err
		}, "POST", "/workspaces/" + ownID + "/memory", `{"key":"a/b c","value":{"b":1.0,"a":1}}`, false},
		{"create a value for a while", func(c *registry.Client) error {
			none := int64(0)
			_, err := c.SetKV(t.Context(), registry.SetKVRequest{Key: "k", Value: []byte(`null`), TTL: time.Second + 1, IfVersion: &none})
			return err
		}, "POST", "/workspaces/" + ownID + "/memory", `{"key":"k","value":null,"ttl_seconds":2,"if_match_version":0}`, false},
		{"delete a value", func(c *registry.Client) error { return c.DeleteKV(t.Context(), "K") },
			"DELETE", "/workspaces/" + ownID + "/memory/K", "", false},
		{"set a secret", func(c *registry.Client) error { return c.SetSecret(t.Context(), "B", "two\nlines") },
			"PUT", "/workspaces/" + ownID + "/secrets", `{"key":"B","value":"two\nlines"}`, false},
		{"delete a secret", func(c *registry.Client) error { return c.DeleteSecret(t.Context(), "API_KEY") },
			"DELETE", "/workspaces/" + ownID + "/secrets/API_KEY", "", false},
		{"shared context of another workspace", func(c *registry.Client) error {
			_, err := c.SharedContext(t.Context(), strings.ToUpper(peerID))
			return err
		}, "GET", "/workspaces/" + peerID + "/shared-context", "", true},
		{"create a schedule", func(c *registry.Client) error {
			_, err := c.CreateSchedule(t.Context(), registry.CreateScheduleRequest{Name: "n", CronExpr: "*/5 * * * *", Prompt: "do it"})
			return err
		}, "POST", "/workspaces/" + ownID + "/schedules", `{"name":"n","cron_expr":"*/5 * * * *","prompt":"do it","enabled":true}`, false},
		{"create a disabled schedule", func(c *registry.Client) error {
			_, err := c.CreateSchedule(t.Context(), registry.CreateScheduleRequest{CronExpr: "0 9 * * 1", Prompt: "x", Timezone: "Europe/Berlin", Disabled: true})
			return err
		}, "POST", "/workspaces/" + ownID + "/schedules", `{"cron_expr":"0 9 * * 1","prompt":"x","timezone":"Europe/Berlin","enabled":false}`, false},
		{"update a schedule", func(c *registry.Client) error {
			prompt, on := "new", false
			return c.UpdateSchedule(t.Context(), strings.ToUpper(thingID), registry.ScheduleChange{Prompt: &prompt, Enabled: &on})
		}, "PATCH", "/workspaces/" + ownID + "/schedules/" + thingID, `{"prompt":"new","enabled":false}`, false},
		{"run a schedule", func(c *registry.Client) error { _, err := c.RunSchedule(t.Context(), thingID); return err },
			"POST", "/workspaces/" + ownID + "/schedules/" + thingID + "/run", `{}`, false},
		{"mint a token", func(c *registry.Client) error { _, err := c.MintToken(t.Context()); return err },
			"POST", "/workspaces/" + ownID + "/tokens", `{}`, false},
		{"the first page of tokens", func(c *registry.Client) error {
			for _, err := range c.Tokens(t.Context()) {
				return err
			}
			return nil
		}, "GET", "/workspaces/" + ownID + "/tokens?limit=50", "", false},
		{"revoke a token", func(c *registry.Client) error { return c.RevokeToken(t.Context(), strings.ToUpper(thingID)) },
			"DELETE", "/workspaces/" + ownID + "/tokens/" + thingID, "", false},
		{"update the workspace", func(c *registry.Client) error {
			name, x := "n", 1.5
			_, err := c.UpdateWorkspace(t.Context(), registry.WorkspaceChange{Name: &name, X: &x})
			return err
		}, "PATCH", "/workspaces/" + ownID, `{"name":"n","x":1.5}`, false},
		{"notify without attachments", func(c *registry.Client) error {
			return c.Notify(t.Context(), registry.NotifyRequest{Message: "hi"})
		}, "POST", "/workspaces/" + ownID + "/notify", `{"message":"hi"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, org := range []string{"", "org-1"} {
				b := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && slices.ContainsFunc(endpoints, func(e endpoint) bool { return e.list() && strings.HasSuffix(r.URL.Path, path.Base(e.path)) }) {
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
		if e.raw() {
			continue
		}
		t.Run(e.op, func(t *testing.T) {
			body := `{"status":"ok","later":{"deep":[1]},"jsonrpc":"2.0","result":{}}`
			switch {
			case e.list():
				body = `[{"id":"1","later":true}]`
			case e.op == "UploadFiles":
				body = `{"files":[{"uri":"u","name":"n","later":true}],"later":1}`
			case e.op == "SecretValues": // every key is a secret
				body = `{"later":"x"}`
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
