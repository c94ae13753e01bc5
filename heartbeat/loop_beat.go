package heartbeat

import (
	"context"
	"log/slog"
	"time"
)

// patience is how long a heartbeat that is under way when the token changes may
// still take before it is given up for a new one. It carries the old token, but
// the transport may be about to replay it with the new one.
const patience = 50 * time.Millisecond

// beats is the part of a life that sends heartbeats.
type beats struct {
	opened    bool       // the first registration has had its chance: heartbeats may go
	at        time.Time  // when the next one is due
	why       BeatReason // what it would be sent for
	nudged    bool       // the state changed since the last one was begun
	bucket    nudges     // how often that may be told at once
	holdUntil time.Time  // the platform asked for silence until then
	abandonAt time.Time  // when the one under way is given up for a new one
	accepted  time.Time  // when the platform last said yes
	outage    outage     // failures since then
	kind      failure    // of the last failure
	logged    bool       // the outage has been spoken of
	pace      backoff
	alarm     string
}

// open lets the heartbeats begin.
func (l *life) open(now time.Time) {
	if !l.beats.opened {
		l.beats.opened = true
		l.beats.at, l.beats.why = now, BeatFirst
	}
}

// beatBy wants a heartbeat at a time, or earlier when one is wanted already.
func (l *life) beatBy(at time.Time, why BeatReason) {
	if l.beats.at.IsZero() || at.Before(l.beats.at) {
		l.beats.at, l.beats.why = at, why
	}
}

// beatDue returns when the next heartbeat is due, zero when none is, and why.
// A nudge brings it forward only while heartbeats are accepted: the next try
// after a failure tells the same and belongs to the back-off.
func (l *life) beatDue(now time.Time) (time.Time, BeatReason) {
	b := &l.beats
	if !b.opened {
		return time.Time{}, b.why
	}
	at, why := b.at, b.why
	if b.nudged && b.outage.count == 0 {
		if ready := b.bucket.ready(now); at.IsZero() || ready.Before(at) {
			at, why = ready, BeatNudge
		}
	}
	if !at.IsZero() && at.Before(b.holdUntil) {
		at = b.holdUntil
	}
	return at, why
}

// startBeat sends a heartbeat. Its body is made here, so every nudge that came
// before is told by it.
func (l *life) startBeat(now time.Time, why BeatReason) {
	b := &l.beats
	if why == BeatNudge {
		b.bucket.spend(now)
	}
	b.nudged, b.at, b.abandonAt = false, time.Time{}, time.Time{}
	body := l.state.Heartbeat(l.client.WorkspaceID())
	generation := l.token.generation
	l.beating.start(l.ctx, l.group, beatCall, l.callTimeout(), func(ctx context.Context) func() {
		_, err := l.client.Heartbeat(ctx, body)
		took := time.Since(now)
		return func() {
			l.beaten(time.Now(), generation, BeatInfo{Reason: why, Start: now, Duration: took, Err: err})
		}
	})
}

// beaten applies the answer to a heartbeat.
func (l *life) beaten(now time.Time, generation int, info BeatInfo) {
	l.metrics.beaten(info)
	if info.Err == nil {
		l.beatAccepted(now)
	} else {
		l.beatFailed(now, generation, info.Err)
	}
	if f := l.trace.Beat; f != nil {
		info.Failures = l.beats.outage.count
		if info.Reason != BeatLast {
			info.Next, _ = l.beatDue(now)
		}
		f(info)
	}
}

func (l *life) beatAccepted(now time.Time) {
	b := &l.beats
	// The wall clock, because the other one stands still while the machine
	// sleeps and the platform's does not.
	gap := !b.accepted.IsZero() && now.Round(0).Sub(b.accepted.Round(0)) > l.ttl
	was, logged := b.outage, b.logged
	b.accepted, b.outage, b.logged, b.alarm = now, outage{}, false, ""
	b.pace.reset()
	l.beatBy(now.Add(l.spread(l.interval)), BeatRegular)
	l.settle()
	if logged {
		l.log.Info("heartbeats are accepted again", slog.Duration("outage", now.Sub(was.since)), slog.Int("failures", was.count))
	}
	if was.count > 0 {
		if f := l.trace.Recovered; f != nil {
			f(RecoveredInfo{Outage: now.Sub(was.since), Rounds: was.count})
		}
	}
	if gap && !l.join.refused {
		// The platform has called the workspace dead in between. A heartbeat
		// makes it online again but does not start the watch anew; only a
		// registration does.
		l.join.wanted = true
		l.joinBy(now)
	} else if was.count > 0 && l.join.wanted {
		l.joinBy(now) // the platform is back
	}
	l.lookForToken(now)
	l.checkAddress(now)
	if was.count > 0 && l.card.wanted {
		l.card.at = now
	}
	l.verifyAfterBeat(now)
}

func (l *life) beatFailed(now time.Time, generation int, err error) {
	b := &l.beats
	l.lastError = err
	b.outage.fail(now)
	kind, retryAfter := classify(err)
	b.kind = kind
	if kind == unauthorized {
		// Nothing is gained by asking sooner: the ladder takes it from here.
		l.beatBy(now.Add(l.spread(l.interval)), BeatRegular)
		l.unauthorized(now, "beat", generation, err)
		return
	}
	wait := l.spread(l.interval)
	if kind.passing() {
		wait = l.wait(&b.pace, now, kind, retryAfter)
	}
	if retryAfter > 0 {
		b.holdUntil = now.Add(wait)
	}
	l.beatBy(now.Add(wait), BeatRetry)
	if kind == unreachable && timedOut(err) && !b.outage.idleClosed && l.transport != nil {
		// The peer may have gone without a word, and other pooled connections
		// with it. Once is enough, and only idle ones: closing more, or more
		// often, makes a stampede of a big fleet.
		b.outage.idleClosed = true
		l.transport.CloseIdleConnections()
	}
	if kind == refused {
		l.verifyAfterBeat(now) // the platform is there, and it is not about the token
	}
	b.logged = true
	do := remedy(kind, err)
	if kind == unreachable {
		if _, tokenErr := l.tokens.Authorization(); tokenErr != nil {
			// The call never left the house.
			do = "the token file cannot be read: mend its path and permissions"
		}
	}
	if b.outage.alarming() {
		b.alarm = "heartbeats fail: " + do
	}
	b.outage.log(l.log, "heartbeat failed", do, slog.Any("error", err), slog.String("kind", kind.String()), slog.Duration("next_beat", wait))
}
