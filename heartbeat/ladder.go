package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// The recovery ladder. A 401 says that the platform did not accept the token
// just now. It may have been rotated while the file lags behind; it may have
// been revoked without a new one; the workspace may be gone; or the platform's
// database is down and the token as good as ever. So nothing is thrown away,
// and one climber goes up, rung by rung:
//
//	1  re-read the file, once more with another token      RoundTripper
//	2  watch the file, beat the moment it changes          tokenChanged, prove
//	3  after a first wait, look at the row                 startLook, looked
//	     removed: the end       asleep: wait, look again   remove, waitAsleep
//	     trouble: back off                                 nextRung
//	4  alive: register with the token in hand              startRegister
//	     a new token: save it, prove it                    minted, prove
//	     accepted: prove the token                         prove
//	     401: another token is the live one: alarm,
//	     slow down, keep watching the file                 lockedOut, nextRung
//	     no address to register with: ask by a verify      cannotRegister
//
// To prove a token is to send a heartbeat with it and then to verify it with a
// call that is refused without a good one: heartbeats are answered 200 to any
// bearer while the workspace has no live token. Only that ends the climb.

// slowest is the longest pause between two rounds once the platform has said
// that some other token is the live one; the interval when that is longer.
const slowest = 30 * time.Second

var errNoToken = errors.New("heartbeat: there is no token")

// tokenCheck is the part of a life that knows whether the token is good.
type tokenCheck struct {
	bearer     string // header value of the token in hand, "" when there is none
	generation int    // counts the tokens, so that late answers find their owner
	known      bool   // the workspace has existed: there was a token, or the platform knew it
	accepted   bool   // the token in hand has been proved

	suspect    bool      // somebody's call stayed 401
	verifyAt   time.Time // when the next verify is due
	verifiedAt time.Time // when the last one was answered
	pace       backoff   // of verifies that fail otherwise

	climbing bool // the token is in question
	proving  bool // there is a new answer to that, not yet proved
	since    time.Time
	rounds   outage
	rungs    backoff
	alarm    string
	pause    time.Duration // at least, after another 401; see lockedOut
}

// unauthorized hears a 401 to a call that was sent with the token of that
// generation.
func (l *life) unauthorized(now time.Time, call string, generation int, err error) {
	t := &l.token
	if generation != t.generation {
		return // about a token that is no longer in hand
	}
	t.accepted = false
	if !t.climbing {
		t.climbing, t.proving, t.since = true, false, now
		t.rounds, t.suspect, t.verifyAt = outage{}, false, time.Time{}
		t.rungs.reset()
		t.rungs.limit = l.interval
		first := l.firstWait()
		l.join.at = now.Add(first + time.Duration(l.random()*float64(first/2)))
		l.lastError = err
		l.log.Warn("the platform does not accept the token; watching the token file",
			slog.String("call", call), slog.Duration("wait", l.join.at.Sub(now)), slog.Any("error", err))
	} else if t.proving {
		t.proving = false
		l.nextRung(now, unauthorized, 0, "the platform does not accept the new token either", err)
	}
	if f := l.trace.Unauthorized; f != nil {
		f(UnauthorizedInfo{Call: call, Since: t.since, Round: t.rounds.count})
	}
}

// prove goes for the proof of the token in hand, which is new or was accepted by
// a registration.
func (l *life) prove(now time.Time) {
	t := &l.token
	t.proving = true
	t.verifyAt = time.Time{} // after the heartbeat
	l.join.at = time.Time{}
	l.beatAtOnce(now)
}

// nextRung puts the next round on the agenda: a look, and what follows from it.
func (l *life) nextRung(now time.Time, kind failure, retryAfter time.Duration, msg string, err error) {
	t := &l.token
	l.lastError = err
	t.rounds.fail(now)
	wait := l.wait(&t.rungs, now, kind, retryAfter)
	if kind == unauthorized {
		wait = max(wait, t.pause)
	}
	l.join.at = now.Add(wait)
	do := t.alarm
	if do == "" {
		do = "see that the platform is well and that it can write the workspace's token file"
	}
	t.rounds.log(l.log, msg, do, slog.Any("error", err), slog.Duration("outage", now.Sub(t.since)), slog.Duration("wait", wait))
}

// keepClimbing sees to it that a climb always has a next step. An answer that
// came too late to count, because the token changed or went away meanwhile, may
// have been the only one.
func (l *life) keepClimbing(now time.Time) {
	t := &l.token
	if t.climbing && !t.proving && l.join.at.IsZero() && !l.errand.busy() {
		l.join.at = now.Add(l.firstWait())
	}
}

// lockedOut notes that nothing the workspace can do brings a token: only the
// one who is told by the alarm can help, so the pace slows down. There is at
// least that pause before the same question is asked again.
func (l *life) lockedOut(alarm string, pause time.Duration) {
	l.token.rungs.limit = max(slowest, l.interval)
	l.token.alarm, l.token.pause = alarm, pause
}

