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
	defaultIdle      = 5 * time.Minute  // without a sign of life during a delivery
	deliveryCeiling  = 30 * time.Minute // of a delivery for another workspace
	urlCacheTTL      = 5 * time.Minute
	delegateRetry    = 8 * time.Second
)

// row is what the platform knows of a workspace. Platform.mu guards it.
type row struct {
	p             *Platform
	id            string
	seq           int // the how-manieth row of the platform
	name          string
	role          string
	runtime       string
	parent        string
	tier          int
	collapsed     bool
	x, y          float64 // on the canvas
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

	cachedURL    string // of the proxy; survives the row's own and the database
	cachedUntil  time.Time
	budget       int64 // cents a month; zero is none
	lastOutbound time.Time

	// Overrides live in the platform's memory and count from the next
	// heartbeat on.
	capabilities map[string]bool
	idle         time.Duration

	history      []Transition
	queue        []*queued
	activity     chan struct{} // closed and replaced at each event of this workspace
	delegations  []*Delegation
	delegateKeys map[string]*Delegation // by idempotency key
	messages     []Notification
	memories     []Memory
	kv           map[string]*kvEntry
	approvals    []*Approval
	activities   []*Activity
	activitySize int // of their bodies, in bytes
	schedules    []*Schedule
	checkpoints  []*Checkpoint
	secrets      map[string]secretValue
	files        map[string][]byte // by path; nil is no container
	plugins      map[string]plugin // by source
}

// remember puts the address into the proxy's cache.
func (w *row) remember(url string, at time.Time) {
	w.cachedURL, w.cachedUntil = url, at.Add(urlCacheTTL)
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

// settle lets happen what time has brought since the row was last looked at, in
// the order in which it happened.
func (w *row) settle() {
	now := time.Now()
	for {
		at, happen := w.due()
		if happen == nil || now.Before(at) {
			return
		}
		happen(at)
	}
}

// due is what time alone will do next to the row, and when: the liveness key
// expires, the sweep over silent external workspaces finds it, or the patience
// with one that never came up ends. The real sweeps come round every 15 and 30 s.
func (w *row) due() (at time.Time, happen func(time.Time)) {
	earliest := func(t time.Time, f func(time.Time)) {
		if happen == nil || t.Before(at) {
			at, happen = t, f
		}
	}
	if !w.expiry.IsZero() {
		earliest(w.expiry, w.expire)
	}
	switch w.status {
	case "online", "degraded":
		if last := w.lastBeat; w.runtime == "external" {
			if last.IsZero() {
				last = w.updated
			}
			earliest(last.Add(externalStale), w.goOffline)
		}
	case "provisioning":
		earliest(w.updated.Add(provisionTimeout), func(at time.Time) { w.become("failed", at) })
	}
	return at, happen
}

// expire ends the liveness key, which takes every status but three along.
func (w *row) expire(at time.Time) {
	w.expiry = time.Time{}
	switch w.status {
	case "paused", "hibernated", "removed":
	default:
		w.goOffline(at)
	}
}

func (w *row) goOffline(at time.Time) {
	w.become("offline", at)
	w.emit("WORKSPACE_OFFLINE", map[string]any{})
}

// nextDue is when time alone will change some row, zero for never. p.mu is held.
func (p *Platform) nextDue() (next time.Time) {
	for _, w := range p.rows {
		w.settle()
		if at, happen := w.due(); happen != nil && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// event tells the proxy's idle timers that the workspace has shown life.
func (w *row) event() {
	close(w.activity)
	w.activity = make(chan struct{})
}
