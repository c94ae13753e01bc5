package registrytest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// register serves POST /registry/register.
func (p *Platform) register(x *exchange) {
	var body struct {
		ID        string          `json:"id"`
		URL       string          `json:"url"`
		AgentCard json.RawMessage `json:"agent_card"`
	}
	if !x.decode(&body) || body.ID == "" || body.URL == "" || len(body.AgentCard) == 0 || !p.acceptsURL(x.r.Context(), body.URL) {
		x.fail(http.StatusBadRequest, "invalid request body") // before the token, and without the reason
		return
	}
	if !p.mayRegister(x, body.ID) {
		return
	}
	if !isUUID(body.ID) || hasNUL(body.URL, string(body.AgentCard)) || p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "registration failed")
		return
	}
	answer := map[string]any{"status": "registered"}
	p.mu.Lock()
	defer func() { p.mu.Unlock(); x.json(http.StatusOK, answer) }()
	defer p.touch()
	w := p.find(body.ID)
	if w == nil {
		w = p.newRow(strings.ToLower(body.ID))
		p.rows[w.id] = w
	}
	if w.status != "removed" {
		if !strings.HasPrefix(w.url, "http://127.0.0.1") { // the provisioner's own
			w.url = body.URL
		}
		w.card = body.AgentCard
		w.lastBeat = x.at
		w.become("online", x.at)
	}
	w.expiry = x.at.Add(livenessTTL) // the only call that makes the key
	w.event()
	if w.liveTokens() == 0 {
		answer["auth_token"] = w.issue()
	}
}

// updateCard serves POST /registry/update-card.
func (p *Platform) updateCard(x *exchange) {
	var body struct {
		WorkspaceID string          `json:"workspace_id"`
		AgentCard   json.RawMessage `json:"agent_card"`
	}
	if !x.decode(&body) || body.WorkspaceID == "" || len(body.AgentCard) == 0 {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	if !p.mayRegister(x, body.WorkspaceID) {
		return
	}
	if !isUUID(body.WorkspaceID) || hasNUL(string(body.AgentCard)) || p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "failed to update card")
		return
	}
	p.mu.Lock()
	if w := p.find(body.WorkspaceID); w != nil {
		w.card = body.AgentCard
		w.event()
		p.touch()
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"status": "updated"})
}

func (p *Platform) databaseIsDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dbDown
}

// hasNUL reports whether one of texts, of which some are JSON, has the
// character that PostgreSQL cannot store.
func hasNUL(texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(t, "\x00") || strings.Contains(t, `\u0000`) {
			return true
		}
	}
	return false
}

func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(strings.ToLower(id)) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
				return false
			}
		}
	}
	return true
}
