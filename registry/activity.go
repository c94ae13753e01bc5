package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ActivityType says what kind of thing happened.
type ActivityType string

// What a workspace may report. [Activity.Type] may say more, such as
// "delegation".
const (
	ActivityA2ASend        ActivityType = "a2a_send"
	ActivityA2AReceive     ActivityType = "a2a_receive"
	ActivityTaskUpdate     ActivityType = "task_update"
	ActivityAgentLog       ActivityType = "agent_log"
	ActivitySkillPromotion ActivityType = "skill_promotion"
	ActivityMemoryWrite    ActivityType = "memory_write"
	ActivityError          ActivityType = "error"
	ActivityDelegation     ActivityType = "delegation" // the platform's own; cannot be reported
)

var reportable = []ActivityType{
	ActivityA2ASend, ActivityA2AReceive, ActivityTaskUpdate, ActivityAgentLog, ActivitySkillPromotion, ActivityMemoryWrite, ActivityError,
}

// ActivityReport is something that happened in this workspace, for people to
// read.
type ActivityReport struct {
	Type        ActivityType    // required, any but ActivityDelegation
	Method      string          // such as "message/send"
	Summary     string          // one line
	TargetID    string          // the UUID of another workspace, when it was about one
	Status      string          // the platform's default is "ok"
	ErrorDetail string          // what went wrong
	Duration    time.Duration   // kept in milliseconds, at most 24 days; 0 is left out
	Request     json.RawMessage // any JSON
	Response    json.RawMessage // any JSON
	Metadata    json.RawMessage // any JSON; kept only when there is no Request
}

// ReportActivity adds to the workspace's activity: POST
// /workspaces/{id}/activity. Reports are kept for a week. A success does not
// prove that this one is stored. It is not repeated here, since each call is
// another entry.
func (c *Client) ReportActivity(ctx context.Context, r ActivityReport) error {
	target := strings.ToLower(strings.TrimSpace(r.TargetID))
	switch {
	case !slices.Contains(reportable, r.Type):
		return fmt.Errorf("registry: ReportActivity: type %q: use one of %q", excerpt([]byte(r.Type)), reportable)
	case target != "" && !isUUID(target): // the platform would say 200 and lose the report
		return fmt.Errorf("registry: ReportActivity: target %q: use the UUID of a workspace, or none", excerpt([]byte(target)))
	}
	return c.do(ctx, call{
		op: "ReportActivity", method: http.MethodPost, path: c.own("/activity"), asks: never,
		body: struct {
			Type         ActivityType    `json:"activity_type"`
			Method       string          `json:"method,omitempty"`
			Summary      string          `json:"summary,omitempty"`
			TargetID     string          `json:"target_id,omitempty"`
			Status       string          `json:"status,omitempty"`
			ErrorDetail  string          `json:"error_detail,omitempty"`
			DurationMS   int64           `json:"duration_ms,omitempty"`
			RequestBody  json.RawMessage `json:"request_body,omitempty"`
			ResponseBody json.RawMessage `json:"response_body,omitempty"`
			Metadata     json.RawMessage `json:"metadata,omitempty"`
		}{
			r.Type, r.Method, r.Summary, target, r.Status, r.ErrorDetail,
			min(max(r.Duration.Milliseconds(), 0), math.MaxInt32), r.Request, r.Response, r.Metadata,
		},
	}, nil)
}

// Activity is one entry of a workspace's activity. What the platform sends as
// null is the zero value here.
type Activity struct {
	ID          string          `json:"id"`
	WorkspaceID string          `json:"workspace_id"`
	Type        ActivityType    `json:"activity_type"`
	SourceID    string          `json:"source_id"` // "" is the user, at the canvas
	TargetID    string          `json:"target_id"`
	Method      string          `json:"method"`
	Summary     string          `json:"summary"`
	DurationMS  int64           `json:"duration_ms"`
	Status      string          `json:"status"`
	ErrorDetail string          `json:"error_detail"`
	CreatedAt   time.Time       `json:"created_at"`
	Request     json.RawMessage `json:"request_body"`
	Response    json.RawMessage `json:"response_body"`
	ToolTrace   json.RawMessage `json:"tool_trace"`
}

// ActivitySource says who began something.
type ActivitySource string

// Who may have begun it.
const (
	FromCanvas ActivitySource = "canvas" // the user
	FromAgent  ActivitySource = "agent"  // a workspace
)

// ActivityQuery chooses entries; the zero value is the newest 100.
type ActivityQuery struct {
	Type   ActivityType
	Source ActivitySource
	Limit  int // 1 to 500; 0 is 100
}

// Activities lists what happened in this workspace, newest first: GET
// /workspaces/{id}/activity. The platform gives at most 500 entries and knows
// no paging: whoever polls tells old ones by their id.
func (c *Client) Activities(ctx context.Context, q ActivityQuery) ([]Activity, error) {
	switch {
	case q.Source != "" && q.Source != FromCanvas && q.Source != FromAgent:
		return nil, fmt.Errorf("registry: Activities: source %q: use %q or %q, or none", excerpt([]byte(q.Source)), FromCanvas, FromAgent)
	case q.Limit < 0 || q.Limit > 500:
		return nil, fmt.Errorf("registry: Activities: limit %d: use 1 to 500, or 0 for 100", q.Limit)
	}
	var out []Activity
	err := c.do(ctx, call{
		op: "Activities", method: http.MethodGet, path: c.own("/activity"), asks: reads,
		query: query("type", string(q.Type), "source", string(q.Source), "limit", count(q.Limit)),
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Found is one thing that [Client.SearchSession] found.
type Found struct {
	Kind        string          `json:"kind"` // "activity" or "memory"
	ID          string          `json:"id"`
	WorkspaceID string          `json:"workspace_id"`
	Label       string          `json:"label"`
	Content     string          `json:"content"`
	Method      string          `json:"method"`
	Status      string          `json:"status"`
	CreatedAt   time.Time       `json:"created_at"`
	Request     json.RawMessage `json:"request_body"`
	Response    json.RawMessage `json:"response_body"`
}

// SearchSession looks for text anywhere in this workspace's activity and
// memories, newest first: GET /workspaces/{id}/session-search. limit is 1 to
// 200, 0 is 50; there is no paging.
func (c *Client) SearchSession(ctx context.Context, text string, limit int) ([]Found, error) {
	if limit < 0 || limit > 200 {
		return nil, fmt.Errorf("registry: SearchSession: limit %d: use 1 to 200, or 0 for 50", limit)
	}
	var out []Found
	err := c.do(ctx, call{
		op: "SearchSession", method: http.MethodGet, path: c.own("/session-search"), asks: reads,
		query: query("q", text, "limit", count(limit)),
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}
