package heartbeat

import (
	"context"
	"log/slog"
	"time"
)

// saving is the part of a life that gets a token onto the disk which the
// platform has issued and the store could not write.
type saving struct {
	token  string // what is still to be written; "" when nothing is
	at     time.Time
	outage outage
	pace   backoff
	alarm  string
}

// readBearer returns the header value of the token in hand, "" when there is
// none. It is only ever compared.
func (l *life) readBearer() string {
	value, err := l.tokens.Authorization()
	if err != nil {
		l.lastError = err
		l.log.Warn("the token cannot be read", slog.Any("error", err))
		return l.token.bearer
	}
	if len(value) == 0 {
		return ""
	}
	return value[0]
}

// tokenChanged makes the workspace whole with another token: a heartbeat at
// once, whatever its back-off says, and then a call that proves the token.
// What is under way with the old token is not waited for, except a
// registration, whose answer may hold a token too.
func (l *life) tokenChanged(now time.Time) {
	t := &l.token
	bearer := l.readBearer()
	if bearer == t.bearer {
		return
	}
	t.bearer = bearer
	t.generation++
	t.accepted, t.verifyAt = false, time.Time{}
	if bearer == "" {
		// The file is gone, or it is being written this moment. Heartbeats may
		// well be accepted without a token, so nothing else would tell.
		l.unauthorized(now, "", t.generation, errNoToken)
		return
	}
	t.known = true
	l.log.Info("the token changed, a heartbeat goes out at once")
	if l.errand.busy() {
		switch l.errand.kind {
		case lookCall, verifyCall:
			l.errand.drop()
		case cardCall:
			l.errand.drop()
			l.card.at = now
		}
	}
	if t.climbing {
		l.prove(now)
		return
	}
	l.beatAtOnce(now)
}

// lookForToken reads the token again while there is none: one that could not be
// read at first need not make itself known by a change.
func (l *life) lookForToken(now time.Time) {
	if l.token.bearer == "" {
		l.tokenChanged(now)
	}
}

// beatAtOnce sends a heartbeat for a reason that no back-off may delay. Only the
// platform itself can, by a Retry-After.
func (l *life) beatAtOnce(now time.Time) {
	l.beats.at, l.beats.why = now, BeatToken
	if l.beating.busy() {
		l.beats.abandonAt = now.Add(patience)
	}
}

// minted hears of a token that the platform issued in answer to a registration;
// it has been given to the store already.
func (l *life) minted(now time.Time, token string, saveErr error) {
	l.log.Info("the platform issued a token")
	l.tokenChanged(now)
	l.saved(now, token, saveErr, false)
}

// startSave tries to write the token again.
func (l *life) startSave(now time.Time) {
	s := &l.save
	s.at = time.Time{}
	token := s.token
	if l.tokens.Persisted() {
		// Somebody else has written a token since: that one is newer.
		l.saveDone()
		return
	}
	l.errand.start(l.kept, l.group, saveCall, l.callTimeout(), func(context.Context) func() {
		err := l.tokens.Save(token)
		return func() { l.saved(time.Now(), token, err, true) }
	})
}

// saved applies what became of a try to write a token.
func (l *life) saved(now time.Time, token string, err error, again bool) {
	if f := l.trace.TokenSaved; f != nil {
		f(TokenSavedInfo{Err: err, Again: again})
	}
	s := &l.save
	if err == nil {
		if again {
			l.log.Info("the token is saved at last", slog.Duration("outage", now.Sub(s.outage.since)))
		}
		l.saveDone()
		return
	}
	l.lastError = err
	if l.tokens.Persisted() {
		// Not kept in memory either: the store does not take it for a token.
		l.log.Error("the token that the platform issued is not acceptable", slog.Any("error", err),
			slog.String("do", "check what answers at the platform's URL"))
		l.saveDone()
		return
	}
	s.token = token
	s.outage.fail(now)
	wait := l.wait(&s.pace, now, unavailable, 0)
	s.at = now.Add(wait)
	const do = "make the directory of the token file writable: the platform shows a token only once, and a restart would lose this one"
	s.alarm = "the workspace's token is not on disk: " + do
	s.outage.log(l.log, "saving the token failed, it is kept in memory", do, slog.Any("error", err), slog.Duration("wait", wait))
}

func (l *life) saveDone() {
	l.save = saving{pace: l.save.pace}
	l.save.pace.reset()
	l.settle()
}
