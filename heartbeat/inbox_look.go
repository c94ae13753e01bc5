package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// settling is how long a completed delegation may be without its result row
// before it is delivered without an answer. The platform marks the delegating
// row first and adds the other one a moment later, or never: it fails to store
// an answer whose preview it has cut inside a character.
const settling = 5 * time.Second

// looks reads the list until ctx ends.
func (b *Inbox) looks(ctx context.Context) {
	pace := backoff{base: min(500*time.Millisecond, b.cfg.Interval/10), limit: b.cfg.Interval}
	var out outage
	if b.cfg.Ready != nil {
		select {
		case <-b.cfg.Ready:
		case <-ctx.Done():
			return
		}
	}
	for ctx.Err() == nil {
		wait, err := b.lookOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if err != nil {
			kind, asked := classify(err)
			out.fail(now)
			out.log(b.log, "the list of delegations cannot be read", remedy(kind, err), slog.Any("error", err), slog.String("kind", kind.String()))
			wait = max(pace.wait(now, kind, b.random()), min(asked, 2*b.cfg.Interval))
			if kind == unauthorized { // the Loop sees to the token, and pokes once it is accepted
				wait = max(wait, b.cfg.Interval)
			}
		} else {
			if out.count > 0 {
				b.log.Info("the list of delegations can be read again", slog.Duration("outage", now.Sub(out.since)), slog.Int("failures", out.count))
			}
			out = outage{}
			pace.reset()
		}
		b.mu.Lock()
		b.status.LastError, b.status.Failures = err, out.count
		if err == nil {
			b.status.LastLook = now
		}
		b.mu.Unlock()
		if !rest(ctx, wait, b.look) {
			return
		}
		// However often it is poked.
		if early := time.Until(b.nudges.ready(time.Now())); early > 0 && !rest(ctx, early, nil) {
			return
		}
		b.nudges.spend(time.Now())
	}
}

// lookOnce reads the list, takes in what is new and returns when to look again.
func (b *Inbox) lookOnce(ctx context.Context) (time.Duration, error) {
	call, cancel := context.WithTimeout(ctx, min(maxCallTimeout, b.cfg.Interval/3))
	rows, err := b.cfg.Client.Delegations(call)
	cancel()
	if err != nil {
		return 0, err
	}
	view := b.reach(ctx, rows)
	found := b.fold(view.rows)
	based, fresh, wait := b.sift(found, view)
	if !based {
		err = b.change(ctx, func(s *inboxState) {
			s.baseline(view.rows, fresh)
			s.see(view)
		})
		return wait, errors.Join(err, view.err)
	}
	if len(fresh) == 0 {
		b.mu.Lock()
		b.state.see(view) // it goes into the file with the next change
		b.mu.Unlock()
		return wait, view.err
	}
	err = b.change(ctx, func(s *inboxState) {
		s.see(view)
		for _, e := range fresh {
			id := e.result.DelegationID
			if s.Done.has(id) || s.waiting(id) >= 0 {
				continue // dismissed in the meantime
			}
			s.Waiting = append(s.Waiting, &waiting{Result: e.result, At: e.at})
			if !b.cfg.Quiet {
				s.addNotice(id, noticeOf(e.result))
			}
		}
	})
	if err != nil {
		return wait, err
	}
	poke(b.hand)
	poke(b.tell)
	return wait, view.err
}

