package registry_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

var sentinels = []error{
	registry.ErrBadRequest, registry.ErrUnauthorized, registry.ErrBudgetExceeded, registry.ErrForbidden,
	registry.ErrNotFound, registry.ErrTenantMismatch, registry.ErrConflict, registry.ErrRemoved, registry.ErrTooLarge,
	registry.ErrRateLimited, registry.ErrBusy, registry.ErrRestarting, registry.ErrUnavailable, registry.ErrUnexpectedAnswer,
}

// The documented failures of each endpoint: status, body and what they become.
func TestDocumentedErrors(t *testing.T) {
	type row struct {
		status  int
		body    string
		message string // of the Error
		is      []error
		after   time.Duration
		header  []string
	}
	var (
		badBody = row{status: 400, body: `{"error":"invalid request body"}`, message: "invalid request body", is: []error{registry.ErrBadRequest}}
		missing = row{status: 401, body: `{"error":"missing workspace auth token"}`, message: "missing workspace auth token", is: []error{registry.ErrUnauthorized}}
		invalid = row{status: 401, body: `{"error":"invalid workspace auth token"}`, message: "invalid workspace auth token", is: []error{registry.ErrUnauthorized}}
		query   = row{status: 500, body: `{"error":"query failed"}`, message: "query failed", is: []error{registry.ErrUnavailable}}
		bad     = func(text string) row {
			return row{status: 400, body: `{"error":"` + text + `"}`, message: text, is: []error{registry.ErrBadRequest}}
		}
		failed = func(text string) row {
			return row{status: 500, body: `{"error":"` + text + `"}`, message: text, is: []error{registry.ErrUnavailable}}
		}
		busyText = "workspace agent busy — adapter handles retry (native_session)"
	)
	everywhere := []row{
		{status: 403, is: []error{registry.ErrForbidden}}, // CORS
		{status: 404, is: []error{registry.ErrTenantMismatch}},
		{status: 404, body: "404 page not found", message: "404 page not found", is: []error{registry.ErrNotFound}},
		{status: 409, body: `{"error":"x"}`, message: "x", is: []error{registry.ErrConflict}},
		{status: 410, body: `{"error":"x"}`, message: "x", is: []error{registry.ErrRemoved}},
		{status: 413, body: `{"error":"x"}`, message: "x", is: []error{registry.ErrTooLarge}},
		{status: 429, body: `{"error":"rate limit exceeded","retry_after":59}`, header: []string{"Retry-After", "59"}, message: "rate limit exceeded", is: []error{registry.ErrRateLimited}, after: 60 * time.Second},
		{status: 429, body: `{"error":"rate limit exceeded","retry_after":0}`, header: []string{"Retry-After", "0"}, message: "rate limit exceeded", is: []error{registry.ErrRateLimited}, after: time.Second},
		{status: 429, body: `{"error":"too many"}`, message: "too many", is: []error{registry.ErrRateLimited}},
		{status: 500, is: []error{registry.ErrUnavailable}}, // a panic
		{status: 502, body: "<html>bad gateway</html>", message: "<html>bad gateway</html>", is: []error{registry.ErrUnavailable}},
		{status: 503, body: `{"code":"platform_unavailable","error":"platform datastore unavailable — retry shortly"}`, message: "platform datastore unavailable — retry shortly", is: []error{registry.ErrUnavailable}},
		{status: 400, body: `{"error":"a \u003c b"}`, message: "a < b", is: []error{registry.ErrBadRequest}},
	}
	noneFound := row{status: 404, body: `{"error":"no checkpoints found for workflow"}`, message: "no checkpoints found for workflow", is: []error{registry.ErrNotFound}}
	own := map[string][]row{
		"SaveCheckpoint": {missing, invalid, badBody,
			{status: 500, body: `{"error":"failed to upsert checkpoint"}`, message: "failed to upsert checkpoint", is: []error{registry.ErrUnavailable}}},
		"LatestCheckpoint": {missing, invalid,
			{status: 404, body: `{"error":"no checkpoints found for workspace"}`, message: "no checkpoints found for workspace", is: []error{registry.ErrNotFound}}},
		"Checkpoints":       {missing, invalid, noneFound},
		"DeleteCheckpoints": {missing, invalid, noneFound},
		"Register":          {badBody, missing, invalid, {status: 500, body: `{"error":"registration failed"}`, message: "registration failed", is: []error{registry.ErrUnavailable}}},
		"Heartbeat":         {badBody, missing, invalid, {status: 500, body: `{"error":"failed to update"}`, message: "failed to update", is: []error{registry.ErrUnavailable}}},
		"UpdateCard":        {badBody, missing, invalid, {status: 500, body: `{"error":"failed to update card"}`, message: "failed to update card", is: []error{registry.ErrUnavailable}}},
		"Workspace": {query,
			{status: 400, body: `{"error":"invalid workspace ID"}`, message: "invalid workspace ID", is: []error{registry.ErrBadRequest}},
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}}},
		"State": {missing, invalid, query,
			{status: 404, body: `{"workspace_id":"x","status":"removed","deleted":true}`, is: []error{registry.ErrNotFound}},
			{status: 500, body: `{"error":"auth check failed"}`, message: "auth check failed", is: []error{registry.ErrUnavailable}}},
		"SendA2A": {
			{status: 400, body: `{"error":"invalid JSON"}`, message: "invalid JSON", is: []error{registry.ErrBadRequest}},
			{status: 401, body: `{"error":"missing caller auth token"}`, message: "missing caller auth token", is: []error{registry.ErrUnauthorized}},
			{status: 401, body: `{"error":"invalid caller auth token"}`, message: "invalid caller auth token", is: []error{registry.ErrUnauthorized}},
			{status: 402, body: `{"error":"workspace budget limit exceeded"}`, message: "workspace budget limit exceeded", is: []error{registry.ErrBudgetExceeded}},
			{status: 403, body: `{"error":"invalid caller ID"}`, message: "invalid caller ID", is: []error{registry.ErrForbidden}},
			{status: 403, body: `{"error":"access denied: workspaces cannot communicate per hierarchy rules"}`, message: "access denied: workspaces cannot communicate per hierarchy rules", is: []error{registry.ErrForbidden}},
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}},
			{status: 502, body: `{"error":"failed to reach workspace agent"}`, message: "failed to reach workspace agent", is: []error{registry.ErrUnavailable}},
			{status: 502, body: `{"error":"workspace URL is not publicly routable"}`, message: "workspace URL is not publicly routable", is: []error{registry.ErrUnavailable}},
			{status: 502, body: `{"delivery_confirmed":true,"error":"failed to read agent response"}`, message: "failed to read agent response", is: []error{registry.ErrUnavailable}},
			{status: 503, body: `{"busy":true,"error":"` + busyText + `","native_session":true,"retry_after":30}`, header: []string{"Retry-After", "30"}, message: busyText, is: []error{registry.ErrBusy, registry.ErrUnavailable}, after: 31 * time.Second},
			{status: 503, body: `{"error":"workspace agent unreachable — container restart triggered","restarting":true}`, message: "workspace agent unreachable — container restart triggered", is: []error{registry.ErrRestarting, registry.ErrUnavailable}},
			{status: 503, body: `{"error":"workspace has no URL","status":"paused"}`, message: "workspace has no URL", is: []error{registry.ErrUnavailable}},
			{status: 503, body: `{"error":"workspace is waking from hibernation — retry in ~15 seconds","retry_after":15,"waking":true}`, message: "workspace is waking from hibernation — retry in ~15 seconds", is: []error{registry.ErrUnavailable}, after: 16 * time.Second},
			{status: 500, body: `{"error":"Internal Server Error"}`, message: "Internal Server Error", is: []error{registry.ErrUnavailable}},
		},
		"Delegations": {missing, invalid, query},
		"Notify": {badBody, missing, invalid,
			{status: 400, body: `{"error":"message is required"}`, message: "message is required", is: []error{registry.ErrBadRequest}},
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}}},
		"Peers": {missing, invalid,
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}},
			failed("lookup failed")},
		"Discover": {missing, invalid,
			{status: 400, body: `{"error":"X-Workspace-ID header is required"}`, message: "X-Workspace-ID header is required", is: []error{registry.ErrBadRequest}},
			{status: 403, body: `{"error":"not authorized to discover this workspace"}`, message: "not authorized to discover this workspace", is: []error{registry.ErrForbidden}},
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}},
			{status: 503, body: `{"error":"workspace not available","status":"provisioning"}`, message: "workspace not available", is: []error{registry.ErrUnavailable}},
			{status: 503, body: `{"error":"workspace URL failed safety check"}`, message: "workspace URL failed safety check", is: []error{registry.ErrUnavailable}}},
		"MayReach": {badBody},
		"Delegate": {missing, invalid,
			bad("invalid delegation request"), bad("target_id must be a valid UUID"), bad("self-delegation not permitted")},
		"RecordDelegation": {badBody, missing, invalid, bad("target_id must be a valid UUID"), failed("failed to record delegation")},
		"FinishDelegation": {badBody, missing, invalid, bad("status must be 'completed' or 'failed'")},
		"CommitMemory": {badBody, missing, invalid,
			bad("scope must be LOCAL, TEAM, or GLOBAL"),
			{status: 400, body: `{"error":"namespace must be \u003c= 50 characters"}`, message: "namespace must be <= 50 characters", is: []error{registry.ErrBadRequest}},
			{status: 403, body: `{"error":"only root workspaces can write GLOBAL memories"}`, message: "only root workspaces can write GLOBAL memories", is: []error{registry.ErrForbidden}},
			failed("failed to store memory")},
		"Memories": {missing, invalid, failed("search failed")},
		"DeleteMemory": {missing, invalid, failed("delete failed"),
			{status: 404, body: `{"error":"memory not found or not owned by this workspace"}`, message: "memory not found or not owned by this workspace", is: []error{registry.ErrNotFound}}},
		"RequestApproval": {badBody, missing, invalid, failed("failed to create approval")},
		"Approvals":       {missing, invalid, query},
		"DecideApproval": {badBody, missing, invalid, bad("decision must be 'approved' or 'denied'"), failed("failed to update"),
			{status: 404, body: `{"error":"approval not found or already decided"}`, message: "approval not found or already decided", is: []error{registry.ErrNotFound}}},
		"ReportActivity": {badBody, missing, invalid,
			bad("invalid activity_type, must be one of: a2a_send, a2a_receive, task_update, agent_log, skill_promotion, memory_write, error"),
			{status: 403, body: `{"error":"source_id must match authenticated workspace"}`, message: "source_id must match authenticated workspace", is: []error{registry.ErrForbidden}}},
		"ListKV":       {missing, invalid, query},
		"GetKV":        {missing, invalid, {status: 404, body: `{"error":"key not found"}`, message: "key not found", is: []error{registry.ErrNotFound}}},
		"SetKV":        {badBody, missing, invalid, bad("key is required"), failed("failed to set memory")},
		"DeleteKV":     {missing, invalid},
		"Secrets":      {missing, invalid, query},
		"SecretValues": {missing, invalid, {status: 500, body: `{"error":"failed to decrypt","failed_keys":["workspace:K"]}`, message: "failed to decrypt", is: []error{registry.ErrUnavailable}}},
		"SetSecret":    {badBody, missing, invalid, bad("invalid workspace ID")},
		"DeleteSecret": {missing, invalid, {status: 404, body: `{"error":"secret not found"}`, message: "secret not found", is: []error{registry.ErrNotFound}}},
		"Instructions": {missing, invalid, query},
		"SharedContext": {missing, invalid,
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}}},
		"Schedules":       {missing, invalid, query},
		"CreateSchedule":  {badBody, missing, invalid, bad("cron_expr and prompt are required"), bad("invalid timezone: Mars/X")},
		"UpdateSchedule":  {missing, invalid, bad("invalid JSON"), {status: 404, body: `{"error":"schedule not found"}`, message: "schedule not found", is: []error{registry.ErrNotFound}}},
		"DeleteSchedule":  {missing, invalid, failed("failed to delete schedule"), {status: 404, body: `{"error":"schedule not found"}`, message: "schedule not found", is: []error{registry.ErrNotFound}}},
		"RunSchedule":     {missing, invalid, {status: 404, body: `{"error":"schedule not found"}`, message: "schedule not found", is: []error{registry.ErrNotFound}}},
		"ScheduleHistory": {missing, invalid, query},
		"Tokens":          {missing, invalid},
		"MintToken": {missing, invalid, failed("failed to create token"),
			{status: 429, body: `{"error":"maximum 50 active tokens per workspace"}`, message: "maximum 50 active tokens per workspace", is: []error{registry.ErrRateLimited}}},
		"RevokeToken": {missing, invalid, failed("failed to revoke token"),
			{status: 404, body: `{"error":"token not found or already revoked"}`, message: "token not found or already revoked", is: []error{registry.ErrNotFound}}},
		"UpdateWorkspace": {missing, invalid, bad("invalid workspace fields"),
			{status: 404, body: `{"error":"workspace not found"}`, message: "workspace not found", is: []error{registry.ErrNotFound}}},
		"GitHubToken": {missing, invalid, failed("token refresh failed"),
			{status: 404, body: `{"error":"no GitHub App configured"}`, message: "no GitHub App configured", is: []error{registry.ErrNotFound}}},
		"UploadFiles": {missing, invalid, bad("failed to parse multipart form"), bad("expected at least one 'files' field"), failed("failed to stage files in workspace"),
			{status: 413, body: `{"error":"x.txt exceeds per-file limit (25 MB)"}`, message: "x.txt exceeds per-file limit (25 MB)", is: []error{registry.ErrTooLarge}},
			{status: 503, body: `{"error":"workspace container not running"}`, message: "workspace container not running", is: []error{registry.ErrUnavailable}}},
		"DownloadFile": {missing, invalid, bad("path must be under /configs, /workspace, /home, /plugins"), bad("path is not a regular file"),
			{status: 404, body: `{"error":"file not found"}`, message: "file not found", is: []error{registry.ErrNotFound}},
			{status: 503, body: `{"error":"docker unavailable"}`, message: "docker unavailable", is: []error{registry.ErrUnavailable}}},
		"DownloadPlugin": {missing, invalid, bad("invalid plugin name"),
			{status: 404, body: `{"error":"failed to fetch plugin from local","source":"local://lint"}`, message: "failed to fetch plugin from local", is: []error{registry.ErrNotFound}},
			{status: 422, body: `{"error":"checksum mismatch"}`, message: "checksum mismatch"},
			{status: 504, body: `{"error":"fetch timed out"}`, message: "fetch timed out", is: []error{registry.ErrUnavailable}}},
		"Activities":    {missing, invalid, query, bad("source must be 'canvas' or 'agent'")},
		"SearchSession": {missing, invalid, query},
	}
	for _, e := range endpoints {
		if own[e.op] == nil {
			t.Errorf("%s has no documented error", e.op)
		}
		for _, r := range append(own[e.op], everywhere...) {
			t.Run(e.op+"/"+http.StatusText(r.status)+"/"+r.message, func(t *testing.T) {
				b := serve(t, answer(r.status, r.body, r.header...))
				err := e.call(t.Context(), b.client(t))
				var got *registry.Error
				if !errors.As(err, &got) {
					t.Fatalf("error is a %T: %v", err, err)
				}
				if got.Op != e.op || got.Method != e.method || got.Path != e.path || got.Status != r.status || got.Message != r.message || got.RetryAfter != r.after {
					t.Errorf("error = %+v, want %+v", got, r)
				}
				for _, s := range sentinels {
					want := false
					for _, is := range r.is {
						want = want || is == s
					}
					if errors.Is(err, s) != want {
						t.Errorf("errors.Is(err, %q) = %t", s, !want)
					}
				}
				if !registry.FromPlatform(err) {
					t.Error("FromPlatform = false for an answer")
				}
				if text := err.Error(); !strings.Contains(text, e.op) || !strings.Contains(text, e.path) || !strings.Contains(text, r.message) {
					t.Errorf("the text does not say what happened: %s", text)
				}
				if n := len(b.requests()); n != 1 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

func TestErrorsKnowTheUsualMistake(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		op     string
		want   string
	}{
		{"404 with an empty body", 404, "", "Delegations", "set MOLECULE_ORG_ID"},
		{"404 as text", 404, "404 page not found", "Heartbeat", "possible wrong base URL"},
		{"403 with an empty body", 403, "", "Notify", "Origin"},
		{"a refused URL", 400, `{"error":"invalid request body"}`, "Register", "possible refused URL"},
		{"HTML", 200, "<!DOCTYPE html><title>canvas</title>", "Heartbeat", "the body is an HTML page (possible wrong base URL or front proxy: set"},
		{"text", 200, "hello", "State", "the body is not JSON (possible"},
		{"nothing", 200, "", "Workspace", "the body is empty (possible"},
		{"a list", 200, "[]", "Workspace", "the body is JSON of another shape (possible"},
		{"an agent's text", 200, "hello", "SendA2A", "possible agent that does not speak JSON-RPC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, e := range endpoints {
				if e.op != tt.op {
					continue
				}
				err := e.call(t.Context(), serve(t, answer(tt.status, tt.body)).client(t))
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error = %v, want one with %q", err, tt.want)
				}
				if (tt.status == 200) != errors.Is(err, registry.ErrUnexpectedAnswer) || !registry.FromPlatform(err) {
					t.Errorf("kind of %v is wrong", err)
				}
			}
		})
	}
}

