package registry

import (
	"context"
	"net/http"
	"time"
)

// What [Delegation.Status] may say.
const (
	DelegationPending    = "pending"
	DelegationDispatched = "dispatched"
	DelegationQueued     = "queued"
	DelegationCompleted  = "completed"
	DelegationFailed     = "failed"
)

// Delegation is one row of a workspace's delegations. A delegation makes two
// rows: that of the delegating and, later, that of the result.
type Delegation struct {
	ID        string    `json:"id"`   // of the row
	Type      string    `json:"type"` // "delegation"
	SourceID  string    `json:"source_id"`
	TargetID  string    `json:"target_id"`
	Summary   string    `json:"summary"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`

	DelegationID    string `json:"delegation_id"`    // missing on the result row of a failed one
	Error           string `json:"error"`            // of a failed one
	ResponsePreview string `json:"response_preview"` // at most 300 bytes, cut with "..."
}

// Delegations lists what this workspace has delegated, newest first: GET
// /workspaces/{id}/delegations. The platform gives the newest 50 rows and
// knows no paging.
func (c *Client) Delegations(ctx context.Context) ([]Delegation, error) {
	var out []Delegation
	err := c.do(ctx, call{
		op: "Delegations", method: http.MethodGet, path: "/workspaces/" + c.workspace + "/delegations", asks: reads,
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}