// sift picks what is to be taken in, and says when to look again and whether the
// first look was had before.
func (b *Inbox) sift(found []*ending, v view) (based bool, fresh []*ending, wait time.Duration) {
	wait = b.cfg.Interval - b.cfg.Interval/10 + time.Duration(b.random()*float64(b.cfg.Interval/5))
	unsettled, open := map[string]time.Time{}, map[string]bool{}
	now := time.Now()
	b.mu.Lock()
	based = b.state.Based
	for _, e := range found {
		id := e.result.DelegationID
		if b.state.Done.has(id) || b.state.waiting(id) >= 0 || e.at.Before(b.state.Floor) {
			continue
		}
		if e.result.Status == "" {
			open[id] = true
			continue
		}
		if based && !e.settled {
			since, seen := b.unsettled[id]
			if !seen {
				since = now
			}
			if left := settling - now.Sub(since); left > 0 {
				unsettled[id], open[id] = since, true
				wait = min(wait, left)
				continue
			}
		}
		fresh = append(fresh, e)
	}
	room := maxWaiting - len(b.state.Waiting)
	b.mu.Unlock()
	b.keepOpen(open, unsettled, found, v)
	if based && len(fresh) > room {
		b.log.Error("too many results wait for the agent, the newest are left with the platform, which forgets them in time",
			slog.Int("waiting", maxWaiting), slog.Int("left", len(fresh)-room), slog.String("do", "see why the agent does not answer"))
		for _, e := range fresh[room:] {
			b.open[e.result.DelegationID] = true
		}
		fresh = fresh[:room]
	}
	return based, fresh, wait
}

// baseline is the first look: what has ended is history, and so is all that the
// platform may show later from further back. What still runs is not.
func (s *inboxState) baseline(rows []registry.Delegation, ended []*ending) {
	s.Based = true
	for _, d := range rows {
		if s.Floor.IsZero() || d.CreatedAt.Before(s.Floor) {
			s.Floor = d.CreatedAt
		}
	}
	for _, e := range ended {
		s.Done.add(e.result.DelegationID, e.at)
	}
	s.trim()
}

// ending is how a delegation has ended, put together from its rows.
type ending struct {
	result  Result    // without a status: it has not
	at      time.Time // of its newest row
	rows    int
	settled bool // nothing more is to be expected
}

// fold makes endings of rows, in order of completion as far as the rows tell: a
// failed delegation goes by the time at which it was made.
func (b *Inbox) fold(rows []registry.Delegation) []*ending {
	byID := map[string]*ending{}
	var all []*ending
	foreign := map[string]bool{}
	for _, d := range slices.Backward(rows) { // oldest first
		if !strings.EqualFold(strings.TrimSpace(d.SourceID), b.own) {
			// Whoever can put rows into the list could make the agent act. Such a
			// row is passed over, and hides no row of ours with the same id.
			if foreign[d.ID] = true; !b.foreign[d.ID] {
				b.log.Warn("a delegation of another workspace is in the list, it is not delivered",
					slog.String("source_id", clean(d.SourceID, 64)), slog.String("delegation_id", clean(d.DelegationID, 64)))
			}
			continue
		}
		if d.DelegationID == "" {
			continue // the result row of a failed one: its first row says all
		}
		e := byID[d.DelegationID]
		if e == nil {
			e = &ending{result: Result{DelegationID: d.DelegationID}}
			byID[d.DelegationID] = e
			all = append(all, e)
		}
		e.add(d)
	}
	b.foreign = foreign
	slices.SortStableFunc(all, func(x, y *ending) int { return x.at.Compare(y.at) })
	return all
}

// add takes one row. Either of the two may be the one that says how it ended: a
// delegation that was queued ends in its second row, one that failed in its
// first.
func (e *ending) add(d registry.Delegation) {
	e.rows++
	if d.CreatedAt.After(e.at) {
		e.at = d.CreatedAt
	}
	r := &e.result
	if d.TargetID != "" {
		r.TargetID = clean(d.TargetID, 64)
	}
	switch d.Status {
	case registry.DelegationCompleted:
		if r.Status == registry.DelegationCompleted && d.ResponsePreview == "" && r.Response != "" {
			return
		}
		e.settled = e.rows > 1 || d.ResponsePreview != ""
		r.Status, r.Error = d.Status, ""
		r.Response = clean(d.ResponsePreview, MaxReason)
		r.Summary = clean(d.Summary, MaxLabel)
	case registry.DelegationFailed:
		if r.Status == registry.DelegationCompleted {
			return
		}
		e.settled = true
		r.Status = d.Status
		r.Summary, r.Error = clean(d.Summary, MaxLabel), clean(d.Error, MaxReason)
	}
}
