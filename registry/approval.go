package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ApprovalStatus says what has become of a request for approval.
type ApprovalStatus string

// The states of an approval.
const (
	ApprovalPending  ApprovalStatus = "pending"
	ApprovalApproved ApprovalStatus = "approved"
	ApprovalDenied   ApprovalStatus = "denied"
)

// ApprovalAutoExpired is who decided a request that nobody decided within ten
// minutes. The platform denies it then, but only when an operator next looks at
// the list of pending ones, and tells nobody.
const ApprovalAutoExpired = "auto-expired"

// Approval is a request to a person to allow something. What the platform
// sends as null is the zero value here; the context of the request is not given
// back.
type Approval struct {
	ID        string         `json:"id"`
	TaskID    string         `json:"task_id"`
	Action    string         `json:"action"`
	Reason    string         `json:"reason"`
	Status    ApprovalStatus `json:"status"`
	DecidedBy string         `json:"decided_by"`
	DecidedAt time.Time      `json:"decided_at"`
	CreatedAt time.Time      `json:"created_at"`
}

// RequestApprovalRequest is what a person is asked to allow.
type RequestApprovalRequest struct {
	Action  string          `json:"action"` // required
	Reason  string          `json:"reason,omitempty"`
	TaskID  string          `json:"task_id,omitempty"` // the caller's, to find the request again
	Context json.RawMessage `json:"context,omitempty"` // a JSON object
}

// RequestApprovalResponse names the new request.
type RequestApprovalResponse struct {
	ID     string         `json:"approval_id"`
	Status ApprovalStatus `json:"status"` // pending
}

// RequestApproval asks a person for leave to do something: POST
// /workspaces/{id}/approvals. The decision comes as an event, and shows in
// [Client.Approvals]. It is not repeated here, since each call asks again.
func (c *Client) RequestApproval(ctx context.Context, r RequestApprovalRequest) (*RequestApprovalResponse, error) {
	if r.Action == "" {
		return nil, errors.New("registry: RequestApproval: no action: say what is to be allowed")
	}
	var out RequestApprovalResponse
	err := c.do(ctx, call{
		op: "RequestApproval", method: http.MethodPost, path: c.own("/approvals"), asks: never, body: r,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// Approvals lists this workspace's requests, newest first: GET
// /workspaces/{id}/approvals. The platform gives the newest 50 and knows no
// paging.
func (c *Client) Approvals(ctx context.Context) ([]Approval, error) {
	var out []Approval
	err := c.do(ctx, call{
		op: "Approvals", method: http.MethodGet, path: c.own("/approvals"), asks: reads,
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Approval finds one request in the list of [Client.Approvals], because the
// platform has no call for one. It is [ErrNotFound] when that is not among the
// newest 50.
func (c *Client) Approval(ctx context.Context, id string) (*Approval, error) {
	all, err := c.Approvals(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("registry: Approval: %w: %q is not among the newest %d of this workspace", ErrNotFound, excerpt([]byte(id)), len(all))
}

// DecideApproval decides a request: POST
// /workspaces/{id}/approvals/{approval}/decide. It is for consoles and tests:
// the platform lets a workspace decide its own requests, and a runtime must not.
// by is who decides, "human" when empty. [ErrNotFound] says that there is no
// such request or that it has been decided; it is not repeated here for that
// reason.
func (c *Client) DecideApproval(ctx context.Context, id string, decision ApprovalStatus, by string) error {
	if err := checkUUID("approval id", id); err != nil {
		return fmt.Errorf("registry: DecideApproval: %w", err)
	}
	if decision != ApprovalApproved && decision != ApprovalDenied {
		return fmt.Errorf("registry: DecideApproval: decision %q: use %q or %q", excerpt([]byte(decision)), ApprovalApproved, ApprovalDenied)
	}
	return c.do(ctx, call{
		op: "DecideApproval", method: http.MethodPost, path: c.own("/approvals/" + segment(id) + "/decide"), asks: never,
		body: struct {
			Decision  ApprovalStatus `json:"decision"`
			DecidedBy string         `json:"decided_by,omitempty"`
		}{decision, by},
	}, nil)
}
