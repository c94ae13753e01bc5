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
	var parent any
	if w.parent != "" {
		parent = w.parent
	}
	var outbound any
	if !w.lastOutbound.IsZero() {
		outbound = timestamp(w.lastOutbound)
	}
	return map[string]any{
		"id": w.id, "name": w.name, "role": nil, "tier": w.tier, "status": w.status, "url": w.url,
		"parent_id": parent, "active_tasks": w.beat.ActiveTasks, "max_concurrent_tasks": w.maxConcurrent,
		"last_error_rate": w.beat.ErrorRate, "uptime_seconds": w.beat.UptimeSeconds, "runtime": w.runtime,
		"x": 0, "y": 0, "collapsed": false, "agent_card": stored(card), "last_outbound_at": outbound,
	}
}

// getState serves GET /workspaces/{id}/state.
func (p *Platform) getState(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	p.mu.Lock()
	w := p.find(id)
	second := w == nil || w.liveTokens() == 0 || w.accepts(id, x.bearer()) // the operator's token passes only the first check
	var status string
	if w != nil {
		status = w.status
	}
	p.mu.Unlock()
	switch {
	case !second:
		x.fail(http.StatusUnauthorized, "invalid workspace auth token")
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
	MIMEType string `json:"mimeType"`
	Size     int64  `json:"size"`
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
		w.event()
		p.touch()
	}
	p.mu.Unlock()
	if !known {
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": "sent"})
}
