package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// getWorkspace serves GET /workspaces/{id}, which is open to everybody.
func (p *Platform) getWorkspace(x *exchange, id string) {
	if !isUUID(id) {
		x.fail(http.StatusBadRequest, "invalid workspace ID")
		return
	}
	if p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "query failed")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	var answer map[string]any
	if w != nil {
		answer = w.describe()
	}
	p.mu.Unlock()
	if w == nil {
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	x.json(http.StatusOK, answer)
}

func (w *row) describe() map[string]any {
	card := w.card
	if len(card) == 0 {
		card = json.RawMessage("null")
	}
	return map[string]any{
		"id": w.id, "name": w.name, "role": orNull(w.role), "tier": w.tier, "status": w.status, "url": w.url,
		"parent_id": orNull(w.parent), "active_tasks": w.beat.ActiveTasks, "max_concurrent_tasks": w.maxConcurrent,
		"last_error_rate": w.beat.ErrorRate, "uptime_seconds": w.beat.UptimeSeconds, "runtime": w.runtime,
		"x": w.x, "y": w.y, "collapsed": w.collapsed, "agent_card": stored(card), "last_outbound_at": momentOrNull(w.lastOutbound),
	}
}

// getState serves GET /workspaces/{id}/state.
func (p *Platform) getState(x *exchange, id string) {
	if !p.mayCall(x, id) || !p.mayCallItself(x, id) {
		return
	}
	p.mu.Lock()
	w := p.find(id)
	var status string
	if w != nil {
		status = w.status
	}
	p.mu.Unlock()
	switch {
	case w == nil:
		x.json(http.StatusNotFound, map[string]any{"workspace_id": id, "deleted": true})
	case status == "removed":
		x.json(http.StatusNotFound, map[string]any{"workspace_id": id, "status": status, "deleted": true})
	default:
		x.json(http.StatusOK, map[string]any{"workspace_id": id, "status": status, "paused": status == "paused", "deleted": false})
	}
}

// Notification is a message the workspace sent to its user.
type Notification struct {
	At          time.Time
	Message     string
	Attachments []Attachment
}

// Attachment is a file of a [Notification].
type Attachment struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType,omitempty"`
	Size     int64  `json:"size,omitempty"`
}

// logMessage makes a message to the user an entry of the activity. Its summary
// is cut by bytes, so that some are lost. p.mu is held.
func (w *row) logMessage(message string, files []Attachment) {
	body := map[string]any{"result": message}
	if len(files) > 0 {
		parts := []any{}
		for _, f := range files {
			parts = append(parts, map[string]any{"kind": "file", "file": f})
		}
		body["parts"] = parts
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return // strings always marshal
	}
	w.log(Activity{Type: "a2a_receive", Method: "notify", Summary: "Agent message: " + preview(message, summaryBytes), Status: "ok", Response: raw})
}

// notify serves POST /workspaces/{id}/notify.
func (p *Platform) notify(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Message     string       `json:"message"`
		Attachments []Attachment `json:"attachments"`
	}
	if !x.decode(&body) || body.Message == "" {
		x.fail(http.StatusBadRequest, "message is required")
		return
	}
	for i, a := range body.Attachments {
		if a.URI == "" || a.Name == "" {
			x.fail(http.StatusBadRequest, fmt.Sprintf("attachment[%d]: uri and name are required", i))
			return
		}
	}
	p.mu.Lock()
	w := p.find(id)
	known := w != nil && w.status != "removed"
	if known && !hasNUL(body.Message) { // a NUL is answered 200 and lost
		w.messages = append(w.messages, Notification{At: x.at, Message: body.Message, Attachments: body.Attachments})
		w.logMessage(body.Message, body.Attachments)
		event := map[string]any{"message": body.Message, "workspace_id": w.id, "name": w.name}
		if len(body.Attachments) > 0 {
			event["attachments"] = body.Attachments
		}
		w.emit("AGENT_MESSAGE", event)
		p.touch()
	}
	p.mu.Unlock()
	if !known {
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": "sent"})
}
