package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Checkpoint is a step of a workflow that is done.
type Checkpoint struct {
	ID          string          `json:"id"`
	WorkflowID  string          `json:"workflow_id"`
	StepName    string          `json:"step_name"`
	StepIndex   int             `json:"step_index"`
	CompletedAt time.Time       `json:"completed_at"`
	Payload     json.RawMessage `json:"payload"` // any JSON
}

// SaveCheckpointRequest is a step that is done.
type SaveCheckpointRequest struct {
	WorkflowID string          `json:"workflow_id"` // required
	StepName   string          `json:"step_name"`   // required; saved again, it takes the place of what it was
	StepIndex  int             `json:"step_index"`
	Payload    json.RawMessage `json:"payload,omitempty"` // any JSON
}

// SaveCheckpoint notes that a step of a workflow is done, for people who look at
// the workspace: POST /workspaces/{id}/checkpoints. A repeat changes the time
// only.
func (c *Client) SaveCheckpoint(ctx context.Context, r SaveCheckpointRequest) error {
	if r.WorkflowID == "" || r.StepName == "" {
		return errors.New("registry: SaveCheckpoint: a workflow id and the name of a step are needed")
	}
	return c.do(ctx, call{op: "SaveCheckpoint", method: http.MethodPost, path: c.own("/checkpoints"), body: r, asks: upsert, minor: true}, nil)
}

// LatestCheckpoint is the step that was done last, of whichever workflow:
// GET /workspaces/{id}/checkpoints/latest. It is [ErrNotFound] when there is
// none.
func (c *Client) LatestCheckpoint(ctx context.Context) (*Checkpoint, error) {
	var out Checkpoint
	if err := c.do(ctx, call{op: "LatestCheckpoint", method: http.MethodGet, path: c.own("/checkpoints/latest"), asks: reads}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Checkpoints lists the steps of one workflow, the one with the highest index
// first: GET /workspaces/{id}/checkpoints/{workflow}. It is [ErrNotFound] when
// there is none. A workflow named latest cannot be listed.
func (c *Client) Checkpoints(ctx context.Context, workflowID string) ([]Checkpoint, error) {
	if err := checkSegment("workflow id", workflowID); err != nil {
		return nil, fmt.Errorf("registry: Checkpoints: %w", err)
	}
	var out []Checkpoint
	if err := c.do(ctx, call{op: "Checkpoints", method: http.MethodGet, path: c.own("/checkpoints/" + escape(workflowID)), asks: reads}, &out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteCheckpoints removes the steps of one workflow:
// DELETE /workspaces/{id}/checkpoints/{workflow}. It is [ErrNotFound] when there
// is none.
func (c *Client) DeleteCheckpoints(ctx context.Context, workflowID string) error {
	if err := checkSegment("workflow id", workflowID); err != nil {
		return fmt.Errorf("registry: DeleteCheckpoints: %w", err)
	}
	return c.do(ctx, call{op: "DeleteCheckpoints", method: http.MethodDelete, path: c.own("/checkpoints/" + escape(workflowID)), asks: removes}, nil)
}
