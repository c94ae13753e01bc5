package heartbeat

import (
	"context"
	"log/slog"
	"time"
)

// cardPush is the part of a life that pushes the card by itself, for a
// workspace that cannot be registered: without it the platform would never show
// what the workspace can do.
type cardPush struct {
	stale  bool // the platform does not have the card as it is now
	wanted bool // it is to be pushed by itself
	at     time.Time
	outage outage
	pace   backoff
}

// wantCard puts the push on the agenda.
func (l *life) wantCard(now time.Time) {
	l.card.wanted = true
	l.card.at = now
}

// cardDue returns when the push is due. It waits for the token while that is in
// question.
func (l *life) cardDue() time.Time {
	if !l.card.wanted || l.token.climbing {
		return time.Time{}
	}
	return l.card.at
}

func (l *life) startCard(now time.Time) {
	card := l.ask().Card
	announced, generation := l.join.announced, l.token.generation
	l.card.at = time.Time{}
	l.errand.start(l.ctx, l.group, cardCall, l.callTimeout(), func(ctx context.Context) func() {
		err := l.client.UpdateCard(ctx, card)
		took := time.Since(now)
		return func() {
			l.carded(time.Now(), announced, generation, UpdateCardInfo{Start: now, Duration: took, Err: err})
		}
	})
}

func (l *life) carded(now time.Time, announced, generation int, info UpdateCardInfo) {
	if f := l.trace.UpdateCard; f != nil {
		f(info)
	}
	c := &l.card
	if info.Err == nil {
		c.outage = outage{}
		c.pace.reset()
		if announced == l.join.announced {
			c.stale, c.wanted = false, false
		} else {
			c.at = now.Add(l.firstWait())
		}
		l.settle()
		return
	}
	l.lastError = info.Err
	kind, retryAfter := classify(info.Err)
	c.outage.fail(now)
	if kind == refused {
		// The card itself is not acceptable: wait for another one.
		c.wanted = false
		l.log.Error("the platform refuses the agent card", slog.Any("error", info.Err),
			slog.String("do", "mend the card; it is pushed again when it is announced"))
		return
	}
	wait := l.wait(&c.pace, now, kind, retryAfter)
	c.at = now.Add(wait)
	c.outage.log(l.log, "pushing the agent card failed", remedy(kind, info.Err), slog.Any("error", info.Err), slog.Duration("wait", wait))
	if kind == unauthorized && l.token.bearer != "" {
		l.unauthorized(now, "update-card", generation, info.Err)
	}
}
