package heartbeat

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Bounds of what a heartbeat carries. The platform stores integers as int32 and
// answers 500 to a bigger one, and it caps the monthly spend.
const (
	// MaxLabel is the length in characters at which a task's label is cut.
	MaxLabel = 200
	// MaxReason is the length in characters at which an error's text and a
	// wedge's reason are cut.
	MaxReason = 500
	// MaxMonthlySpend is the cap of the monthly spend, in US cents.
	MaxMonthlySpend = 1_000_000_000_000
)

// State is what the workspace says about itself in every heartbeat: its running
// tasks, how its turns went lately, whether it is wedged, and what its adapter
// can do. All of it is sent every time, because the platform overwrites every
// field with what a heartbeat carries and clears what is missing.
//
// Make one with [NewState]. Its methods may be called from any goroutine; none
// of them blocks or does I/O.
type State struct {
	start time.Time
	nudge chan struct{} // 1 slot, see Changed

	mu        sync.Mutex // guards what follows
	newest    *task      // running tasks, newest first, linked by older
	running   int
	turns     window
	wedged    bool
	reason    string
	wedgedAt  time.Time
	spend     int64
	caps      registry.Capabilities
	idleAfter time.Duration
}

// task is one running task in the list that starts at State.newest.
type task struct {
	label        string
	newer, older *task
}

// NewState returns an empty State. The uptime in the heartbeats counts from here.
func NewState() *State {
	return &State{start: time.Now(), nudge: make(chan struct{}, 1)}
}

// Begin records that a task began and returns the function that records its
// end; calling that more than once is harmless. Tasks may overlap: they are
// counted, and the label of the newest one still running is what the platform
// shows as the current task. Both edges ask for a heartbeat at once: the
// platform hands out queued work by the number of running tasks it was told.
//
// The label is cleaned: invalid UTF-8 is replaced, control characters become
// spaces, and it is cut at [MaxLabel] characters.
func (s *State) Begin(label string) (end func()) {
	t := &task{label: clean(label, MaxLabel)}
	s.mu.Lock()
	t.older = s.newest
	if s.newest != nil {
		s.newest.newer = t
	}
	s.newest = t
	s.running++
	s.mu.Unlock()
	s.changed()

	var once sync.Once
	return func() { once.Do(func() { s.end(t) }) }
}

// end takes a task out of the list.
func (s *State) end(t *task) {
	s.mu.Lock()
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		s.newest = t.older
	}
	if t.older != nil {
		t.older.newer = t.newer
	}
	t.newer, t.older = nil, nil
	s.running--
	s.mu.Unlock()
	s.changed()
}

// ActiveTasks returns the number of running tasks.
func (s *State) ActiveTasks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Record counts the outcome of one turn; nil is a success. The share of errors
// among the turns of the last 60 seconds is the heartbeat's error rate (the
// platform calls a workspace degraded from 0.5 on and well again below 0.1),
// and the newest error's text is its sample error, until both have left those
// 60 seconds. The text reaches the platform's operators: give an error that
// holds no secrets.
//
// A success is also the proof that a wedged agent works again: it clears the
// wedge.
func (s *State) Record(err error) {
	var text string
	if err != nil {
		// Outside the lock: Error is foreign code.
		if text = clean(err.Error(), MaxReason); text == "" {
			text = "error without a text"
		}
	}
	s.mu.Lock()
	s.turns.add(time.Since(s.start), text)
	unwedged := err == nil && s.wedged
	if unwedged {
		s.wedged, s.reason = false, ""
	}
	s.mu.Unlock()
	if unwedged {
		s.changed()
	}
}

// Wedge says that the agent cannot work until somebody restarts or mends it;
// the platform then shows the workspace as degraded. The reason is for an
// operator: one short sentence. The first reason wins until the wedge is
// cleared by [State.Unwedge] or by a success given to [State.Record].
func (s *State) Wedge(reason string) {
	if reason = clean(reason, MaxReason); reason == "" {
		reason = "wedged without a reason"
	}
	s.mu.Lock()
	first := !s.wedged
	if first {
		s.wedged, s.reason, s.wedgedAt = true, reason, time.Now()
	}
	s.mu.Unlock()
	if first {
		s.changed()
	}
}

// Unwedge clears the wedge; it does nothing when there is none.
func (s *State) Unwedge() {
	s.mu.Lock()
	was := s.wedged
	s.wedged, s.reason = false, ""
	s.mu.Unlock()
	if was {
		s.changed()
	}
}

// Wedged returns the reason and the begin of the wedge; ok is false when the
// agent is not wedged.
func (s *State) Wedged() (reason string, since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.wedged {
		return "", time.Time{}, false
	}
	return s.reason, s.wedgedAt, true
}

// SetMonthlySpend sets what the workspace has spent this month, in US cents,
// from 0 to [MaxMonthlySpend]. The platform takes 0 for "no news".
func (s *State) SetMonthlySpend(cents int64) {
	s.mu.Lock()
	s.spend = min(max(cents, 0), MaxMonthlySpend)
	s.mu.Unlock()
}

// SetCapabilities sets what the live adapter does by itself. The platform acts
// on it from the heartbeat after the one that brings the news.
func (s *State) SetCapabilities(c registry.Capabilities) {
	s.mu.Lock()
	s.caps = c
	s.mu.Unlock()
}

// SetIdleTimeout sets how long the platform waits for a sign of life while a
// message is being answered; every heartbeat is one. Parts of a second are
// rounded up; zero or less leaves the platform's own default (5 minutes).
func (s *State) SetIdleTimeout(d time.Duration) {
	s.mu.Lock()
	s.idleAfter = max(d, 0)
	s.mu.Unlock()
}

// Changed returns a channel that holds one value when a task began or ended or
// the wedge changed since the last receive. It has one slot, so any number of
// changes are one nudge, and it is meant for one receiver: the [Loop].
func (s *State) Changed() <-chan struct{} { return s.nudge }

func (s *State) changed() { poke(s.nudge) }

// Heartbeat returns the body of a heartbeat of the workspace, as it is now and
// in full. Everything in it is acceptable to the platform, which answers 500 to
// a NUL and to integers beyond int32, and 401 for ever to an upper-case id.
func (s *State) Heartbeat(workspaceID string) registry.HeartbeatRequest {
	now := time.Since(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	rate, sample := s.turns.summary(now)
	req := registry.HeartbeatRequest{
		WorkspaceID:   strings.ToLower(strings.TrimSpace(workspaceID)),
		ErrorRate:     rate,
		SampleError:   sample,
		ActiveTasks:   min(s.running, math.MaxInt32),
		UptimeSeconds: int(min(now/time.Second, math.MaxInt32)),
		MonthlySpend:  s.spend,
		RuntimeMetadata: &registry.RuntimeMetadata{
			Capabilities:       s.caps,
			IdleTimeoutSeconds: int(min(math.Ceil(s.idleAfter.Seconds()), math.MaxInt32)),
		},
	}
	if s.newest != nil {
		req.CurrentTask = s.newest.label
	}
	if s.wedged {
		// Nothing but "wedged" may stand here: any other text keeps a degraded
		// workspace from ever being online again.
		req.RuntimeState = registry.RuntimeWedged
		req.SampleError = s.reason
	}
	return req
}
