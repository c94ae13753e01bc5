package registrytest

import (
	"bytes"
	"cmp"
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
	if !isUUID(body.ID) || spellsNUL(body.AgentCard) || p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "registration failed")
		return
	}
	answer := map[string]any{"status": "registered"}
	if token := p.admit(body.ID, body.URL, body.AgentCard, x); token != "" {
		answer["auth_token"] = token
	}
	x.json(http.StatusOK, answer)
}

// admit does what a good registration does and returns the token it mints, if
// any. A removed workspace's row is not touched, but its key, its cached address
// and a useless token are made all the same.
func (p *Platform) admit(id, url string, card json.RawMessage, x *exchange) (token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.touch()
	w := p.find(id)
	if w == nil {
		w = p.newRow(strings.ToLower(id))
		p.add(w)
	}
	if w.status != "removed" {
		if !strings.HasPrefix(w.url, "http://127.0.0.1") { // the provisioner's own
			w.url = url
		}
		w.card = card
		w.lastBeat = x.at
		w.become("online", x.at)
	}
	w.remember(cmp.Or(w.url, url), x.at)
	w.expiry = x.at.Add(livenessTTL) // the only call that makes the key
	w.emit("WORKSPACE_ONLINE", map[string]any{"url": url, "agent_card": stored(card)})
	if w.liveTokens() == 0 && (x.fault == nil || !x.fault.MintFails) {
		token = w.issue()
	}
	return token
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
	if !isUUID(body.WorkspaceID) || spellsNUL(body.AgentCard) || p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "failed to update card")
		return
	}
	p.mu.Lock()
	if w := p.find(body.WorkspaceID); w != nil {
		w.card = body.AgentCard // a removed one's too
		w.emit("AGENT_CARD_UPDATED", map[string]any{"agent_card": stored(body.AgentCard)})
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

// hasNUL reports whether one of texts has the character that PostgreSQL cannot
// store.
func hasNUL(texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(t, "\x00") {
			return true
		}
	}
	return false
}

// spellsNUL reports whether a JSON text has that character in some string, where
// it can only be spelt \u0000.
func spellsNUL(raw []byte) bool {
	for at := 0; at+1 < len(raw); at++ {
		if raw[at] != '\\' {
			continue
		}
		if bytes.HasPrefix(raw[at:], []byte(`\u0000`)) {
			return true
		}
		at++ // whatever is escaped is no beginning of an escape
	}
	return false
}
