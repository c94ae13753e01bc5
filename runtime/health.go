package runtime

import (
	"fmt"
	"net/http"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// silence is how long no heartbeat may be accepted before the workspace calls
// itself unready: half of what the platform waits before it calls it offline,
// so that one that fails now and then changes nothing.
const silence = heartbeat.DefaultLivenessTTL / 2

// health is the answer of /livez and /readyz.
type health struct {
	Live  *bool `json:"live,omitempty"`
	Ready *bool `json:"ready,omitempty"`
	// Reasons say why not. Warnings do not stop anybody from using the
	// workspace, but somebody should see to them.
	Reasons  []string `json:"reasons,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func (r *Runtime) serveLive(w http.ResponseWriter, _ *http.Request) {
	var h health
	if late := r.late(time.Now()); late > 0 {
		h.Reasons = append(h.Reasons, "no heartbeat was tried for "+late.Round(time.Second).String())
	}
	live := len(h.Reasons) == 0
	h.Live = &live
	writeJSON(w, healthStatus(live), h)
}

// late is how long ago the next heartbeat should have been tried, 0 while all
// is well. A heartbeat has a deadline of its own, so only a Loop that hangs is
// ever late.
func (r *Runtime) late(now time.Time) time.Duration {
	if phase(r.phase.Load()) != serving {
		return 0
	}
	due := r.loop.Status().NextBeat
	if due.IsZero() {
		return 0
	}
	if late := now.Sub(due); late > 30*time.Second+r.set.interval {
		return late
	}
	return 0
}

func (r *Runtime) serveReady(w http.ResponseWriter, _ *http.Request) {
	h := r.readiness()
	ready := len(h.Reasons) == 0
	h.Ready = &ready
	writeJSON(w, healthStatus(ready), h)
}

func healthStatus(well bool) int {
	if well {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// readiness says why the platform cannot use the workspace now; no reasons when
// it can.
func (r *Runtime) readiness() health {
	switch phase(r.phase.Load()) {
	case starting:
		return health{Reasons: []string{"starting"}}
	case draining:
		return health{Reasons: []string{"draining"}}
	case stopped:
		return health{Reasons: []string{"stopped"}}
	}
	bearer, _ := r.tokens.Authorization()
	h := judge(r.loop.Status(), len(bearer) > 0, time.Now())
	h.Warnings = append(h.Warnings, r.storeWarnings...)
	if r.inbox != nil {
		h.Warnings = append(h.Warnings, inboxWarnings(r.inbox.Status())...)
	}
	if r.durability != nil {
		h.add(r.durability.Status())
	}
	if err := r.engine.Health(); err != nil {
		h.Reasons = append(h.Reasons, "tasks cannot be stored: "+err.Error())
	}
	if reason, since, wedged := r.state.Wedged(); wedged {
		h.Reasons = append(h.Reasons, fmt.Sprintf("the agent has been wedged since %s: %s", since.UTC().Format(time.RFC3339), reason))
	}
	return h
}

// add takes what somebody else says into account.
func (h *health) add(reason, warning string) {
	if reason != "" {
		h.Reasons = append(h.Reasons, reason)
	}
	if warning != "" {
		h.Warnings = append(h.Warnings, warning)
	}
}

// judge makes a verdict of the heartbeats' status.
func judge(s heartbeat.Status, haveToken bool, now time.Time) health {
	var h health
	switch s.Row {
	case registry.StatusRemoved:
		return health{Reasons: []string{"the platform has removed this workspace"}}
	case registry.StatusPaused, registry.StatusHibernated:
		h.Reasons = append(h.Reasons, "the workspace is "+s.Row+" on the platform")
	}
	switch {
	case s.RegisterRefused:
		h.Warnings = append(h.Warnings, "the platform refuses this workspace's address and knows it by its heartbeats only")
	case !s.Registered:
		h.Reasons = append(h.Reasons, "not registered yet")
	}
	if s.LastAccepted.IsZero() {
		h.Reasons = append(h.Reasons, "no heartbeat accepted yet")
	} else if quiet := now.Sub(s.LastAccepted); s.Failures > 0 && quiet > silence {
		h.Reasons = append(h.Reasons, "no heartbeat accepted for "+quiet.Round(time.Second).String())
	} else if s.Failures > 0 {
		h.Warnings = append(h.Warnings, "the last heartbeat failed")
	}
	// Where the platform refuses the registration and nobody brings a token,
	// the workspace lives by its heartbeats, and that is all there is.
	if !s.TokenAccepted && (haveToken || !s.RegisterRefused) {
		h.Reasons = append(h.Reasons, "token not accepted by the platform")
	}
	if !s.TokenPersisted {
		// No reason: whoever restarts what is unready would lose the token.
		h.Warnings = append(h.Warnings, "token not persisted: a restart would lose it")
	}
	if s.Alarm != "" {
		h.Warnings = append(h.Warnings, s.Alarm)
	}
	return h
}
