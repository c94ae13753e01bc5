package registry_test

import (
	"context"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// What the platform would answer with a 400 or 500, or with a 200 and then
// lose, is refused before it is sent, in words that name the field and the
// remedy.
func TestWhatIsWrongIsNotSent(t *testing.T) {
	tests := []struct {
		name string
		call func(context.Context, *registry.Client) error
		want []string
	}{
		{"discover what is no id", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Discover(ctx, "../x")
			return err
		}, []string{"Discover", "id", "UUID"}},
		{"reach what is no id", func(ctx context.Context, c *registry.Client) error {
			_, err := c.MayReach(ctx, "")
			return err
		}, []string{"MayReach", "id", "UUID"}},
		{"delegate to a name", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Delegate(ctx, registry.DelegateRequest{TargetID: "the tester", Task: "t"})
			return err
		}, []string{"Delegate", "target", "the tester", "UUID"}},
		{"delegate to oneself, in upper case", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Delegate(ctx, registry.DelegateRequest{TargetID: strings.ToUpper(ownID), Task: "t"})
			return err
		}, []string{"Delegate", "itself"}},
		{"delegate nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Delegate(ctx, registry.DelegateRequest{TargetID: peerID})
			return err
		}, []string{"Delegate", "task"}},
		{"record for a name", func(ctx context.Context, c *registry.Client) error {
			return c.RecordDelegation(ctx, "d", "x", "t")
		}, []string{"RecordDelegation", "target", "UUID"}},
		{"record without an id", func(ctx context.Context, c *registry.Client) error {
			return c.RecordDelegation(ctx, "", peerID, "t")
		}, []string{"RecordDelegation", "delegation id"}},
		{"finish a path", func(ctx context.Context, c *registry.Client) error {
			return c.FinishDelegation(ctx, "a/b", registry.DelegationOutcome{Status: registry.DelegationFailed})
		}, []string{"FinishDelegation", "delegation id", "a/b"}},
		{"finish as queued", func(ctx context.Context, c *registry.Client) error {
			return c.FinishDelegation(ctx, "d", registry.DelegationOutcome{Status: registry.DelegationQueued})
		}, []string{"FinishDelegation", "status", "queued", `"completed" or "failed"`}},
		{"remember nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.CommitMemory(ctx, registry.CommitMemoryRequest{})
			return err
		}, []string{"CommitMemory", "content"}},
		{"remember for nobody", func(ctx context.Context, c *registry.Client) error {
			_, err := c.CommitMemory(ctx, registry.CommitMemoryRequest{Content: "c", Scope: "local"})
			return err
		}, []string{"CommitMemory", "scope", "local", "LOCAL, TEAM or GLOBAL"}},
		{"remember in too long a namespace", func(ctx context.Context, c *registry.Client) error {
			_, err := c.CommitMemory(ctx, registry.CommitMemoryRequest{Content: "c", Namespace: strings.Repeat("n", 51)})
			return err
		}, []string{"CommitMemory", "namespace", "51", "50"}},
		{"recall of no scope", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Memories(ctx, registry.MemoryQuery{Scope: "all"})
			return err
		}, []string{"Memories", "scope", "all", "LOCAL, TEAM or GLOBAL"}},
		{"recall too many", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Memories(ctx, registry.MemoryQuery{Limit: 51})
			return err
		}, []string{"Memories", "limit", "51", "50"}},
		{"forget what has no id", func(ctx context.Context, c *registry.Client) error {
			return c.DeleteMemory(ctx, "abc")
		}, []string{"DeleteMemory", "memory id", "abc", "UUID"}},
		{"approve nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.RequestApproval(ctx, registry.RequestApprovalRequest{})
			return err
		}, []string{"RequestApproval", "action"}},
		{"decide what has no id", func(ctx context.Context, c *registry.Client) error {
			return c.DecideApproval(ctx, "abc", registry.ApprovalDenied, "")
		}, []string{"DecideApproval", "approval id", "abc", "UUID"}},
		{"decide to wait", func(ctx context.Context, c *registry.Client) error {
			return c.DecideApproval(ctx, thingID, registry.ApprovalPending, "")
		}, []string{"DecideApproval", "decision", "pending", `"approved" or "denied"`}},
		{"report a delegation", func(ctx context.Context, c *registry.Client) error {
			return c.ReportActivity(ctx, registry.ActivityReport{Type: registry.ActivityDelegation})
		}, []string{"ReportActivity", "type", "delegation", "agent_log"}},
		{"report about a name", func(ctx context.Context, c *registry.Client) error {
			return c.ReportActivity(ctx, registry.ActivityReport{Type: registry.ActivityA2ASend, TargetID: "peer-name"})
		}, []string{"ReportActivity", "target", "peer-name", "UUID"}},
		{"activity of nobody", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Activities(ctx, registry.ActivityQuery{Source: "x"})
			return err
		}, []string{"Activities", "source", "canvas", "agent"}},
		{"too much activity", func(ctx context.Context, c *registry.Client) error {
			_, err := c.Activities(ctx, registry.ActivityQuery{Limit: 501})
			return err
		}, []string{"Activities", "limit", "501", "500"}},
		{"search too far", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SearchSession(ctx, "x", -1)
			return err
		}, []string{"SearchSession", "limit", "-1", "200"}},
		{"notify of nothing", func(ctx context.Context, c *registry.Client) error {
			return c.Notify(ctx, registry.NotifyRequest{})
		}, []string{"Notify", "message"}},
		{"attach what has no name", func(ctx context.Context, c *registry.Client) error {
			return c.Notify(ctx, registry.NotifyRequest{Message: "m", Attachments: []registry.Attachment{{URI: "workspace:/x", Name: "x"}, {URI: "workspace:/y"}}})
		}, []string{"Notify", "attachment 1", "name"}},
	}
	b := serve(t, answer(200, `{}`))
	c := b.client(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(t.Context(), c)
			if err == nil {
				t.Fatal("it was sent")
			}
			if registry.FromPlatform(err) {
				t.Errorf("FromPlatform(%v): nobody was asked", err)
			}
			for _, want := range append(tt.want, "registry: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want one with %q", err, want)
				}
			}
		})
	}
	if n := len(b.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
