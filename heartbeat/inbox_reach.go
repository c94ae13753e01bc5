package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// What the platform gives at once. Its list of delegations is the newest part of
// its activity of that type: the same rows, with the same ids.
const (
	listRows = 50
	longRows = 500
	fewRows  = 100 // fewer are no longer worth a call of their own
)

// lingering is how many intervals lie between two reads of the long list for the
// sake of delegations that have left the short one before they ended.
const lingering = 10

// view is what one look has seen.
type view struct {
	rows   []registry.Delegation
	newest time.Time // of the short list
	whole  bool      // the platform has, or gives, no more
	err    error     // why the long list could not be read
}

// reach adds to the newest rows those from further back, when something that the
// Inbox has not seen may be there.
func (b *Inbox) reach(ctx context.Context, rows []registry.Delegation) view {
	v := view{rows: rows}
	for _, d := range rows {
		if d.CreatedAt.After(v.newest) {
			v.newest = d.CreatedAt
		}
	}
	b.mu.Lock()
	based, seen := b.state.Based, b.state.Seen
	b.mu.Unlock()
	if len(rows) < listRows {
		v.whole, b.deep = true, time.Now()
		return v
	}
	if !b.hidden(rows, seen) {
		return v
	}
	long, limit, err := b.long(ctx)
	if err != nil {
		v.err = err
		return v
	}
	v.whole, b.deep = true, time.Now()
	if based && len(long) >= limit && !older(long, func(a registry.Activity) time.Time { return a.CreatedAt }, seen) {
		b.log.Error("more delegations have ended between two looks than the platform shows, results are lost",
			slog.Int("rows", limit), slog.Time("seen_until", seen),
			slog.String("do", "look in the platform's canvas at what was delegated, and delegate again what the agent has not heard of"))
	}
	known := make(map[string]bool, len(rows))
	for _, d := range rows {
		known[d.ID] = true
	}
	for _, a := range long {
		if !known[a.ID] {
			v.rows = append(v.rows, rowOf(a))
		}
	}
	return v
}

// hidden reports whether the long list has to be read beside a full short one.
// The first look of a life does not know what was open before it.
func (b *Inbox) hidden(rows []registry.Delegation, seen time.Time) bool {
	if b.deep.IsZero() || !older(rows, func(d registry.Delegation) time.Time { return d.CreatedAt }, seen) {
		return true
	}
	shown, nameless := map[string]bool{}, false
	for _, d := range rows {
		shown[d.DelegationID] = true
		// Which delegation it is that has failed only the other row says.
		nameless = nameless || d.DelegationID == "" && d.CreatedAt.After(seen)
	}
	for id, since := range b.unsettled {
		if !shown[id] && time.Since(since) >= settling {
			return true
		}
	}
	for id := range b.open {
		if !shown[id] && (nameless || time.Since(b.deep) >= lingering*b.cfg.Interval) {
			return true
		}
	}
	return false
}

// older reports whether one of the rows is older than what was seen, so that
// nothing can lie between the two.
func older[T any](rows []T, at func(T) time.Time, seen time.Time) bool {
	for _, r := range rows {
		if at(r).Before(seen) {
			return true
		}
	}
	return false
}

// long reads the activity. It has the tasks and answers in full, so that 500 rows
// may be more than one answer can hold.
func (b *Inbox) long(ctx context.Context) (rows []registry.Activity, limit int, err error) {
	for limit = longRows; ; limit /= 2 {
		call, cancel := context.WithTimeout(ctx, min(maxCallTimeout, b.cfg.Interval/3))
		rows, err = b.cfg.Client.Activities(call, registry.ActivityQuery{Type: registry.ActivityDelegation, Limit: limit})
		cancel()
		if !errors.Is(err, registry.ErrUnexpectedAnswer) || limit/2 < fewRows {
			return rows, limit, err
		}
	}
}

// rowOf is an entry of the activity as the short list has it. The delegating row
// names its delegation in what was asked for, the other one in what came back.
func rowOf(a registry.Activity) registry.Delegation {
	var asked, said struct {
		DelegationID string `json:"delegation_id"`
		Text         string `json:"text"`
	}
	_ = json.Unmarshal(a.Request, &asked) // any JSON, or none
	_ = json.Unmarshal(a.Response, &said)
	d := registry.Delegation{
		ID: a.ID, Type: string(a.Type), SourceID: a.SourceID, TargetID: a.TargetID, Summary: a.Summary, Status: a.Status,
		CreatedAt: a.CreatedAt, DelegationID: asked.DelegationID, Error: a.ErrorDetail, ResponsePreview: said.Text,
	}
	if d.DelegationID == "" {
		d.DelegationID = said.DelegationID
	}
	const shown = 300 // bytes, as the short list has them
	if len(d.ResponsePreview) > shown {
		d.ResponsePreview = d.ResponsePreview[:shown] + "..."
	}
	return d
}

// see notes how far a look has seen, unless something was hidden from it.
func (s *inboxState) see(v view) {
	if v.err == nil && v.newest.After(s.Seen) {
		s.Seen = v.newest
	}
}

// keepOpen notes which delegations had not ended at a look, and which of them
// wait for their result row. Those that the look did not show stay noted.
func (b *Inbox) keepOpen(open map[string]bool, unsettled map[string]time.Time, found []*ending, v view) {
	shown := map[string]bool{}
	for _, e := range found {
		shown[e.result.DelegationID] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.open {
		switch {
		case shown[id], b.state.Done.has(id), b.state.waiting(id) >= 0:
		case !v.whole:
			open[id] = true
			if since, ok := b.unsettled[id]; ok {
				unsettled[id] = since
			}
		default:
			b.log.Warn("a delegation that had not ended is not listed any more, its result will not be known",
				slog.String("delegation_id", clean(id, 64)))
		}
	}
	b.open, b.unsettled = open, unsettled
}
