package heartbeat

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// life is one Run of a Loop. All of it belongs to Run's goroutine.
//
// It is an agenda: each thing that may have to be done has the time at which it
// is due, zero when it is not wanted. What is due is started in one of two
// slots, heartbeats in one and everything else in the other, so that a
// heartbeat never waits for anything but the heartbeat before it. Answers and
// signals change the agenda and nothing else.
type life struct {
	*Loop
	ctx   context.Context // ends when Run has been asked to end
	kept  context.Context // outlives ctx, see Run
	group *sync.WaitGroup // all goroutines of this Run
	begun time.Time
	gone  error // why Run must end although ctx lives

	beating slot // the heartbeat under way
	errand  slot // any other call under way

	beats beats
	join  join
	card  cardPush
	token tokenCheck
	save  saving

	row       string // status of the workspace when it was last looked at
	lastError error
}

// newLife returns the state at the begin of a Run.
func newLife(l *Loop, ctx, kept context.Context, group *sync.WaitGroup) *life {
	first := l.firstWait()
	pace := backoff{base: min(500*time.Millisecond, l.interval/10), limit: l.interval}
	climb := backoff{base: first, limit: l.interval, steady: true}
	return &life{
		Loop: l, ctx: ctx, kept: kept, group: group, begun: time.Now(),
		beats: beats{why: BeatFirst, pace: pace},
		join:  join{wanted: true, pace: pace},
		card:  cardPush{stale: true, pace: pace},
		token: tokenCheck{pace: pace, rungs: climb},
		save:  saving{pace: pace},
	}
}

// run is the loop.
func (l *life) run() error {
	changed := l.tokens.Changed() // before the token is read, so that no change is missed
	l.token.bearer = l.readBearer()
	l.token.known = l.token.bearer != ""
	l.begin(l.begun)

	timer := time.NewTimer(0)
	defer timer.Stop()
	var rejected <-chan struct{}
	if l.transport != nil {
		rejected = l.transport.Rejected()
	}
	for {
		if l.gone != nil {
			l.close()
			return l.gone
		}
		l.startDue(time.Now())
		l.publish()
		timer.Reset(time.Until(l.nextDue(time.Now())))

		select {
		case <-l.ctx.Done():
			return l.finish()
		case <-timer.C:
		case apply := <-l.beating.done:
			l.beating.drop()
			apply()
		case apply := <-l.errand.done:
			l.errand.drop()
			apply()
		case <-l.state.Changed():
			l.beats.nudged = true
		case <-l.nudge:
			l.beats.nudged = true
		case <-l.announce:
			l.announced(time.Now())
		case <-changed:
			changed = l.tokens.Changed()
			l.tokenChanged(time.Now())
		case <-rejected:
			l.token.suspect = true
		}
	}
}

// begin puts the first things on the agenda: register, then beat. A workspace
// without an address begins with the heartbeat.
func (l *life) begin(now time.Time) {
	if l.mayRegister(l.ask()) {
		l.join.at = now
		return
	}
	l.cannotRegister(now)
	l.open(now)
}

// startDue starts what is due and has a free slot.
func (l *life) startDue(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !at.After(now) }

	if at, why := l.beatDue(now); due(at) {
		if l.beating.busy() && due(l.beats.abandonAt) {
			l.beating.drop()
		}
		if !l.beating.busy() {
			l.startBeat(now, why)
		}
	}
	l.checkSuspicion(now)
	l.keepClimbing(now)
	for _, e := range []struct {
		at    time.Time
		start func(time.Time)
	}{
		{l.save.at, l.startSave},
		{l.join.at, l.startJoin},
		{l.cardDue(), l.startCard},
		{l.verifyDue(), l.startVerify},
	} {
		if !l.errand.busy() && due(e.at) {
			e.start(now)
		}
	}
}

