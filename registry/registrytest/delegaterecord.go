package registrytest

import (
	"net/http"
	"strings"
)

// recordDelegation serves POST /workspaces/{id}/delegations/record: a
// delegation that the workspace makes itself.
func (p *Platform) recordDelegation(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		TargetID     string `json:"target_id"`
		Task         string `json:"task"`
		DelegationID string `json:"delegation_id"`
	}
	switch ok := x.decode(&body); {
	case !ok || body.TargetID == "" || body.Task == "" || body.DelegationID == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case !isUUID(body.TargetID):
		x.fail(http.StatusBadRequest, "target_id must be a valid UUID")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	good := w != nil && !hasNUL(body.Task, body.DelegationID)
	if good {
		w.addDelegation(Delegation{
			DelegationID: body.DelegationID, TargetID: body.TargetID, Status: "dispatched", Summary: "Delegating to " + body.TargetID,
			task: body.Task,
		})
		w.emit("DELEGATION_SENT", map[string]any{
			"delegation_id": body.DelegationID, "target_id": body.TargetID, "task_preview": preview(body.Task, taskBytes),
		})
		p.touch()
	}
	p.mu.Unlock()
	if !good {
		x.fail(http.StatusInternalServerError, "failed to record delegation")
		return
	}
	x.json(http.StatusAccepted, map[string]any{"status": "recorded", "delegation_id": body.DelegationID})
}

// finishDelegation serves POST /workspaces/{id}/delegations/{delegation}/update,
// for ids that nobody has ever heard of too.
func (p *Platform) finishDelegation(x *exchange, id, delegation string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Status          string `json:"status"`
		Error           string `json:"error"`
		ResponsePreview string `json:"response_preview"`
	}
	switch ok := x.decode(&body); {
	case !ok || body.Status == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case body.Status != "completed" && body.Status != "failed":
		x.fail(http.StatusBadRequest, "status must be 'completed' or 'failed'")
		return
	}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, d := range w.delegations {
			if d.DelegationID == delegation && strings.HasPrefix(d.Summary, "Delegating to ") {
				d.Status, d.Error = body.Status, body.Error
			}
		}
		if body.Status == "failed" {
			w.emit("DELEGATION_FAILED", map[string]any{"delegation_id": delegation, "error": body.Error})
		} else {
			w.addDelegation(Delegation{
				DelegationID: delegation, Status: "completed", ResponsePreview: body.ResponsePreview,
				Summary: "Delegation completed (" + preview(body.ResponsePreview, summaryBytes) + ")",
			})
			w.emit("DELEGATION_COMPLETE", map[string]any{
				"delegation_id": delegation, "response_preview": preview(body.ResponsePreview, eventBytes),
			})
		}
		p.touch()
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"status": body.Status, "delegation_id": delegation})
}
