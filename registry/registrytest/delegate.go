package registrytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Delegation is a row of GET /workspaces/{id}/delegations. A delegation makes
// two of them: one when it is accepted, and one with its result.
type Delegation struct {
	ID, DelegationID   string // the second is empty in the result of a failed one
	SourceID, TargetID string
	Summary, Status    string // pending, dispatched, queued, completed, failed
	Error              string
	ResponsePreview    string
	CreatedAt          time.Time

	task string // of the delegating row
}

// How many bytes of an answer the platform shows.
const (
	summaryBytes = 80
	taskBytes    = 100
	eventBytes   = 200
	previewBytes = 300
)

// Delegations are the workspace's delegation rows, oldest first.
func (w *Workspace) Delegations() []Delegation {
	return look(w, func(r *row) []Delegation {
		out := make([]Delegation, len(r.delegations))
		for i, d := range r.delegations {
			out[i] = *d
		}
		return out
	})
}

// AddDelegation puts a row into the workspace's delegations; the newest is the
// one added last. Missing ids and times are filled in.
func (w *Workspace) AddDelegation(d Delegation) {
	w.change(func(r *row) { r.addDelegation(d) })
}

// addDelegation fills in what is missing. p.mu is held.
func (w *row) addDelegation(d Delegation) *Delegation {
	if d.ID == "" {
		d.ID = newUUID()
	}
	if d.SourceID == "" {
		d.SourceID = w.id
	}
	if d.CreatedAt.IsZero() {
		d.CreatedAt = time.Now()
	}
	w.delegations = append(w.delegations, &d)
	a := Activity{ID: d.ID, Type: "delegation", SourceID: d.SourceID, TargetID: d.TargetID, Method: "delegate_result", CreatedAt: d.CreatedAt, of: &d}
	if strings.HasPrefix(d.Summary, "Delegating to ") {
		// No transcript shows the body of a delegating row; that the id is in it
		// follows from where the list has it from.
		a.Method = "delegate"
		a.Request, _ = json.Marshal(map[string]any{"task": d.task, "delegation_id": d.DelegationID})
	}
	w.log(a)
	return &d
}

