package registrytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// How large bodies may be on their way through the proxy; more is cut.
const (
	maxA2ARequest = 1 << 20
	maxA2AAnswer  = 10 << 20
)

// proxy serves POST /workspaces/{id}/a2a: it passes a call on to the agent of
// workspace id. The order of the checks is the platform's.
func (p *Platform) proxy(x *exchange, id string) {
	body := x.body[:min(len(x.body), maxA2ARequest)]
	caller := x.r.Header.Get("X-Workspace-Id")
	if !p.mayCallAgent(x, caller, id) {
		return
	}
	target, answer := p.target(id)
	if answer != nil {
		x.json(answer.status, answer.body)
		return
	}
	call, messageID, err := normalise(body)
	if err != nil {
		x.fail(http.StatusBadRequest, "invalid JSON")
		return
	}
	// The caller who hangs up does not stop the agent.
	out := p.deliver(p.life, target, call)
	if out.busy {
		p.busy(x, target, call, messageID)
		return
	}
	if out.body != nil {
		x.json(out.status, out.body)
		return
	}
	x.w.Header().Set("Content-Type", "application/json") // whatever it was
	x.w.WriteHeader(out.status)
	_, _ = x.w.Write(out.raw)
}

// mayCallAgent judges who calls: nobody in particular and the workspace itself
// are trusted, another workspace needs its token and kinship.
func (p *Platform) mayCallAgent(x *exchange, caller, target string) bool {
	for _, prefix := range []string{"webhook:", "system:", "test:", "channel:"} {
		if strings.HasPrefix(caller, prefix) {
			x.fail(http.StatusForbidden, "invalid caller ID")
			return false
		}
	}
	if caller == "" || caller == target {
		return true
	}
	p.mu.Lock()
	from, to := p.find(caller), p.find(target)
	open := from == nil || from.liveTokens() == 0
	good := from.accepts(caller, x.bearer())
	kin := from != nil && to != nil && p.kin(from, to) && !p.dbDown
	p.mu.Unlock()
	switch {
	case !open && !good && x.bearer() == "":
		x.fail(http.StatusUnauthorized, "missing caller auth token")
	case !open && !good:
		x.fail(http.StatusUnauthorized, "invalid caller auth token")
	case !kin:
		x.fail(http.StatusForbidden, "access denied: workspaces cannot communicate per hierarchy rules")
	default:
		return true
	}
	return false
}

// kin reports whether two workspaces may talk: siblings, and whoever is above
// or below. p.mu is held.
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

// refusal is an answer of the platform's own.
type refusal struct {
	status int
	body   map[string]any
}

func refuse(status int, text string) *refusal {
	return &refusal{status, map[string]any{"error": text}}
}

// target finds the agent's address. The status plays no part in it.
func (p *Platform) target(id string) (*row, *refusal) {
	if !isUUID(id) {
		return nil, refuse(http.StatusInternalServerError, "lookup failed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.find(id)
	switch {
	case w == nil:
		return nil, refuse(http.StatusNotFound, "workspace not found")
	case w.url == "":
		return nil, &refusal{http.StatusServiceUnavailable, map[string]any{"error": "workspace has no URL", "status": w.status}}
	case !p.routable(w.url):
		return nil, refuse(http.StatusBadGateway, "workspace URL is not publicly routable")
	}
	return w, nil
}

// normalise makes of a caller's body what the agent gets: an envelope and a
// message id where they are missing, keys sorted, numbers as floats, HTML
// escaped. It returns the message id too, "" when there is no message.
func normalise(body []byte) (call []byte, messageID string, err error) {
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, "", err
	}
	if _, enveloped := v["jsonrpc"]; !enveloped {
		v = map[string]any{"jsonrpc": "2.0", "id": newUUID(), "method": v["method"], "params": v["params"]}
	}
	if params, ok := v["params"].(map[string]any); ok {
		if message, ok := params["message"].(map[string]any); ok {
			if _, has := message["messageId"]; !has {
				message["messageId"] = newUUID()
			}
			messageID, _ = message["messageId"].(string)
		}
	}
	call, err = json.Marshal(v)
	return call, messageID, err
}

// outcome is what came of a delivery: the agent's answer (raw), an answer of
// the platform's own (body), or busy.
type outcome struct {
	status int
	raw    []byte
	body   map[string]any
	busy   bool
}

// deliver posts call to the agent of w and waits as long as the workspace
// shows life. What the agent gets is exactly this request: no authorization,
// no caller, no trace.
func (p *Platform) deliver(ctx context.Context, w *row, call []byte) outcome {
	p.mu.Lock()
	url, idle := w.url, w.idle
	p.mu.Unlock()
	if idle <= 0 {
		idle = defaultIdle
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := make(chan struct{})
	go func() { defer close(watch); p.cutWhenIdle(ctx, w, idle, cancel) }()
	defer func() { cancel(); <-watch }()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(call))
	if err != nil {
		return outcome{status: http.StatusInternalServerError, body: map[string]any{"error": "failed to create proxy request"}}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.agents.Do(req)
	if err != nil {
		if unreachable(err) {
			return outcome{status: http.StatusBadGateway, body: map[string]any{"error": "failed to reach workspace agent"}}
		}
		return outcome{busy: true}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxA2AAnswer))
	if err != nil {
		return outcome{status: http.StatusBadGateway, body: map[string]any{
			"error": "failed to read agent response", "delivery_confirmed": resp.StatusCode < 300,
		}}
	}
	if resp.StatusCode >= 300 {
		text := http.StatusText(resp.StatusCode)
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(raw, &said) == nil && said.Error != "" {
			text = said.Error
		}
		return outcome{status: resp.StatusCode, body: map[string]any{"error": text}}
	}
	return outcome{status: resp.StatusCode, raw: raw}
}

// cutWhenIdle ends a delivery during which the workspace showed no sign of life
// for as long as idle.
func (p *Platform) cutWhenIdle(ctx context.Context, w *row, idle time.Duration, cut func()) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		p.mu.Lock()
		activity := w.activity
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-activity:
			timer.Reset(idle)
		case <-timer.C:
			cut()
			return
		}
	}
}

// unreachable reports whether a failed delivery cannot have reached the agent;
// every other failure counts as "busy".
func unreachable(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &dns)
}

// Call sends an A2A call to a workspace as the canvas does, without a caller,
// and returns the platform's answer.
func (p *Platform) Call(ctx context.Context, workspaceID, method string, params any) (status int, answer []byte, err error) {
	body, err := json.Marshal(map[string]any{"method": method, "params": params})
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/workspaces/"+workspaceID+"/a2a", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := p.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Say sends text to a workspace as a user does and returns the platform's
// answer.
func (p *Platform) Say(ctx context.Context, workspaceID, text string) (status int, answer []byte, err error) {
	return p.Call(ctx, workspaceID, "message/send", map[string]any{"message": map[string]any{
		"kind": "message", "role": "user", "parts": []any{map[string]any{"kind": "text", "text": text}},
	}})
}

func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
