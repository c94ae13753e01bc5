package registrytest

import (
	"math"
	"net/http"
	"time"
)

// Beat is one heartbeat as the platform stored it: what it did not carry is
// the zero value, as there.
type Beat struct {
	At            time.Time
	ErrorRate     float64
	SampleError   string
	ActiveTasks   int
	CurrentTask   string
	UptimeSeconds int
	MonthlySpend  int64
	RuntimeState  string
	Metadata      bool // whether it carried runtime_metadata at all
	Capabilities  map[string]bool
	IdleSeconds   int
	TokenGen      int // which of the workspace's tokens it came with; see Request
}

// heartbeat serves POST /registry/heartbeat.
func (p *Platform) heartbeat(x *exchange) {
	var body struct {
		WorkspaceID     string  `json:"workspace_id"`
		ErrorRate       float64 `json:"error_rate"`
		SampleError     string  `json:"sample_error"`
		ActiveTasks     int     `json:"active_tasks"`
		CurrentTask     string  `json:"current_task"`
		UptimeSeconds   int     `json:"uptime_seconds"`
		MonthlySpend    int64   `json:"monthly_spend"`
		RuntimeState    string  `json:"runtime_state"`
		RuntimeMetadata *struct {
			Capabilities       map[string]bool `json:"capabilities"`
			IdleTimeoutSeconds int             `json:"idle_timeout_seconds"`
		} `json:"runtime_metadata"`
	}
	if !x.decode(&body) || body.WorkspaceID == "" {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	if !p.mayRegister(x, body.WorkspaceID) {
		return
	}
	if !isUUID(body.WorkspaceID) || hasNUL(body.SampleError, body.CurrentTask) ||
		!isInt32(body.ActiveTasks) || !isInt32(body.UptimeSeconds) || p.databaseIsDown() {
		x.fail(http.StatusInternalServerError, "failed to update")
		return
	}
	beat := Beat{
		At: x.at, ErrorRate: body.ErrorRate, SampleError: body.SampleError, ActiveTasks: body.ActiveTasks,
		CurrentTask: body.CurrentTask, UptimeSeconds: body.UptimeSeconds, MonthlySpend: min(body.MonthlySpend, 1e12),
		RuntimeState: body.RuntimeState,
	}
	if m := body.RuntimeMetadata; m != nil {
		beat.Metadata, beat.Capabilities, beat.IdleSeconds = true, m.Capabilities, m.IdleTimeoutSeconds
	}
	p.mu.Lock()
	if w := p.find(body.WorkspaceID); w != nil && w.status != "removed" {
		beat.TokenGen, _ = w.generation(x.bearer())
		p.accept(w, beat)
		p.touch()
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"status": "ok"})
}

// accept stores a heartbeat and draws the conclusions, in the platform's
// order. Every comparison uses the status as it was before any of them.
func (p *Platform) accept(w *row, b Beat) {
	if b.MonthlySpend <= 0 {
		b.MonthlySpend = w.beat.MonthlySpend
	}
	changed := w.beat.CurrentTask != b.CurrentTask
	w.beat, w.lastBeat = b, b.At
	w.beats = append(w.beats, b)
	if !w.expiry.IsZero() {
		w.expiry = b.At.Add(livenessTTL) // an expired key is not made again
	}
	was := w.status
	if was == "online" && b.RuntimeState == "wedged" {
		w.become("degraded", b.At)
		w.emit("WORKSPACE_DEGRADED", map[string]any{"runtime_state": b.RuntimeState, "sample_error": b.SampleError})
	}
	if !w.capabilities["status_mgmt"] {
		if was == "online" && b.ErrorRate >= 0.5 {
			w.become("degraded", b.At)
			w.emit("WORKSPACE_DEGRADED", map[string]any{"error_rate": b.ErrorRate, "sample_error": b.SampleError})
		}
		if was == "degraded" && b.ErrorRate < 0.1 && b.RuntimeState == "" {
			w.become("online", b.At)
			w.emit("WORKSPACE_ONLINE", map[string]any{})
		}
	}
	switch was {
	case "offline":
		w.become("online", b.At)
		w.emit("WORKSPACE_ONLINE", map[string]any{})
	case "provisioning":
		w.become("online", b.At)
		w.emit("WORKSPACE_ONLINE", map[string]any{"recovered_from": was})
	}
	if changed {
		w.emit("TASK_UPDATED", map[string]any{"current_task": b.CurrentTask, "active_tasks": b.ActiveTasks})
	}
	w.emit("WORKSPACE_HEARTBEAT", map[string]any{"active_tasks": b.ActiveTasks, "uptime_seconds": b.UptimeSeconds})
	if b.ActiveTasks < w.maxConcurrent {
		p.drainOne(w)
	}
	// Last, so that they count from the next heartbeat on.
	w.capabilities, w.idle = b.Capabilities, time.Duration(max(b.IdleSeconds, 0))*time.Second
}

func isInt32(n int) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }
