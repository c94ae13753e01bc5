package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// join is the part of a life that registers. Every registration but the first
// is preceded by a look at the row: a workspace that was removed must not be
// created anew, and one that is paused must not be woken.
type join struct {
	wanted     bool      // a registration is owed
	at         time.Time // when the next try, or the look before it, is due
	last       time.Time // when the last try was begun
	answered   bool      // the platform has answered a registration
	registered bool
	refused    bool   // answered 400
	refusedURL string // and that was the address; "" when it may be tried again
	announced  int    // how often Announce was heard
	outage     outage
	pace       backoff
}

// ask returns what to register with.
func (l *life) ask() Registration {
	reg := l.registration()
	if len(reg.Card) == 0 {
		reg.Card = json.RawMessage("{}")
	}
	return reg
}

// mayRegister says that there is an address worth trying.
func (l *life) mayRegister(reg Registration) bool {
	return reg.URL != "" && reg.URL != l.join.refusedURL
}

// joinBy wants a try at a time or earlier, unless the ladder has the say.
func (l *life) joinBy(at time.Time) {
	if !l.token.climbing {
		l.join.at = earlier(l.join.at, at)
	}
}

// announced hears that the card or the address changed.
func (l *life) announced(now time.Time) {
	j := &l.join
	j.announced++
	j.wanted, j.refusedURL = true, ""
	l.card.stale = true
	// A program that announces in a loop must not make a storm of it.
	at := now
	if soon := j.last.Add(l.firstWait()); soon.After(now) {
		at = soon
	}
	l.joinBy(at)
}

// checkAddress notices an address that has changed after a refusal, or that was
// not there before.
func (l *life) checkAddress(now time.Time) {
	if l.join.registered && !l.join.refused {
		return
	}
	if !l.join.at.IsZero() || l.errand.busy() && (l.errand.kind == registerCall || l.errand.kind == lookCall) {
		return // a try is on its way
	}
	if l.mayRegister(l.ask()) {
		l.join.wanted = true
		l.joinBy(now)
	}
}

// startJoin begins a try: with a look at the row, except for the first one.
func (l *life) startJoin(now time.Time) {
	l.join.at, l.join.last = time.Time{}, now
	if l.join.answered || l.token.climbing {
		l.startLook(now)
		return
	}
	l.startRegister(now)
}

// startLook asks for the workspace's row, which is open to everybody.
func (l *life) startLook(now time.Time) {
	l.errand.start(l.ctx, l.group, lookCall, l.callTimeout(), func(ctx context.Context) func() {
		ws, err := l.client.Workspace(ctx, "")
		took := time.Since(now)
		return func() { l.looked(time.Now(), ws, LookInfo{Start: now, Duration: took, Err: err}) }
	})
}

// looked applies what the row says.
func (l *life) looked(now time.Time, ws *registry.Workspace, info LookInfo) {
	if info.Err == nil {
		info.Row = ws.Status
		l.saw(ws.Status)
	}
	if f := l.trace.Look; f != nil {
		f(info)
	}
	switch {
	case info.Err == nil && ws.Status != registry.StatusRemoved:
		l.token.known = true
		if asleep(ws.Status) {
			l.waitAsleep(now)
			return
		}
		l.startRegister(now)
	case info.Err == nil, noSuchWorkspace(info.Err):
		if l.token.known {
			l.remove()
			return
		}
		l.startRegister(now) // never heard of: a registration creates it
	default:
		kind, retryAfter := classify(info.Err)
		l.joinFailed(now, kind, retryAfter, "looking at the workspace failed", info.Err)
	}
}

// saw notes the status of the row. A workspace that was asleep and no longer is
// owes a registration: falling asleep cost it its address and the platform's
// watch. So does one that the platform has given up on, for example because it
// restarted it; heartbeats do not change that.
func (l *life) saw(row string) {
	if (asleep(l.row) && !asleep(row) || row == registry.StatusFailed) && !l.join.refused {
		l.join.wanted = true
	}
	l.row = row
}

// asleep says that somebody has put the workspace to sleep. A registration would
// wake it.
func asleep(row string) bool {
	return row == registry.StatusPaused || row == registry.StatusHibernated
}

// waitAsleep waits for a workspace that somebody has put to sleep: it is looked at
// again every interval and never registered. Whether the token is good can
// still be asked, and a changed card can be pushed by itself.
func (l *life) waitAsleep(now time.Time) {
	l.join.at = now.Add(l.spread(l.interval))
	l.log.Debug("the workspace is asleep, it is not registered", slog.String("row", l.row))
	if l.card.stale {
		l.wantCard(now)
	}
	if l.token.climbing && l.token.bearer != "" {
		l.startVerify(now)
	}
}

// startRegister registers. It runs on the context that outlives Run's: the
// answer may hold a token, the platform shows that only once, and it is saved
// before anything else happens.
func (l *life) startRegister(now time.Time) {
	reg := l.ask()
	if !l.mayRegister(reg) {
		l.cannotRegister(now)
		return
	}
	announced, generation := l.join.announced, l.token.generation
	// With all the time there is, whatever the interval: the platform shows a
	// token once, so an answer that is given up on may lock the workspace out.
	l.errand.start(l.kept, l.group, registerCall, maxCallTimeout, func(ctx context.Context) func() {
		answer, err := l.client.Register(ctx, registry.RegisterRequest{URL: reg.URL, AgentCard: reg.Card})
		took := time.Since(now)
		var minted string
		var saveErr error
		if err == nil && answer.AuthToken != "" {
			minted = answer.AuthToken.Reveal()
			saveErr = l.tokens.Save(minted)
		}
		return func() {
			at := time.Now()
			if minted != "" {
				l.minted(at, minted, saveErr)
			}
			l.registered(at, announced, generation, RegisterInfo{
				URL: reg.URL, Start: now, Duration: took, Minted: minted != "", Err: err,
				Refused: errors.Is(err, registry.ErrBadRequest),
			})
		}
	})
}