// nextDue returns when startDue will have something to do, if nothing happens
// before.
func (l *life) nextDue(now time.Time) time.Time {
	next := now.Add(time.Hour) // far enough: it is asked again
	consider := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	switch at, _ := l.beatDue(now); {
	case !l.beating.busy():
		consider(at)
	case !at.IsZero() && !l.beats.abandonAt.IsZero():
		consider(later(at, l.beats.abandonAt))
	}
	if !l.errand.busy() {
		consider(l.save.at)
		consider(l.join.at)
		consider(l.cardDue())
		consider(l.verifyDue())
	}
	return next
}

// finish ends the life: one last heartbeat, and a registration that is under
// way may still bring its answer home.
func (l *life) finish() error {
	now := time.Now()
	ctx, cancel := context.WithTimeout(l.kept, min(lastWords, l.callTimeout()))
	defer cancel()
	if l.errand.busy() && l.errand.kind != registerCall && l.errand.kind != saveCall {
		l.errand.drop()
	}
	l.beating.drop()
	l.ctx = ctx
	l.startBeat(now, BeatLast)
	for l.beating.busy() || l.errand.busy() {
		select {
		case apply := <-l.beating.done:
			l.beating.drop()
			apply()
		case apply := <-l.errand.done:
			l.errand.drop()
			apply()
		case <-ctx.Done():
			l.close()
		}
	}
	l.close()
	return nil
}

// close drops what is under way and publishes the end.
func (l *life) close() {
	l.beating.drop()
	l.errand.drop()
	l.beats.opened = false // no next heartbeat
	l.publish()
}

// publish makes the state visible to Status.
func (l *life) publish() {
	next, _ := l.beatDue(time.Now())
	s := Status{
		Registered:      l.join.registered,
		RegisterRefused: l.join.refused,
		TokenAccepted:   l.token.accepted,
		Row:             l.row,
		LastAccepted:    l.beats.accepted,
		LastError:       l.lastError,
		Failures:        l.beats.outage.count,
		NextBeat:        next,
		Alarm:           l.alarm(),
	}
	l.mu.Lock()
	l.status = s
	l.mu.Unlock()
}

// alarm returns what an operator must do, the most pressing thing first.
func (l *life) alarm() string {
	for _, a := range []string{l.token.alarm, l.save.alarm, l.beats.alarm} {
		if a != "" {
			return a
		}
	}
	return ""
}

// settle forgets the last error when nothing fails any more.
func (l *life) settle() {
	if l.beats.outage.count == 0 && !l.token.climbing && !l.join.wanted && !l.card.wanted && l.save.token == "" {
		l.lastError = nil
	}
}

// remove ends the life because the platform has removed the workspace.
func (l *life) remove() {
	l.row = registry.StatusRemoved
	l.token.alarm = "the platform has removed this workspace: stop its adapter"
	l.gone = fmt.Errorf("%w: %s", ErrRemoved, l.client.WorkspaceID())
	l.log.Error("the platform has removed this workspace, the heartbeat ends",
		slog.String("do", "stop the adapter; to have the workspace back, create it anew"))
}

// wait returns how long to wait after a failure: what the back-off says, or what
// the platform asked for when that is longer. The latter gets a tenth of jitter,
// since a fleet is told the same number, and a bound, since it must not cost the
// workspace its life.
func (l *life) wait(pace *backoff, now time.Time, kind failure, retryAfter time.Duration) time.Duration {
	asked := retryAfter + time.Duration(l.random()*float64(retryAfter/10))
	return max(pace.wait(now, kind, l.random()), min(asked, max(l.ttl/2, l.interval)))
}

// callTimeout is the deadline of one call.
func (l *Loop) callTimeout() time.Duration { return min(maxCallTimeout, l.interval/3) }

// firstWait is how long a recovery leaves the platform to write the token file
// before it asks anything.
func (l *Loop) firstWait() time.Duration { return min(time.Second, l.interval/4) }

// spread varies d by a tenth either way.
func (l *Loop) spread(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(l.random()*float64(d/5))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier returns the earlier of two times on the agenda, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
