package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// What [Workspace.Status] may say.
const (
	StatusProvisioning = "provisioning"
	StatusOnline       = "online"
	StatusOffline      = "offline"
	StatusDegraded     = "degraded"
	StatusFailed       = "failed"
	StatusPaused       = "paused"
	StatusHibernated   = "hibernated"
	StatusRemoved      = "removed"
)

// Workspace is the platform's row of a workspace. What the platform sends as
// null is the zero value here.
type Workspace struct {
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	Role               string          `json:"role"`
	Tier               int             `json:"tier"`
	Status             string          `json:"status"`
	URL                string          `json:"url"`
	ParentID           string          `json:"parent_id"`
	ActiveTasks        int             `json:"active_tasks"`
	MaxConcurrentTasks int             `json:"max_concurrent_tasks"`
	LastErrorRate      float64         `json:"last_error_rate"`
	UptimeSeconds      int             `json:"uptime_seconds"`
	Runtime            string          `json:"runtime"`
	Collapsed          bool            `json:"collapsed"`
	AgentCard          json.RawMessage `json:"agent_card"`
	LastOutboundAt     time.Time       `json:"last_outbound_at"`
	X                  float64         `json:"x"` // on the canvas
	Y                  float64         `json:"y"`
	// ProvisionTimeoutMS is how long its runtime may take to start, in
	// milliseconds; 0 leaves it to the platform.
	ProvisionTimeoutMS int64 `json:"provision_timeout_ms"`
}

// Workspace reads the row of a workspace, this one's when id is empty: GET
// /workspaces/{id}. It is open to everybody, with or without a token, so it
// answers the one question a refused token leaves: is this workspace still
// there? A removed one has the status "removed"; one that was purged is
// [ErrNotFound].
func (c *Client) Workspace(ctx context.Context, id string) (*Workspace, error) {
	if id == "" {
		id = c.workspace
	}
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("registry: Workspace: %w", err)
	}
	var out Workspace
	err := c.do(ctx, call{
		op: "Workspace", method: http.MethodGet, path: "/workspaces/" + segment(id), asks: reads,
	}, &out)
	if err != nil {
		return nil, err
	}
	if string(out.AgentCard) == "null" {
		out.AgentCard = nil
	}
	return &out, nil
}

// WorkspaceState is the short form of the row.
type WorkspaceState struct {
	WorkspaceID string `json:"workspace_id"`
	Status      string `json:"status"`
	Paused      bool   `json:"paused"`
	Deleted     bool   `json:"deleted"`
}

// State reads this workspace's status: GET /workspaces/{id}/state. Unlike a
// heartbeat it is answered only to a valid token, and it is the cheapest call
// of which that is true. It is not repeated here: whoever asks does so at a
// rhythm.
func (c *Client) State(ctx context.Context) (*WorkspaceState, error) {
	var out WorkspaceState
	err := c.do(ctx, call{
		op: "State", method: http.MethodGet, path: c.own("/state"), asks: never, quiet: true,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// WorkspaceChange is what is to change in this workspace's row; what is nil
// stays.
type WorkspaceChange struct {
	Name      *string  `json:"name,omitempty"`      // at most 255 bytes
	Role      *string  `json:"role,omitempty"`      // at most 1000 bytes
	Tier      *int     `json:"tier,omitempty"`      // 1 to 4
	ParentID  *string  `json:"parent_id,omitempty"` // the UUID of a workspace
	Runtime   *string  `json:"runtime,omitempty"`   // takes effect with the next restart
	Collapsed *bool    `json:"collapsed,omitempty"`
	X         *float64 `json:"x,omitempty"` // on the canvas
	Y         *float64 `json:"y,omitempty"`
}

// UpdateWorkspace changes this workspace's row: PATCH /workspaces/{id}, and
// reports whether the change needs a restart of the workspace to take effect.
// Lines, and in names any of {}[]|>*&!, are [ErrBadRequest]. A success does not
// prove that every field was stored.
func (c *Client) UpdateWorkspace(ctx context.Context, change WorkspaceChange) (needsRestart bool, err error) {
	var out struct {
		NeedsRestart bool `json:"needs_restart"`
	}
	err = c.do(ctx, call{
		op: "UpdateWorkspace", method: http.MethodPatch, path: c.own(""), asks: upsert, body: change,
	}, &out)
	return out.NeedsRestart, err
}
