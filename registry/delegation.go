package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What [Delegation.Status] and [DelegateResponse.Status] may say.
const (
	DelegationDelegated  = "delegated" // the answer to a new one
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
		op: "Delegations", method: http.MethodGet, path: c.own("/delegations"), asks: reads,
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DelegateRequest hands work to another workspace.
type DelegateRequest struct {
	TargetID string // required, the UUID of a workspace other than this one
	Task     string // required, what is to be done, in words
	// IdempotencyKey names this piece of work. The platform starts no second
	// delegation with the same key, whatever its task, unless the first one has
	// failed. Take a new one for each piece of work and keep it when the call is
	// made again. With a key the call is repeated; without one it is not.
	IdempotencyKey string
}

// DelegateResponse is the answer to [Client.Delegate].
type DelegateResponse struct {
	DelegationID string `json:"delegation_id"`
	TargetID     string `json:"target_id"`
	// Status is "delegated", or that of the earlier delegation with this key.
	Status string `json:"status"`
	// IdempotentHit: nothing was started, this is the earlier delegation.
	IdempotentHit bool `json:"idempotent_hit"`
	// Warning is set when the platform delivers the work but cannot track it: it
	// will never be in the list.
	Warning string `json:"warning"`
}

// Delegate hands a task to another workspace and does not wait for it: POST
// /workspaces/{id}/delegate. The platform accepts nearly everything at once:
// that the two may not talk, that the target does not exist or is over its
// budget, shows only in [Client.Delegations], as failed.
func (c *Client) Delegate(ctx context.Context, r DelegateRequest) (*DelegateResponse, error) {
	target := strings.ToLower(strings.TrimSpace(r.TargetID))
	switch {
	case !isUUID(target):
		return nil, fmt.Errorf("registry: Delegate: target %q: use the UUID of a workspace, as Peers lists it", excerpt([]byte(target)))
	case target == c.workspace: // the platform refuses it in one spelling only
		return nil, errors.New("registry: Delegate: the target is this workspace itself: do the work here")
	case r.Task == "":
		return nil, errors.New("registry: Delegate: no task: say what is to be done")
	}
	var out DelegateResponse
	err := c.do(ctx, call{
		op: "Delegate", method: http.MethodPost, path: c.own("/delegate"), asks: keyedBy(r.IdempotencyKey),
		body: struct {
			TargetID       string `json:"target_id"`
			Task           string `json:"task"`
			IdempotencyKey string `json:"idempotency_key,omitempty"`
		}{target, r.Task, r.IdempotencyKey},
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// RecordDelegation tells the platform of a delegation that this workspace
// makes itself with [Client.SendA2A], so that people see it: POST
// /workspaces/{id}/delegations/record. Its id is the caller's choice. It is not
// repeated here, since each call adds a row.
func (c *Client) RecordDelegation(ctx context.Context, delegationID, targetID, task string) error {
	target := strings.ToLower(strings.TrimSpace(targetID))
	switch {
	case !isUUID(target):
		return fmt.Errorf("registry: RecordDelegation: target %q: use the UUID of a workspace", excerpt([]byte(target)))
	case delegationID == "" || task == "":
		return errors.New("registry: RecordDelegation: a delegation id and a task are required")
	}
	return c.do(ctx, call{
		op: "RecordDelegation", method: http.MethodPost, path: c.own("/delegations/record"), asks: never,
		body: struct {
			TargetID     string `json:"target_id"`
			Task         string `json:"task"`
			DelegationID string `json:"delegation_id"`
		}{target, task, delegationID},
	}, nil)
}

// DelegationOutcome is how a recorded delegation ended.
type DelegationOutcome struct {
	Status          string `json:"status"` // DelegationCompleted or DelegationFailed
	Error           string `json:"error,omitempty"`
	ResponsePreview string `json:"response_preview,omitempty"` // the platform shows 300 bytes
}

// FinishDelegation says how a delegation of [Client.RecordDelegation] ended:
// POST /workspaces/{id}/delegations/{delegation}/update. The platform answers
// with success for ids it has never heard of. It is not repeated here: each
// call adds a row and an event.
func (c *Client) FinishDelegation(ctx context.Context, delegationID string, o DelegationOutcome) error {
	if err := checkSegment("delegation id", delegationID); err != nil {
		return fmt.Errorf("registry: FinishDelegation: %w", err)
	}
	if o.Status != DelegationCompleted && o.Status != DelegationFailed {
		return fmt.Errorf("registry: FinishDelegation: status %q: use %q or %q", excerpt([]byte(o.Status)), DelegationCompleted, DelegationFailed)
	}
	return c.do(ctx, call{
		op: "FinishDelegation", method: http.MethodPost, path: c.own("/delegations/" + escape(delegationID) + "/update"), asks: never, body: o,
	}, nil)
}
