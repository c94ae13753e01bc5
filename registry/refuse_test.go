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
		{"get a path", func(ctx context.Context, c *registry.Client) error {
			_, err := c.GetKV(ctx, "a/b")
			return err
		}, []string{"GetKV", "key", "a/b"}},
		{"get what escapes", func(ctx context.Context, c *registry.Client) error {
			_, err := c.GetKV(ctx, "..")
			return err
		}, []string{"GetKV", "key", ".."}},
		{"delete no key", func(ctx context.Context, c *registry.Client) error { return c.DeleteKV(ctx, "") }, []string{"DeleteKV", "key"}},
		{"set no key", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SetKV(ctx, registry.SetKVRequest{Value: []byte(`1`)})
			return err
		}, []string{"SetKV", "key"}},
		{"set a key with a NUL", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SetKV(ctx, registry.SetKVRequest{Key: "a\x00b", Value: []byte(`1`)})
			return err
		}, []string{"SetKV", "key", "NUL"}},
		{"set nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SetKV(ctx, registry.SetKVRequest{Key: "k"})
			return err
		}, []string{"SetKV", "value", "null"}},
		{"set for less than nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SetKV(ctx, registry.SetKVRequest{Key: "k", Value: []byte(`1`), TTL: -1})
			return err
		}, []string{"SetKV", "TTL", "positive"}},
		{"set no secret", func(ctx context.Context, c *registry.Client) error { return c.SetSecret(ctx, "K", "") }, []string{"SetSecret", "value"}},
		{"delete no secret", func(ctx context.Context, c *registry.Client) error { return c.DeleteSecret(ctx, "") }, []string{"DeleteSecret", "key"}},
		{"share of nobody", func(ctx context.Context, c *registry.Client) error {
			_, err := c.SharedContext(ctx, "a/b")
			return err
		}, []string{"SharedContext", "id", "UUID"}},
		{"schedule nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.CreateSchedule(ctx, registry.CreateScheduleRequest{CronExpr: "* * * * *"})
			return err
		}, []string{"CreateSchedule", "prompt"}},
		{"change no schedule", func(ctx context.Context, c *registry.Client) error {
			return c.UpdateSchedule(ctx, "abc", registry.ScheduleChange{})
		}, []string{"UpdateSchedule", "schedule id", "abc"}},
		{"delete no schedule", func(ctx context.Context, c *registry.Client) error { return c.DeleteSchedule(ctx, "abc") }, []string{"DeleteSchedule", "schedule id", "abc"}},
		{"run no schedule", func(ctx context.Context, c *registry.Client) error {
			_, err := c.RunSchedule(ctx, "abc")
			return err
		}, []string{"RunSchedule", "schedule id", "abc"}},
		{"history of no schedule", func(ctx context.Context, c *registry.Client) error {
			_, err := c.ScheduleHistory(ctx, "abc")
			return err
		}, []string{"ScheduleHistory", "schedule id", "abc"}},
		{"revoke no token", func(ctx context.Context, c *registry.Client) error { return c.RevokeToken(ctx, "abc") }, []string{"RevokeToken", "token id", "abc"}},
		{"upload nothing", func(ctx context.Context, c *registry.Client) error {
			_, err := c.UploadFiles(ctx)
			return err
		}, []string{"UploadFiles", "no files"}},
		{"upload without a name", func(ctx context.Context, c *registry.Client) error {
			_, err := c.UploadFiles(ctx, textFile("", "x"))
			return err
		}, []string{"UploadFiles", "file 0", "name"}},
		{"upload too large a file", func(ctx context.Context, c *registry.Client) error {
			f := textFile("big.bin", "")
			f.Size = registry.MaxUploadFile + 1
			_, err := c.UploadFiles(ctx, f)
			return err
		}, []string{"UploadFiles", "big.bin", "too large", "26214400"}},
		{"upload too much", func(ctx context.Context, c *registry.Client) error {
			f := textFile("big.bin", "")
			f.Size = registry.MaxUploadFile
			_, err := c.UploadFiles(ctx, f, f)
			return err
		}, []string{"UploadFiles", "too large", "52428800", "fewer files"}},
		{"upload a header", func(ctx context.Context, c *registry.Client) error {
			f := textFile("x", "x")
			f.MIMEType = "text/plain\r\nX: y"
			_, err := c.UploadFiles(ctx, f)
			return err
		}, []string{"UploadFiles", "MIME type"}},
		{"download what is no path", func(ctx context.Context, c *registry.Client) error {
			return drain(c.DownloadFile(ctx, "x.txt", 0))
		}, []string{"DownloadFile", "path", "x.txt", "absolute"}},
		{"download less than nothing", func(ctx context.Context, c *registry.Client) error {
			return drain(c.DownloadFile(ctx, "/workspace/x", -1))
		}, []string{"DownloadFile", "-1", "positive"}},
		{"download a path as a plugin", func(ctx context.Context, c *registry.Client) error {
			return drain(c.DownloadPlugin(ctx, "../x", "", 0))
		}, []string{"DownloadPlugin", "plugin", "../x"}},
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
