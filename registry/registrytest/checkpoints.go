package registrytest

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"time"
)

// Checkpoint is a step of a workflow that a workspace has said is done.
type Checkpoint struct {
	ID, WorkflowID, StepName string
	StepIndex                int
	CompletedAt              time.Time
	Payload                  json.RawMessage
}

// Checkpoints are the workspace's, in the order in which they were first saved.
func (w *Workspace) Checkpoints() []Checkpoint {
	return look(w, func(r *row) []Checkpoint {
		out := make([]Checkpoint, len(r.checkpoints))
		for i, c := range r.checkpoints {
			out[i] = *c
		}
		return out
	})
}

// checkpointAnswer is a record with a fixed order of keys.
type checkpointAnswer struct {
	ID          string `json:"id"`
	WorkspaceID string `json:"workspace_id"`
	WorkflowID  string `json:"workflow_id"`
	StepName    string `json:"step_name"`
	StepIndex   int    `json:"step_index"`
	CompletedAt string `json:"completed_at"`
	Payload     stored `json:"payload"`
}

func (c *Checkpoint) answer(workspace string) checkpointAnswer {
	return checkpointAnswer{c.ID, workspace, c.WorkflowID, c.StepName, c.StepIndex, timestamp(c.CompletedAt), stored(c.Payload)}
}

// saveCheckpoint serves POST /workspaces/{id}/checkpoints.
func (p *Platform) saveCheckpoint(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		WorkflowID string          `json:"workflow_id"`
		StepName   string          `json:"step_name"`
		StepIndex  int             `json:"step_index"`
		Payload    json.RawMessage `json:"payload"`
	}
	switch {
	case !x.decode(&body) || body.WorkflowID == "" || body.StepName == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case body.StepIndex > math.MaxInt32 || body.StepIndex < math.MinInt32 || hasNUL(body.WorkflowID) || hasNUL(body.StepName) || spellsNUL(body.Payload):
		x.fail(http.StatusInternalServerError, "failed to upsert checkpoint")
		return
	}
	if len(body.Payload) == 0 {
		body.Payload = json.RawMessage("null")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.find(id)
	if w == nil {
		x.fail(http.StatusInternalServerError, "failed to upsert checkpoint")
		return
	}
	i := slices.IndexFunc(w.checkpoints, func(c *Checkpoint) bool {
		return c.WorkflowID == body.WorkflowID && c.StepName == body.StepName
	})
	if i < 0 {
		i = len(w.checkpoints)
		w.checkpoints = append(w.checkpoints, &Checkpoint{ID: newUUID(), WorkflowID: body.WorkflowID, StepName: body.StepName})
	}
	c := w.checkpoints[i]
	c.StepIndex, c.Payload, c.CompletedAt = body.StepIndex, body.Payload, x.at
	x.json(http.StatusCreated, map[string]any{"id": c.ID, "workspace_id": id, "workflow_id": c.WorkflowID, "step_name": c.StepName})
}

// getCheckpoints serves GET /workspaces/{id}/checkpoints/{workflow} and, since
// the route is older, …/checkpoints/latest.
func (p *Platform) getCheckpoints(x *exchange, id, workflow string) {
	if !p.mayCall(x, id) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*Checkpoint
	if w := p.find(id); w != nil {
		for _, c := range w.checkpoints {
			if c.WorkflowID == workflow || workflow == "latest" {
				found = append(found, c)
			}
		}
	}
	switch {
	case workflow == "latest" && len(found) == 0:
		x.fail(http.StatusNotFound, "no checkpoints found for workspace")
	case workflow == "latest":
		x.json(http.StatusOK, slices.MaxFunc(found, func(a, b *Checkpoint) int { return a.CompletedAt.Compare(b.CompletedAt) }).answer(id))
	case len(found) == 0:
		x.fail(http.StatusNotFound, "no checkpoints found for workflow")
	default:
		slices.SortStableFunc(found, func(a, b *Checkpoint) int { return cmp.Compare(b.StepIndex, a.StepIndex) })
		answers := make([]checkpointAnswer, len(found))
		for i, c := range found {
			answers[i] = c.answer(id)
		}
		x.json(http.StatusOK, answers)
	}
}

// deleteCheckpoints serves DELETE /workspaces/{id}/checkpoints/{workflow}.
func (p *Platform) deleteCheckpoints(x *exchange, id, workflow string) {
	if !p.mayCall(x, id) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	deleted := 0
	if w := p.find(id); w != nil {
		before := len(w.checkpoints)
		w.checkpoints = slices.DeleteFunc(w.checkpoints, func(c *Checkpoint) bool { return c.WorkflowID == workflow })
		deleted = before - len(w.checkpoints)
	}
	if deleted == 0 {
		x.fail(http.StatusNotFound, "no checkpoints found for workflow")
		return
	}
	x.json(http.StatusOK, map[string]any{"deleted": deleted, "workflow_id": workflow})
}