// proved ends the climb: the token in hand is good.
func (l *life) proved(now time.Time) {
	t := &l.token
	t.accepted, t.known = true, true
	if !t.climbing {
		return
	}
	lasted, rounds := now.Sub(t.since), t.rounds.count
	t.climbing, t.proving, t.alarm, t.pause, t.rounds = false, false, "", 0, outage{}
	t.rungs.reset()
	l.join.at = time.Time{}
	if l.join.wanted {
		l.joinBy(now) // owed from before, or the platform has not heard of us since it came back
	}
	if l.card.wanted {
		l.card.at = now
	}
	l.settle()
	l.log.Info("the platform accepts the token again", slog.Duration("outage", lasted), slog.Int("rounds", rounds))
	if f := l.trace.Recovered; f != nil {
		f(RecoveredInfo{Token: true, Outage: lasted, Rounds: rounds})
	}
}

// checkSuspicion makes somebody else's 401 a question to the platform. An own
// call that is under way will answer it; else one verify does, and not more
// often than a storm of 401s deserves: some calls are refused to a good token.
func (l *life) checkSuspicion(now time.Time) {
	t := &l.token
	if !t.suspect || l.beating.busy() || l.errand.busy() || !l.beats.opened {
		return
	}
	t.suspect = false
	switch {
	case t.climbing: // that is the question already
	case t.bearer == "":
		l.unauthorized(now, "", t.generation, errNoToken)
	default:
		t.verifyAt = earlier(t.verifyAt, t.verifiedAt.Add(l.firstWait()))
	}
}

// verifyEvery is the pause between two verifies. It is a little more than the
// interval because verifyAfterBeat brings them forward.
func (l *life) verifyEvery() time.Duration { return l.interval + l.interval/10 }

// verifyAfterBeat is called when a heartbeat was accepted. In a quiet workspace
// one verify follows each regular heartbeat; in a busy one, with heartbeats all
// the time, it comes once per interval as well.
func (l *life) verifyAfterBeat(now time.Time) {
	t := &l.token
	if t.bearer == "" || t.climbing && !t.proving {
		return
	}
	if t.verifyAt.IsZero() || t.verifyAt.Sub(now) < l.interval/5 {
		t.verifyAt = now
	}
}

// verifyDue returns when the next verify is due. It asks nothing while
// heartbeats fail: they will tell when the platform is back.
func (l *life) verifyDue() time.Time {
	t := &l.token
	down := l.beats.outage.count > 0 && l.beats.kind != refused
	if t.bearer == "" || down || t.climbing && !t.proving {
		return time.Time{}
	}
	return t.verifyAt
}

// startVerify makes the one cheap call that no platform answers without a good
// token.
func (l *life) startVerify(now time.Time) {
	generation := l.token.generation
	l.token.verifyAt = time.Time{}
	l.errand.start(l.ctx, l.group, verifyCall, l.callTimeout(), func(ctx context.Context) func() {
		state, err := l.client.State(ctx)
		took := time.Since(now)
		return func() { l.verified(time.Now(), generation, state, VerifyInfo{Start: now, Duration: took, Err: err}) }
	})
}

// verified applies the answer to a verify.
func (l *life) verified(now time.Time, generation int, state *registry.WorkspaceState, info VerifyInfo) {
	t := &l.token
	if info.Err == nil {
		info.Row = state.Status
		l.saw(state.Status)
	}
	if f := l.trace.Verify; f != nil {
		f(info)
	}
	if generation != t.generation {
		return // the new token is proved by a verify of its own
	}
	t.verifiedAt = now
	if info.Err == nil {
		l.verifyAccepted(now, state.Deleted || state.Status == registry.StatusRemoved)
		if l.join.wanted && !asleep(state.Status) {
			l.joinBy(now)
		}
		return
	}
	kind, retryAfter := classify(info.Err)
	// Without an organisation id it is 404 too, and with an empty body.
	gone := errors.Is(info.Err, registry.ErrNotFound) || errors.Is(info.Err, registry.ErrRemoved)
	switch {
	case gone, kind == refused && !errors.Is(info.Err, registry.ErrTenantMismatch):
		// Declined, but not for the token: it has been checked before that.
		l.verifyAccepted(now, gone)
	case t.climbing && !t.proving:
		if l.join.at.IsZero() {
			if kind == unauthorized {
				l.lockedOut("the platform does not accept the token, and the workspace cannot register for another one: "+
					"write the live token into the token file, or issue one and write it there", 2*l.firstWait())
			}
			l.nextRung(now, kind, retryAfter, "the token cannot be verified", info.Err)
		}
	case kind == unauthorized:
		l.unauthorized(now, "verify", generation, info.Err)
	default: // no news of the token
		wait := l.wait(&t.pace, now, kind, retryAfter)
		t.verifyAt = now.Add(wait)
		l.log.Debug("the token could not be verified", slog.Any("error", info.Err), slog.Duration("wait", wait))
	}
}

// verifyAccepted applies the proof of the token. A workspace said to be gone is
// looked at before that is believed.
func (l *life) verifyAccepted(now time.Time, gone bool) {
	t := &l.token
	t.pace.reset()
	t.verifyAt = now.Add(l.verifyEvery())
	l.proved(now)
	if gone {
		l.row = registry.StatusRemoved
		l.join.answered = true // so that the try begins with the look
		l.joinBy(now)
	}
}