func TestFromPlatformIsFalseWithoutAnAnswer(t *testing.T) {
	b := serve(t, answer(200, `{}`))
	c := b.client(t)
	b.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range endpoints {
		t.Run(e.op, func(t *testing.T) {
			err := e.call(t.Context(), c)
			if err == nil || registry.FromPlatform(err) {
				t.Errorf("connection refused: %v", err)
			}
			if strings.Contains(err.Error(), "http://") || !strings.Contains(err.Error(), e.op) {
				t.Errorf("text: %v", err)
			}
			if err := e.call(gone, c); !errors.Is(err, context.Canceled) || registry.FromPlatform(err) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
	if registry.FromPlatform(nil) || registry.FromPlatform(errors.New("x")) {
		t.Error("FromPlatform is true for errors of others")
	}
}

func TestOddErrorBodies(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name, body, message string
		busy                bool
		after               time.Duration
	}{
		{"null", `null`, "", false, 0},
		{"a list", `["a"]`, `["a"]`, false, 0},
		{"an object as error", `{"error":{"code":1}}`, `{"code":1}`, false, 0},
		{"retry_after as text", `{"error":"e","retry_after":"30","busy":true}`, "e", true, 0},
		{"retry_after negative", `{"error":"e","retry_after":-3,"busy":true}`, "e", true, 0},
		{"retry_after absurd", `{"error":"e","retry_after":1e300,"busy":true}`, "e", true, 0},
		{"lines and controls", "a\r\nb\x00c\x1b[31m", "a b c [31m", false, 0},
		{"no UTF-8", "\xff\xfe", "\ufffd", false, 0},
		{"long", long, long[:200] + "...", false, 0},
		{"long JSON", `{"error":"` + long[:300] + `"}`, long[:200] + "...", false, 0},
		{"more than is read", `{"error":"` + long + `"}`, (`{"error":"` + long)[:200] + "...", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := serve(t, answer(503, tt.body)).client(t).State(t.Context())
			var e *registry.Error
			if !errors.As(err, &e) {
				t.Fatalf("error = %v", err)
			}
			if e.Message != tt.message || e.Busy != tt.busy || e.RetryAfter != tt.after {
				t.Errorf("error = %+v", e)
			}
		})
	}
}
