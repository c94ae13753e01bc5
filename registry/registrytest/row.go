package registrytest

import (
	"encoding/json"
	"time"
)

// The platform's clockwork.
const (
	livenessTTL      = 180 * time.Second
	externalStale    = 90 * time.Second
	provisionTimeout = 10 * time.Minute
	defaultIdle      = 5 * time.Minute
)

// row is what the platform knows of a workspace. Platform.mu guards it.
type row struct {
	p             *Platform
	id            string
	name          string
	runtime       string
	parent        string
	tier          int
	maxConcurrent int

	status   string
	url      string
	card     json.RawMessage
	beat     Beat // as last overwritten
	beats    []Beat
	tokens   []*token
	updated  time.Time // of the status
	lastBeat time.Time
	expiry   time.Time // of the liveness key; zero is no key

	// Overrides live in the platform's memory and count from the next
	// heartbeat on.
	capabilities map[string]bool
	idle         time.Duration

	history     []Transition
	queue       []*queued
	activity    chan struct{} // closed and replaced at each event of this workspace
	delegations []Delegation
	messages    []Notification
}

// Transition is a change of a workspace's status.
type Transition struct {
	At       time.Time
	From, To string
}

func (p *Platform) newRow(id string) *row {
	return &row{
		p: p, id: id, name: id, runtime: "langgraph", tier: 1, maxConcurrent: 1,
		updated: time.Now(), activity: make(chan struct{}),
	}
}

// become changes the status.
func (w *row) become(status string, at time.Time) {
	if w.status == status {
		return
	}
	w.history = append(w.history, Transition{At: at, From: w.status, To: status})
	w.status, w.updated = status, at
}

// settle lets happen what time has brought since the row was last looked at:
// the liveness key's expiry, the sweep over silent external workspaces and the
// end of patience with one that never came up.
func (w *row) settle() {
	now := time.Now()
	if !w.expiry.IsZero() && !now.Before(w.expiry) {
		switch w.status {
		case "online", "degraded", "provisioning", "failed":
			w.become("offline", w.expiry)
		}
		w.expiry = time.Time{}
	}
	if w.runtime == "external" && (w.status == "online" || w.status == "degraded") {
		last := w.lastBeat
		if last.IsZero() {
			last = w.updated
		}
		if stale := last.Add(externalStale); now.After(stale) {
			w.become("offline", stale)
		}
	}
	if end := w.updated.Add(provisionTimeout); w.status == "provisioning" && !now.Before(end) {
		w.become("failed", end)
	}
}

// event tells the proxy's idle timers that the workspace has shown life.
func (w *row) event() {
	close(w.activity)
	w.activity = make(chan struct{})
}
