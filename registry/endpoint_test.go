package registry_test

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// thingID names a memory, an approval or whatever else the platform has.
const thingID = "1842e46c-e5e6-48d5-9e68-e803c7035219"

// endpoint is one method of Client, to run the same test over all of them.
type endpoint struct {
	op, method, path string
	repeated         bool
	ok               string // an answer that succeeds
	call             func(context.Context, *registry.Client) error
}

var endpoints = []endpoint{
	{"Register", "POST", "/registry/register", false, `{"status":"registered"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Register(ctx, registry.RegisterRequest{URL: "http://localhost:8000", AgentCard: []byte(`{"name":"t"}`)})
		return err
	}},
	{"Heartbeat", "POST", "/registry/heartbeat", false, `{"status":"ok"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Heartbeat(ctx, registry.HeartbeatRequest{})
		return err
	}},
	{"UpdateCard", "POST", "/registry/update-card", true, `{"status":"updated"}`, func(ctx context.Context, c *registry.Client) error {
		return c.UpdateCard(ctx, []byte(`{"name":"t"}`))
	}},
	{"Workspace", "GET", "/workspaces/" + ownID, true, `{"id":"` + ownID + `"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Workspace(ctx, "")
		return err
	}},
	{"State", "GET", "/workspaces/" + ownID + "/state", false, `{"status":"online"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.State(ctx)
		return err
	}},
	{"SendA2A", "POST", "/workspaces/" + peerID + "/a2a", false, `{"jsonrpc":"2.0","id":"1","result":{}}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.SendA2A(ctx, peerID, registry.A2ARequest{Method: "message/send", Params: []byte(`{}`)})
		return err
	}},
	{"Delegations", "GET", "/workspaces/" + ownID + "/delegations", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Delegations(ctx)
		return err
	}},
	{"Notify", "POST", "/workspaces/" + ownID + "/notify", false, `{"status":"sent"}`, func(ctx context.Context, c *registry.Client) error {
		return c.Notify(ctx, registry.NotifyRequest{Message: "hello"})
	}},
	{"Peers", "GET", "/registry/" + ownID + "/peers", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Peers(ctx)
		return err
	}},
	{"Discover", "GET", "/registry/discover/" + peerID, true, `{"id":"` + peerID + `"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Discover(ctx, peerID)
		return err
	}},
	{"MayReach", "POST", "/registry/check-access", true, `{"allowed":true}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.MayReach(ctx, peerID)
		return err
	}},
	{"Delegate", "POST", "/workspaces/" + ownID + "/delegate", true, `{"delegation_id":"d","status":"delegated"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Delegate(ctx, registry.DelegateRequest{TargetID: peerID, Task: "t", IdempotencyKey: "k"})
		return err
	}},
	{"RecordDelegation", "POST", "/workspaces/" + ownID + "/delegations/record", false, `{"status":"recorded"}`, func(ctx context.Context, c *registry.Client) error {
		return c.RecordDelegation(ctx, "d", peerID, "t")
	}},
	{"FinishDelegation", "POST", "/workspaces/" + ownID + "/delegations/d/update", false, `{"status":"completed"}`, func(ctx context.Context, c *registry.Client) error {
		return c.FinishDelegation(ctx, "d", registry.DelegationOutcome{Status: registry.DelegationCompleted})
	}},
	{"CommitMemory", "POST", "/workspaces/" + ownID + "/memories", false, `{"id":"` + thingID + `","scope":"LOCAL"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.CommitMemory(ctx, registry.CommitMemoryRequest{Content: "c"})
		return err
	}},
	{"Memories", "GET", "/workspaces/" + ownID + "/memories", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Memories(ctx, registry.MemoryQuery{Text: "sky"})
		return err
	}},
	{"DeleteMemory", "DELETE", "/workspaces/" + ownID + "/memories/" + thingID, true, `{"status":"deleted"}`, func(ctx context.Context, c *registry.Client) error {
		return c.DeleteMemory(ctx, thingID)
	}},
	{"RequestApproval", "POST", "/workspaces/" + ownID + "/approvals", false, `{"approval_id":"` + thingID + `","status":"pending"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.RequestApproval(ctx, registry.RequestApprovalRequest{Action: "deploy"})
		return err
	}},
	{"Approvals", "GET", "/workspaces/" + ownID + "/approvals", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Approvals(ctx)
		return err
	}},
	{"DecideApproval", "POST", "/workspaces/" + ownID + "/approvals/" + thingID + "/decide", false, `{"status":"approved"}`, func(ctx context.Context, c *registry.Client) error {
		return c.DecideApproval(ctx, thingID, registry.ApprovalApproved, "")
	}},
	{"ReportActivity", "POST", "/workspaces/" + ownID + "/activity", false, `{"status":"logged"}`, func(ctx context.Context, c *registry.Client) error {
		return c.ReportActivity(ctx, registry.ActivityReport{Type: registry.ActivityAgentLog})
	}},
	{"Activities", "GET", "/workspaces/" + ownID + "/activity", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Activities(ctx, registry.ActivityQuery{})
		return err
	}},
	{"SearchSession", "GET", "/workspaces/" + ownID + "/session-search", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.SearchSession(ctx, "hello", 0)
		return err
	}},
	{"ListKV", "GET", "/workspaces/" + ownID + "/memory", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.ListKV(ctx)
		return err
	}},
	{"GetKV", "GET", "/workspaces/" + ownID + "/memory/k", true, `{"key":"k","value":1}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.GetKV(ctx, "k")
		return err
	}},
	{"SetKV", "POST", "/workspaces/" + ownID + "/memory", true, `{"version":1}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.SetKV(ctx, registry.SetKVRequest{Key: "k", Value: []byte(`1`)})
		return err
	}},
	{"DeleteKV", "DELETE", "/workspaces/" + ownID + "/memory/k", true, `{"status":"deleted"}`, func(ctx context.Context, c *registry.Client) error {
		return c.DeleteKV(ctx, "k")
	}},
	{"Secrets", "GET", "/workspaces/" + ownID + "/secrets", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Secrets(ctx)
		return err
	}},
	{"SecretValues", "GET", "/workspaces/" + ownID + "/secrets/values", true, `{"API":"v1"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.SecretValues(ctx)
		return err
	}},
	{"SetSecret", "PUT", "/workspaces/" + ownID + "/secrets", true, `{"status":"saved"}`, func(ctx context.Context, c *registry.Client) error {
		return c.SetSecret(ctx, "API", "v1")
	}},
	{"DeleteSecret", "DELETE", "/workspaces/" + ownID + "/secrets/API", true, `{"status":"deleted"}`, func(ctx context.Context, c *registry.Client) error {
		return c.DeleteSecret(ctx, "API")
	}},
	{"Instructions", "GET", "/workspaces/" + ownID + "/instructions/resolve", true, `{"instructions":"x"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Instructions(ctx)
		return err
	}},
	{"SharedContext", "GET", "/workspaces/" + ownID + "/shared-context", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.SharedContext(ctx, "")
		return err
	}},
	{"Schedules", "GET", "/workspaces/" + ownID + "/schedules", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Schedules(ctx)
		return err
	}},
	{"CreateSchedule", "POST", "/workspaces/" + ownID + "/schedules", false, `{"id":"1"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.CreateSchedule(ctx, registry.CreateScheduleRequest{CronExpr: "*/5 * * * *", Prompt: "do it"})
		return err
	}},
	{"UpdateSchedule", "PATCH", "/workspaces/" + ownID + "/schedules/" + thingID, true, `{"status":"updated"}`, func(ctx context.Context, c *registry.Client) error {
		on := false
		return c.UpdateSchedule(ctx, thingID, registry.ScheduleChange{Enabled: &on})
	}},
	{"DeleteSchedule", "DELETE", "/workspaces/" + ownID + "/schedules/" + thingID, true, `{"status":"deleted"}`, func(ctx context.Context, c *registry.Client) error {
		return c.DeleteSchedule(ctx, thingID)
	}},
	{"RunSchedule", "POST", "/workspaces/" + ownID + "/schedules/" + thingID + "/run", false, `{"prompt":"do it"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.RunSchedule(ctx, thingID)
		return err
	}},
	{"ScheduleHistory", "GET", "/workspaces/" + ownID + "/schedules/" + thingID + "/history", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.ScheduleHistory(ctx, thingID)
		return err
	}},
	{"SaveCheckpoint", "POST", "/workspaces/" + ownID + "/checkpoints", true, `{"id":"c"}`, func(ctx context.Context, c *registry.Client) error {
		return c.SaveCheckpoint(ctx, registry.SaveCheckpointRequest{WorkflowID: "w", StepName: "s", StepIndex: 1, Payload: []byte(`{"a":1}`)})
	}},
	{"LatestCheckpoint", "GET", "/workspaces/" + ownID + "/checkpoints/latest", true, `{"workflow_id":"w"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.LatestCheckpoint(ctx)
		return err
	}},
	{"Checkpoints", "GET", "/workspaces/" + ownID + "/checkpoints/w", true, `[]`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.Checkpoints(ctx, "w")
		return err
	}},
	{"DeleteCheckpoints", "DELETE", "/workspaces/" + ownID + "/checkpoints/w", true, `{"deleted":1}`, func(ctx context.Context, c *registry.Client) error {
		return c.DeleteCheckpoints(ctx, "w")
	}},
	{"Tokens", "GET", "/workspaces/" + ownID + "/tokens", true, `{"count":0,"tokens":[]}`, func(ctx context.Context, c *registry.Client) error {
		for _, err := range c.Tokens(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"MintToken", "POST", "/workspaces/" + ownID + "/tokens", false, `{"auth_token":"t"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.MintToken(ctx)
		return err
	}},
	{"RevokeToken", "DELETE", "/workspaces/" + ownID + "/tokens/" + thingID, true, `{"status":"revoked"}`, func(ctx context.Context, c *registry.Client) error {
		return c.RevokeToken(ctx, thingID)
	}},
	{"UpdateWorkspace", "PATCH", "/workspaces/" + ownID, true, `{"status":"updated"}`, func(ctx context.Context, c *registry.Client) error {
		name := "n"
		_, err := c.UpdateWorkspace(ctx, registry.WorkspaceChange{Name: &name})
		return err
	}},
	{"GitHubToken", "GET", "/workspaces/" + ownID + "/github-installation-token", false, `{"token":"t"}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.GitHubToken(ctx)
		return err
	}},
	{"UploadFiles", "POST", "/workspaces/" + ownID + "/chat/uploads", false, `{"files":[{"uri":"workspace:/x","name":"x"}]}`, func(ctx context.Context, c *registry.Client) error {
		_, err := c.UploadFiles(ctx, textFile("x.txt", "hello"))
		return err
	}},
	{"DownloadFile", "GET", "/workspaces/" + ownID + "/chat/download", false, `a file`, func(ctx context.Context, c *registry.Client) error {
		return drain(c.DownloadFile(ctx, "/workspace/x", 0))
	}},
	{"DownloadPlugin", "GET", "/workspaces/" + ownID + "/plugins/lint/download", false, `an archive`, func(ctx context.Context, c *registry.Client) error {
		return drain(c.DownloadPlugin(ctx, "lint", "", 0))
	}},
}

// list reports whether the endpoint answers with an array.
func (e endpoint) list() bool { return e.ok == `[]` }

// raw reports whether the endpoint answers with something other than JSON.
func (e endpoint) raw() bool { return strings.HasPrefix(e.op, "Download") }

// textFile is a file to upload.
func textFile(name, content string) registry.Upload {
	return registry.Upload{Name: name, MIMEType: "text/plain", Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// drain reads a download to its end.
func drain(d *registry.Download, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, d)
	return errors.Join(err, d.Close())
}