// getDelegations serves GET /workspaces/{id}/delegations: newest first, at
// most 50 rows, optional keys left out.
func (p *Platform) getDelegations(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	rows := []map[string]any{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, d := range slices.Backward(w.delegations) {
			if len(rows) == 50 {
				break
			}
			rows = append(rows, d.describe())
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, rows)
}

func (d *Delegation) describe() map[string]any {
	m := map[string]any{
		"id": d.ID, "type": "delegation", "source_id": d.SourceID, "target_id": d.TargetID,
		"summary": d.Summary, "status": d.Status, "created_at": timestamp(d.CreatedAt),
	}
	for key, text := range map[string]string{"delegation_id": d.DelegationID, "error": d.Error, "response_preview": preview(d.ResponsePreview, previewBytes)} {
		if text != "" {
			m[key] = text
		}
	}
	return m
}

// timestamp is how the platform's database spells a moment.
func timestamp(t time.Time) string {
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// delegate serves POST /workspaces/{id}/delegate: it accepts at once and
// delivers in the background, so that every trouble shows up in the list only.
func (p *Platform) delegate(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		TargetID       string `json:"target_id"`
		Task           string `json:"task"`
		IdempotencyKey string `json:"idempotency_key"`
	}
	switch {
	case !x.decode(&body) || body.TargetID == "" || body.Task == "":
		x.fail(http.StatusBadRequest, "invalid delegation request")
		return
	case !isUUID(body.TargetID):
		x.fail(http.StatusBadRequest, "target_id must be a valid UUID")
		return
	case body.TargetID == id: // byte by byte: in upper case it passes
		x.fail(http.StatusBadRequest, "self-delegation not permitted")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	if w == nil { // only the operator gets this far
		p.mu.Unlock()
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	if d := w.delegateKeys[body.IdempotencyKey]; body.IdempotencyKey != "" && d != nil && d.Status != "failed" {
		answer := map[string]any{"delegation_id": d.DelegationID, "status": d.Status, "target_id": d.TargetID, "idempotent_hit": true}
		p.mu.Unlock()
		x.json(http.StatusOK, answer)
		return
	}
	answer := map[string]any{"delegation_id": newUUID(), "status": "delegated", "target_id": body.TargetID}
	d := &Delegation{
		DelegationID: answer["delegation_id"].(string), TargetID: body.TargetID,
		Summary: "Delegating to " + body.TargetID, Status: "pending", task: body.Task,
	}
	if hasNUL(body.Task) {
		answer["warning"] = "delegation dispatched but status tracking unavailable"
	} else {
		d = w.addDelegation(*d)
	}
	if body.IdempotencyKey != "" {
		if w.delegateKeys == nil {
			w.delegateKeys = map[string]*Delegation{}
		}
		w.delegateKeys[body.IdempotencyKey] = d
	}
	w.emit("DELEGATION_SENT", map[string]any{
		"delegation_id": d.DelegationID, "target_id": d.TargetID, "task_preview": preview(body.Task, taskBytes),
	})
	if !p.closed {
		p.work.Go(func() { p.runDelegation(w, d, body.Task) })
	}
	p.touch()
	p.mu.Unlock()
	x.json(http.StatusAccepted, answer)
}

// runDelegation delivers a delegation, twice when the first attempt comes to a
// 502, and writes the second row.
func (p *Platform) runDelegation(w *row, d *Delegation, task string) {
	p.mu.Lock()
	d.Status = "dispatched"
	w.emitStatus(d)
	p.touch()
	p.mu.Unlock()
	// Parts keyed by type, where everybody else writes kind.
	body, err := json.Marshal(map[string]any{"method": "message/send", "params": map[string]any{"message": map[string]any{
		"role": "user", "messageId": d.DelegationID, "parts": []any{map[string]any{"type": "text", "text": task}},
		"metadata": map[string]any{"delegation_id": d.DelegationID},
	}}})
	if err != nil {
		return // strings always marshal
	}
	c := call{caller: w.id, target: d.TargetID, body: body, began: time.Now(), onQueued: func(q *queued) {
		d.Status = "queued" // and never leaves it
		w.emitStatus(d)
		q.result = w.addDelegation(Delegation{
			DelegationID: d.DelegationID, TargetID: d.TargetID, Status: "queued",
			Summary:         "Delegation queued — target at capacity",
			ResponsePreview: `{"queued": true, "delegation_id": "` + d.DelegationID + `"}`,
		})
	}}
	out := p.forward(c)
	if out.status == http.StatusBadGateway {
		if !pause(delegateRetry, p.life.Done()) {
			return
		}
		out = p.forward(c)
	}
	if out.queued {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.touch()
	if out.status >= 300 {
		d.Status, d.Error = "failed", out.errorText()
		w.addDelegation(Delegation{TargetID: d.TargetID, Summary: "Delegation failed", Status: "failed", Error: d.Error})
		w.emit("DELEGATION_FAILED", map[string]any{"delegation_id": d.DelegationID, "target_id": d.TargetID, "error": d.Error})
		return
	}
	d.Status = "completed"
	result := Delegation{DelegationID: d.DelegationID, TargetID: d.TargetID}
	if result.complete(out.raw) {
		w.addDelegation(result)
	}
	w.emit("DELEGATION_COMPLETE", map[string]any{
		"delegation_id": d.DelegationID, "target_id": d.TargetID, "response_preview": preview(answerText(out.raw), eventBytes),
	})
}

// emitStatus tells where a delegation stands.
func (w *row) emitStatus(d *Delegation) {
	w.emit("DELEGATION_STATUS", map[string]any{"delegation_id": d.DelegationID, "target_id": d.TargetID, "status": d.Status})
}

// preview cuts a text by bytes, wherever that is.
func preview(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:n] + "..."
}

// complete makes a row out of the agent's answer, whatever that is. It reports
// false when the database would not take it: a summary cut inside a character
// is no text, and the answer is then nowhere.
func (d *Delegation) complete(answer []byte) bool {
	text := answerText(answer)
	summary := preview(text, summaryBytes)
	if !utf8.ValidString(summary) || hasNUL(text) {
		return false
	}
	d.Status, d.Summary, d.ResponsePreview = "completed", "Delegation completed ("+summary+")", text
	return true
}

// answerText is the text the platform finds in an answer: that of the first
// part that says it is one by kind, or else the answer itself.
func answerText(answer []byte) string {
	type part struct{ Kind, Text string }
	var said struct {
		Result struct {
			Parts     []part
			Artifacts []struct{ Parts []part }
		}
	}
	if json.Unmarshal(answer, &said) == nil {
		parts := said.Result.Parts
		for _, a := range said.Result.Artifacts {
			parts = append(parts, a.Parts...)
		}
		for _, p := range parts {
			if p.Kind == "text" && p.Text != "" {
				return p.Text
			}
		}
	}
	return strings.ToValidUTF8(string(answer), "\uFFFD")
}
