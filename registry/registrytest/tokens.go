package registrytest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

const maxTokens = 50

// createToken serves POST /workspaces/{id}/tokens: an agent may mint a second
// token for itself, and an operator one for an agent that is locked out.
func (p *Platform) createToken(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var token string
	p.mu.Lock()
	w := p.find(id)
	full := w != nil && w.liveTokens() >= maxTokens
	if w != nil && !full {
		token = w.issue()
		p.touch()
	}
	p.mu.Unlock()
	switch {
	case w == nil:
		x.fail(http.StatusInternalServerError, "failed to create token")
	case full: // a 429 without Retry-After
		x.fail(http.StatusTooManyRequests, fmt.Sprintf("maximum %d active tokens per workspace", maxTokens))
	default:
		x.json(http.StatusCreated, map[string]any{
			"auth_token": token, "workspace_id": w.id, "message": "Save this token now — it cannot be retrieved again.",
		})
	}
}

// tokenInfo is a record with a fixed order of keys.
type tokenInfo struct {
	ID         string  `json:"id"`
	Prefix     string  `json:"prefix"`
	CreatedAt  string  `json:"created_at"`
	LastUsedAt *string `json:"last_used_at"`
}

// listTokens serves GET /workspaces/{id}/tokens: the live ones, newest first.
func (p *Platform) listTokens(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	infos := []tokenInfo{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, t := range slices.Backward(w.tokens) {
			if !t.live {
				continue
			}
			info := tokenInfo{ID: t.id, Prefix: t.text[:8], CreatedAt: timestamp(t.made)}
			if !t.used.IsZero() {
				used := timestamp(t.used)
				info.LastUsedAt = &used
			}
			infos = append(infos, info)
		}
	}
	p.mu.Unlock()
	q := x.r.URL.Query()
	if n, err := strconv.Atoi(q.Get("offset")); err == nil && n > 0 {
		infos = infos[min(n, len(infos)):]
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		infos = infos[:min(n, 200, len(infos))]
	}
	x.json(http.StatusOK, map[string]any{"count": len(infos), "tokens": infos})
}

// revokeToken serves DELETE /workspaces/{id}/tokens/{token}. Whoever revokes the
// last one is back where registration mints.
func (p *Platform) revokeToken(x *exchange, id, token string) {
	if !p.mayCall(x, id) {
		return
	}
	if !isUUID(token) {
		x.fail(http.StatusInternalServerError, "failed to revoke token")
		return
	}
	revoked := false
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, t := range w.tokens {
			if t.live && t.id == token {
				t.live, revoked = false, true
				p.touch()
			}
		}
	}
	p.mu.Unlock()
	if !revoked {
		x.fail(http.StatusNotFound, "token not found or already revoked")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": "revoked"})
}
