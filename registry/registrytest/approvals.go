package registrytest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Approval is a request of a workspace for a person's leave.
type Approval struct {
	ID, TaskID, Action, Reason string
	Context                    json.RawMessage
	Status                     string // pending, approved, denied
	DecidedBy                  string
	DecidedAt, CreatedAt       time.Time
}

// approvalPatience is how long the platform leaves a request pending once
// somebody looks at the list of all.
const approvalPatience = 10 * time.Minute

// Approvals are the workspace's requests, oldest first.
func (w *Workspace) Approvals() []Approval {
	return look(w, func(r *row) []Approval {
		out := make([]Approval, len(r.approvals))
		for i, a := range r.approvals {
			out[i] = *a
		}
		return out
	})
}

// AddApproval puts a request into the workspace's; missing ids, times and the
// status are filled in. Nobody is told.
func (w *Workspace) AddApproval(a Approval) {
	w.change(func(r *row) {
		a.ID, a.Status = cmp.Or(a.ID, newUUID()), cmp.Or(a.Status, "pending")
		if a.CreatedAt.IsZero() {
			a.CreatedAt = time.Now()
		}
		r.approvals = append(r.approvals, &a)
	})
}

// Decide approves or denies a pending request as a person does, and reports
// whether there was one.
func (w *Workspace) Decide(approvalID string, approved bool, by string) (ok bool) {
	decision := "denied"
	if approved {
		decision = "approved"
	}
	w.change(func(r *row) { ok = r.decide(approvalID, decision, by, time.Now()) })
	return ok
}

// ExpireApprovals does what happens when an operator looks at the list of
// pending requests: those older than ten minutes are denied, and nobody is told.
func (p *Platform) ExpireApprovals() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireApprovals(time.Now())
}

func (p *Platform) expireApprovals(now time.Time) {
	for _, w := range p.rows {
		for _, a := range w.approvals {
			if a.Status == "pending" && now.Sub(a.CreatedAt) > approvalPatience {
				a.Status, a.DecidedBy, a.DecidedAt = "denied", "auto-expired", now
			}
		}
	}
	p.touch()
}

// decide ends a pending request. p.mu is held.
func (w *row) decide(approvalID, decision, by string, at time.Time) bool {
	for _, a := range w.approvals {
		if a.ID != approvalID || a.Status != "pending" {
			continue
		}
		a.Status, a.DecidedBy, a.DecidedAt = decision, by, at
		name := "APPROVAL_DENIED"
		if decision == "approved" {
			name = "APPROVAL_APPROVED"
		}
		w.emit(name, map[string]any{"approval_id": a.ID, "decision": decision, "decided_by": by})
		return true
	}
	return false
}

// createApproval serves POST /workspaces/{id}/approvals.
func (p *Platform) createApproval(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Action  string          `json:"action"`
		Reason  string          `json:"reason"`
		TaskID  string          `json:"task_id"`
		Context json.RawMessage `json:"context"`
	}
	if !x.decode(&body) || body.Action == "" {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	if w == nil || hasNUL(body.Action, body.Reason, body.TaskID) || spellsNUL(body.Context) {
		p.mu.Unlock()
		x.fail(http.StatusInternalServerError, "failed to create approval")
		return
	}
	a := &Approval{
		ID: newUUID(), TaskID: body.TaskID, Action: body.Action, Reason: body.Reason, Context: body.Context,
		Status: "pending", CreatedAt: x.at,
	}
	w.approvals = append(w.approvals, a)
	w.emit("APPROVAL_REQUESTED", map[string]any{"approval_id": a.ID, "action": a.Action, "reason": a.Reason, "task_id": a.TaskID})
	if parent := p.rows[w.parent]; parent != nil {
		parent.emit("APPROVAL_ESCALATED", map[string]any{
			"approval_id": a.ID, "from_workspace_id": w.id, "action": a.Action, "reason": a.Reason,
		})
	}
	p.touch()
	p.mu.Unlock()
	x.json(http.StatusCreated, map[string]any{"approval_id": a.ID, "status": "pending"})
}

// getApprovals serves GET /workspaces/{id}/approvals: newest first, at most 50.
// The context never comes back.
func (p *Platform) getApprovals(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	rows := []map[string]any{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		newest := slices.Clone(w.approvals)
		slices.SortStableFunc(newest, func(a, b *Approval) int { return a.CreatedAt.Compare(b.CreatedAt) })
		for _, a := range slices.Backward(newest) {
			if len(rows) == 50 {
				break
			}
			rows = append(rows, map[string]any{
				"id": a.ID, "task_id": a.TaskID, "action": a.Action, "reason": a.Reason, "status": a.Status,
				"decided_by": orNull(a.DecidedBy), "decided_at": momentOrNull(a.DecidedAt), "created_at": timestamp(a.CreatedAt),
			})
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, rows)
}

func momentOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timestamp(t)
}

// decideApproval serves POST /workspaces/{id}/approvals/{approval}/decide. A
// workspace may decide its own.
func (p *Platform) decideApproval(x *exchange, id, approval string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Decision  string `json:"decision"`
		DecidedBy string `json:"decided_by"`
	}
	switch ok := x.decode(&body); {
	case !ok || body.Decision == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case body.Decision != "approved" && body.Decision != "denied":
		x.fail(http.StatusBadRequest, "decision must be 'approved' or 'denied'")
		return
	case !isUUID(approval):
		x.fail(http.StatusInternalServerError, "failed to update")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	decided := w != nil && w.decide(approval, body.Decision, cmp.Or(body.DecidedBy, "human"), x.at)
	p.touch()
	p.mu.Unlock()
	if !decided {
		x.fail(http.StatusNotFound, "approval not found or already decided")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": body.Decision, "approval_id": approval})
}

// pendingApprovals serves GET /approvals/pending, the operator's.
func (p *Platform) pendingApprovals(x *exchange) {
	if !p.isOperator(x) {
		return
	}
	rows := []map[string]any{}
	p.mu.Lock()
	p.expireApprovals(x.at)
	for _, w := range p.inOrder() {
		for _, a := range w.approvals {
			if a.Status == "pending" {
				rows = append(rows, map[string]any{
					"id": a.ID, "workspace_id": w.id, "workspace_name": w.name, "action": a.Action, "reason": a.Reason,
					"status": a.Status, "created_at": timestamp(a.CreatedAt),
				})
			}
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, rows)
}

// isOperator is the rule of the operator's routes.
func (p *Platform) isOperator(x *exchange) bool {
	switch bearer := x.bearer(); {
	case p.cfg.admin == "" || bearer == p.cfg.admin:
		return true
	case bearer == "":
		x.fail(http.StatusUnauthorized, "admin auth required")
	default:
		x.fail(http.StatusUnauthorized, "invalid admin auth token")
	}
	return false
}
