package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// outcome is what came of a call: the agent's answer (raw), an answer of the
// platform's own (body), or busy, which is still to be answered.
type outcome struct {
	status     int
	raw        []byte
	body       map[string]any
	retryAfter int // seconds; 0 is none
	busy       bool
	queued     bool
	cause      string // why nothing, or not all, came from the agent
}

// refusal is an answer of the platform's own that says no more than text.
func refusal(status int, text string) outcome {
	return outcome{status: status, body: map[string]any{"error": text}}
}

// errorText is what an outcome that is none of the agent's answers says.
func (o outcome) errorText() string {
	text, _ := o.body["error"].(string)
	return text
}

// deliver posts message to the agent of w at url and waits as long as the
// workspace shows life, and no longer than ceiling unless that is 0. What the
// agent gets is exactly this request: no authorization, no caller, no trace.
func (p *Platform) deliver(ctx context.Context, w *row, url string, message []byte, ceiling time.Duration) outcome {
	ctx, cancel := context.WithCancel(ctx)
	if ceiling > 0 {
		ctx, cancel = context.WithTimeout(ctx, ceiling)
	}
	watch := make(chan struct{})
	go func() { defer close(watch); p.cutWhenIdle(ctx, w, cancel) }()
	defer func() { cancel(); <-watch }()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(message))
	if err != nil {
		return refusal(http.StatusInternalServerError, "failed to create proxy request")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.agents.Do(req)
	if err != nil {
		if mayHaveArrived(err) {
			return outcome{busy: true, cause: err.Error()}
		}
		out := refusal(http.StatusBadGateway, "failed to reach workspace agent")
		out.cause = err.Error()
		return out
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
		return refusal(resp.StatusCode, text)
	}
	return outcome{status: resp.StatusCode, raw: raw}
}

// cutWhenIdle ends a delivery during which the workspace showed no sign of life
// for as long as its last heartbeat but one, or the platform, allows.
func (p *Platform) cutWhenIdle(ctx context.Context, w *row, cut func()) {
	p.mu.Lock()
	idle := w.idle
	p.mu.Unlock()
	if idle <= 0 {
		idle = defaultIdle
	}
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

// mayHaveArrived reports whether a delivery that failed may have reached the
// agent, or have been on its way for too long: that counts as busy and is
// queued. A refused connection, an unknown name and a failed handshake do not.
func mayHaveArrived(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(err.Error(), "server closed idle connection") {
		return true
	}
	var dns *net.DNSError
	var timed net.Error
	return !errors.As(err, &dns) && errors.As(err, &timed) && timed.Timeout()
}
