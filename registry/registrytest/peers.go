package registrytest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// getPeers serves GET /registry/{id}/peers: siblings, then children, then the
// parent. A workspace without a token may ask with any bearer or none.
func (p *Platform) getPeers(x *exchange, id string) {
	p.mu.Lock()
	w, down := p.find(id), p.dbDown
	p.mu.Unlock()
	switch {
	case !isUUID(id) || down:
		x.fail(http.StatusInternalServerError, "lookup failed")
		return
	case w == nil:
		x.fail(http.StatusNotFound, "workspace not found")
		return
	case !p.mayRegister(x, id):
		return
	}
	p.mu.Lock()
	peers := p.peersOf(w)
	q := strings.ToLower(strings.TrimSpace(x.r.URL.Query().Get("q")))
	answer := []map[string]any{}
	roleless := false
	for _, peer := range peers {
		roleless = roleless || peer.role == ""
		if q == "" || strings.Contains(strings.ToLower(peer.name), q) || strings.Contains(strings.ToLower(peer.role), q) {
			answer = append(answer, peer.describeAsPeer())
		}
	}
	p.mu.Unlock()
	if q != "" && roleless { // the real one panics at a peer without a role
		x.w.WriteHeader(http.StatusInternalServerError)
		return
	}
	x.json(http.StatusOK, answer)
}

// peersOf is whom the platform lists for w. p.mu is held.
func (p *Platform) peersOf(w *row) []*row {
	var siblings, children, parent []*row
	for _, other := range p.inOrder() {
		other.settle()
		switch {
		case other == w || other.status == "removed":
		case other.id == w.parent:
			parent = append(parent, other)
		case other.parent == w.id:
			children = append(children, other)
		case other.parent == w.parent:
			siblings = append(siblings, other)
		}
	}
	return slices.Concat(siblings, children, parent)
}

// inOrder is all rows, the oldest first. p.mu is held.
func (p *Platform) inOrder() []*row {
	rows := make([]*row, 0, len(p.rows))
	for _, w := range p.rows {
		rows = append(rows, w)
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
	return rows
}

func (w *row) describeAsPeer() map[string]any {
	card := w.card
	if len(card) == 0 {
		card = json.RawMessage("null")
	}
	return map[string]any{
		"id": w.id, "name": w.name, "role": orNull(w.role), "tier": w.tier, "status": w.status, "url": w.url,
		"parent_id": orNull(w.parent), "active_tasks": w.beat.ActiveTasks, "agent_card": stored(card),
	}
}

// orNull is text, or null when it is empty.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// discover serves GET /registry/discover/{id}.
func (p *Platform) discover(x *exchange, id string) {
	caller := x.r.Header.Get("X-Workspace-Id")
	if caller == "" {
		x.fail(http.StatusBadRequest, "X-Workspace-ID header is required")
		return
	}
	if !p.mayRegister(x, caller) {
		return
	}
	p.mu.Lock()
	from, to := p.find(caller), p.find(id)
	allowed := !p.dbDown && from != nil && to != nil && p.kin(from, to)
	var url, name, status string
	if allowed {
		name, status = to.name, to.status
		url = p.directURL(from, to)
	}
	p.mu.Unlock()
	switch {
	case !allowed:
		x.fail(http.StatusForbidden, "not authorized to discover this workspace")
	case url == "":
		x.json(http.StatusServiceUnavailable, map[string]any{"error": "workspace not available", "status": status})
	case to.runtime == "external" && !p.acceptsURL(x.r.Context(), url):
		x.fail(http.StatusServiceUnavailable, "workspace URL failed safety check")
	default:
		x.json(http.StatusOK, map[string]any{"id": to.id, "name": name, "url": url})
	}
}

// directURL is where from would find to: the registered address of an external
// workspace, seen from inside a container when from is in one; else what the
// platform remembers, or the name a container has. p.mu is held.
func (p *Platform) directURL(from, to *row) string {
	if to.runtime == "external" {
		url := to.url
		if from.runtime != "external" {
			for _, loopback := range []string{"127.0.0.1", "localhost"} {
				if strings.Contains(url, loopback) {
					return strings.Replace(url, loopback, "host.docker.internal", 1)
				}
			}
		}
		return url
	}
	if to.cachedURL != "" && !to.cachedUntil.IsZero() {
		return to.cachedURL
	}
	if to.status == "online" || to.status == "degraded" {
		return "http://ws-" + to.id[:12] + ":8000"
	}
	return ""
}

// checkAccess serves POST /registry/check-access, which is open to everybody.
func (p *Platform) checkAccess(x *exchange) {
	var body struct {
		CallerID string `json:"caller_id"`
		TargetID string `json:"target_id"`
	}
	if !x.decode(&body) || body.CallerID == "" || body.TargetID == "" {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	p.mu.Lock()
	from, to := p.find(body.CallerID), p.find(body.TargetID)
	allowed := !p.dbDown && from != nil && to != nil && p.kin(from, to)
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"allowed": allowed})
}
