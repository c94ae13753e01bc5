package registrytest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How large bodies may be on their way through the proxy; more is cut.
const (
	maxA2ARequest = 1 << 20
	maxA2AAnswer  = 10 << 20
)

// call is one A2A call on its way to the agent of workspace target.
type call struct {
	caller   string // the calling workspace; "" is the canvas
	target   string
	body     []byte // as the caller wrote it
	began    time.Time
	patience time.Duration   // X-Timeout; 0 is none
	gone     <-chan struct{} // closed when the caller has hung up; nil is never
	onQueued func(*queued)   // called when the call is put into the queue, with Platform.mu held; may be nil
}

// proxy serves POST /workspaces/{id}/a2a: it passes a call on to the agent of
// workspace id.
func (p *Platform) proxy(x *exchange, id string) {
	c := call{
		caller: x.r.Header.Get("X-Workspace-Id"),
		target: id,
		body:   x.body[:min(len(x.body), maxA2ARequest)],
		began:  x.at,
		gone:   x.r.Context().Done(),
	}
	if n, err := strconv.Atoi(x.r.Header.Get("X-Timeout")); err == nil && n > 0 {
		c.patience = time.Duration(n) * time.Second
	}
	for _, prefix := range []string{"webhook:", "system:", "test:", "channel:"} {
		if strings.HasPrefix(c.caller, prefix) {
			x.fail(http.StatusForbidden, "invalid caller ID")
			return
		}
	}
	if c.caller != "" && c.caller != c.target && !p.isCaller(x, c.caller) {
		return
	}
	out := p.forward(c)
	if out.retryAfter > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(out.retryAfter))
	}
	if out.queued || out.body == nil {
		x.w.Header().Set("Content-Type", "application/json") // whatever it was
	}
	if out.body != nil {
		x.json(out.status, out.body)
		return
	}
	x.w.WriteHeader(out.status)
	_, _ = x.w.Write(out.raw)
}

// isCaller is the rule for those who call other workspaces: it is the one of
// /registry with other words.
func (p *Platform) isCaller(x *exchange, caller string) bool {
	p.mu.Lock()
	from := p.find(caller)
	open := p.dbDown || from == nil || from.liveTokens() == 0
	good := from.accepts(caller, x.bearer())
	p.mu.Unlock()
	switch {
	case open || good:
		return true
	case x.bearer() == "":
		x.fail(http.StatusUnauthorized, "missing caller auth token")
	default:
		x.fail(http.StatusUnauthorized, "invalid caller auth token")
	}
	return false
}

// forward takes a call whose caller is known to the agent and back. The order
// of the checks is the platform's: kinship, budget, address, and only then
// whether the body is JSON.
func (p *Platform) forward(c call) outcome {
	w, url, refused := p.admitCall(c)
	if refused != nil {
		return *refused
	}
	message, messageID, err := normalise(c.body)
	if err != nil {
		return refusal(http.StatusBadRequest, "invalid JSON")
	}
	// The caller who hangs up does not stop the agent. Calls between workspaces
	// have a ceiling, which X-Timeout removes instead of lowering it.
	ceiling := deliveryCeiling
	if c.caller == "" || c.patience > 0 {
		ceiling = 0
	}
	began := time.Now()
	out := p.deliver(p.life, w, url, message, ceiling)
	p.logCall(c, w, message, out, time.Since(began))
	if out.busy {
		return p.busy(c, w, message, messageID)
	}
	if c.caller != "" && out.status < 400 {
		p.mu.Lock()
		if from := p.find(c.caller); from != nil {
			from.lastOutbound = time.Now()
		}
		p.mu.Unlock()
	}
	return out
}

// admitCall decides whether c may be delivered, and where.
func (p *Platform) admitCall(c call) (w *row, url string, refused *outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := p.find(c.target)
	if c.caller != "" && c.caller != c.target {
		from := p.find(c.caller)
		if p.dbDown || from == nil || to == nil || !p.kin(from, to) {
			refused := refusal(http.StatusForbidden, "access denied: workspaces cannot communicate per hierarchy rules")
			return nil, "", &refused
		}
	}
	if !p.dbDown && to != nil && to.budget > 0 && to.beat.MonthlySpend >= to.budget {
		refused := refusal(http.StatusPaymentRequired, "workspace budget limit exceeded")
		return nil, "", &refused
	}
	url, refused = p.address(c.target, to)
	return to, url, refused
}

// address is where the agent of workspace id is: the cached address as long as
// there is one, whatever has become of the workspace since, else that of its
// row. Its status plays no part. p.mu is held.
func (p *Platform) address(id string, w *row) (url string, refused *outcome) {
	fail := func(out outcome) (string, *outcome) { return "", &out }
	switch {
	case !isUUID(id):
		return fail(refusal(http.StatusInternalServerError, "lookup failed"))
	case w != nil && time.Now().Before(w.cachedUntil):
		url = w.cachedURL
	case p.dbDown:
		return fail(refusal(http.StatusInternalServerError, "lookup failed"))
	case w == nil:
		return fail(refusal(http.StatusNotFound, "workspace not found"))
	case w.url == "" && w.status == "hibernated":
		return fail(outcome{status: http.StatusServiceUnavailable, retryAfter: 15, body: map[string]any{
			"error": "workspace is waking from hibernation — retry in ~15 seconds", "retry_after": 15, "waking": true,
		}})
	case w.url == "":
		return fail(outcome{status: http.StatusServiceUnavailable, body: map[string]any{
			"error": "workspace has no URL", "status": w.status,
		}})
	default:
		url = w.url
		w.remember(url, time.Now())
	}
	if !p.routable(url) {
		return fail(refusal(http.StatusBadGateway, "workspace URL is not publicly routable"))
	}
	return url, nil
}

// kin reports whether two workspaces may talk: siblings, roots among each other,
// and whoever is above or below. p.mu is held.
func (p *Platform) kin(a, b *row) bool {
	above := func(w, of *row) bool {
		for range 32 {
			if of == nil || of.parent == "" {
				return false
			}
			if of.parent == w.id {
				return true
			}
			of = p.rows[of.parent]
		}
		return false
	}
	return a.id == b.id || a.parent == b.parent || above(a, b) || above(b, a)
}

// normalise makes of a caller's body what the agent gets: an envelope and a
// message id where they are missing, keys sorted, numbers as floats, HTML
// escaped. It returns the message id too, "" when there is no message.
func normalise(body []byte) (message []byte, messageID string, err error) {
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, "", err
	}
	if _, enveloped := v["jsonrpc"]; !enveloped {
		v = map[string]any{"jsonrpc": "2.0", "id": newUUID(), "method": v["method"], "params": v["params"]}
	}
	if params, ok := v["params"].(map[string]any); ok {
		if m, ok := params["message"].(map[string]any); ok {
			if _, has := m["messageId"]; !has {
				m["messageId"] = newUUID()
			}
			messageID, _ = m["messageId"].(string)
		}
	}
	message, err = json.Marshal(v)
	return message, messageID, err
}
