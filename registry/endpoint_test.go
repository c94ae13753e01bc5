package registry_test

import (
	"context"

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
}

// list reports whether the endpoint answers with an array.
func (e endpoint) list() bool { return e.ok == `[]` }