// registered applies the answer to a registration.
func (l *life) registered(now time.Time, announced, generation int, info RegisterInfo) {
	defer l.open(now) // heartbeats go on whatever the answer was
	if f := l.trace.Register; f != nil {
		f(info)
	}
	j := &l.join
	if info.Err == nil {
		l.registerAccepted(now, announced, generation, info)
		return
	}
	switch kind, retryAfter := classify(info.Err); {
	case info.Refused:
		j.answered = true
		l.registerRefused(now, info)
	case kind == unauthorized:
		j.answered = true
		l.registerUnauthorized(now, generation, info)
	default:
		l.joinFailed(now, kind, retryAfter, "registration failed", info.Err)
	}
}

// registerUnauthorized applies a 401: a live token exists, and it is not the one
// that was sent.
func (l *life) registerUnauthorized(now time.Time, generation int, info RegisterInfo) {
	t := &l.token
	if generation != t.generation {
		l.joinBy(now) // the token has changed since
		return
	}
	l.lastError = info.Err
	if t.climbing && !t.proving {
		l.lockedOut("the platform has another live token for this workspace: write that one into the token file, "+
			"or issue a new one and write it there, or revoke all of them so that the workspace can register for one",
			// Mostly the file is on its way, and the watch sees it first. To ask
			// again is for the day the live token is revoked.
			min(2*l.interval, max(slowest, l.interval)))
		l.nextRung(now, unauthorized, 0, "the platform does not accept the token in a registration either", info.Err)
	}
	l.unauthorized(now, "register", generation, info.Err)
}

func (l *life) registerAccepted(now time.Time, announced, generation int, info RegisterInfo) {
	j := &l.join
	first := !j.registered
	j.answered, j.registered, j.refused, j.refusedURL = true, true, false, ""
	l.token.known = true
	l.lookForToken(now)
	if l.token.bearer == "" {
		// The platform can fail to issue a token and say nothing but
		// "registered"; the next registration is another chance.
		j.wanted = true
		l.joinFailed(now, unavailable, 0, "registered, but the platform has issued no token", errNoToken)
		return
	}
	j.outage = outage{}
	j.pace.reset()
	if announced == j.announced {
		j.wanted = false
		l.card.stale, l.card.wanted, l.card.at = false, false, time.Time{}
	} else {
		l.joinBy(now.Add(l.firstWait())) // the card changed while it travelled
	}
	l.settle()
	if first || info.Minted {
		l.log.Info("registered", slog.String("url", info.URL), slog.Bool("new_token", info.Minted))
	}
	if l.beats.outage.count > 0 {
		l.beatBy(now, BeatToken) // the platform is back
	}
	switch {
	case l.token.climbing:
		// By this answer the token is good, but only a call that cannot do
		// without it ends the climb.
		if !l.token.proving {
			l.prove(now)
		}
	case info.Minted || generation == l.token.generation:
		// The registration needed the token, or the platform issued it.
		l.token.accepted = true
		l.token.verifyAt = now.Add(l.verifyEvery())
	}
}

// registerRefused applies a 400: the platform does not accept the address (or
// the card). The workspace lives by its heartbeats, and its card is pushed by
// itself.
func (l *life) registerRefused(now time.Time, info RegisterInfo) {
	j := &l.join
	if !j.refused || j.refusedURL != info.URL {
		l.log.Warn("the platform refuses the registration; the workspace lives by its heartbeats and its card is pushed by itself",
			slog.String("url", info.URL), slog.Any("error", info.Err),
			slog.String("do", "nothing on a local platform, which refuses every private address; else advertise an address that the platform can reach"))
	}
	j.refused, j.refusedURL, j.registered = true, info.URL, false
	l.cannotRegister(now)
}

// cannotRegister goes on without a registration, because there is no address or
// because the one there is was refused.
func (l *life) cannotRegister(now time.Time) {
	j := &l.join
	j.wanted, j.outage = false, outage{}
	j.pace.reset()
	if l.card.stale {
		l.wantCard(now)
	}
	l.settle()
	if !l.token.climbing {
		return
	}
	if l.token.bearer == "" {
		l.lockedOut("the workspace has no token and cannot register for one: "+
			"write its token into the token file, or advertise an address that the platform accepts", 2*l.firstWait())
		l.nextRung(now, unauthorized, 0, "there is no token and no way to register for one", errNoToken)
		return
	}
	l.startVerify(now) // the only other question whose answer depends on the token
}

// joinFailed puts the next try on the agenda.
func (l *life) joinFailed(now time.Time, kind failure, retryAfter time.Duration, msg string, err error) {
	l.lastError = err
	if l.token.climbing {
		if !l.token.proving {
			l.nextRung(now, kind, retryAfter, msg, err)
		}
		return
	}
	j := &l.join
	j.outage.fail(now)
	wait := l.wait(&j.pace, now, kind, retryAfter)
	j.at = now.Add(wait)
	j.outage.log(l.log, msg, remedy(kind, err), slog.Any("error", err), slog.String("kind", kind.String()), slog.Duration("wait", wait))
}
