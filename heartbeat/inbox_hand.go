package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// hands delivers results, one at a time, until ctx ends. One whose turn failed
// lets the others pass.
func (b *Inbox) hands(ctx context.Context) {
	for ctx.Err() == nil {
		w, wait := b.nextHand(time.Now())
		if w == nil {
			if !rest(ctx, wait, b.hand) {
				return
			}
			continue
		}
		if err := b.handOver(ctx, w); err != nil && ctx.Err() == nil {
			b.log.Error("a result stays undelivered for now", slog.Any("error", err))
		}
	}
}

// nextHand is the next result to be delivered, or how long there is none.
func (b *Inbox) nextHand(now time.Time) (*waiting, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := time.Hour
	for _, w := range b.state.Waiting {
		left := w.again.Sub(now)
		if left <= 0 {
			w.out = true
			return w, 0
		}
		wait = min(wait, left)
	}
	return nil, wait
}

// handOver delivers one result and writes down what came of it. The attempt is
// in the file before it begins: a result that kills the process every time is
// given up too.
func (b *Inbox) handOver(ctx context.Context, w *waiting) error {
	defer func() {
		b.mu.Lock()
		w.out = false
		b.mu.Unlock()
	}()
	if w.Attempts >= b.cfg.Attempts {
		return b.giveUp(ctx, w)
	}
	if err := b.change(ctx, func(*inboxState) { w.Attempts++ }); err != nil {
		return err
	}
	err := b.deliver(ctx, Delivery{Result: w.Result, MessageID: messageID(b.own, w.Result.DelegationID, w.Failed), Attempt: w.Attempts})
	log := b.log.With(slog.String("delegation_id", w.Result.DelegationID), slog.Int("attempt", w.Attempts))
	switch {
	case err == nil:
		log.Debug("a result was delivered")
		return b.change(ctx, func(s *inboxState) { s.finish(s.waiting(w.Result.DelegationID)) })
	case ctx.Err() != nil, errors.Is(err, ErrNotTaken):
		// The turn goes on without us, or never began: the same again later.
		log.Debug("a result was not taken yet", slog.Any("error", err))
		return b.change(ctx, func(*inboxState) {
			w.Attempts--
			w.again = time.Now().Add(b.handWait(0))
		})
	}
	log.Warn("the turn that a result woke the agent for has failed, it is repeated", slog.Any("error", err), slog.Int("attempts", b.cfg.Attempts))
	return b.change(ctx, func(*inboxState) {
		w.Failed++
		w.again = time.Now().Add(b.handWait(w.Failed))
	})
}

// giveUp lets go of a result that no turn could deal with. The user learns of
// it, since nobody else does.
func (b *Inbox) giveUp(ctx context.Context, w *waiting) error {
	r := w.Result
	b.log.Error("a result is given up: every turn that it woke the agent for has failed",
		slog.String("delegation_id", r.DelegationID), slog.Int("attempts", w.Attempts),
		slog.String("do", "see in the log above why the turns failed, and delegate again"))
	err := b.change(ctx, func(s *inboxState) {
		s.finish(s.waiting(r.DelegationID))
		s.addNotice(r.DelegationID, fmt.Sprintf("The result of delegation %s to %s could not be handed to the agent: %d turns failed. It is not tried again.",
			clean(r.DelegationID, 64), target(r), w.Attempts))
		b.status.GivenUp++
	})
	poke(b.tell)
	return err
}

// handWait is how long a result rests after so many failed turns.
func (b *Inbox) handWait(failed int) time.Duration {
	bound := min(time.Second<<min(failed, 10), 5*time.Minute)
	return bound/2 + time.Duration(b.random()*float64(bound/2))
}

// deliver calls the handler. Its panic is a failed turn, not the end.
func (b *Inbox) deliver(ctx context.Context, d Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("heartbeat: Deliver panicked: %v", p)
		}
	}()
	return b.cfg.Deliver(ctx, d)
}
