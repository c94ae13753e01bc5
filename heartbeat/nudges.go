package heartbeat

import "time"

// How often heartbeats may be sent ahead of time: five at once, then one per
// second. A burst of short tasks becomes a few heartbeats; the last edge is
// always told, because a wish stays until a heartbeat has been sent after it.
const (
	nudgeBurst = 5
	nudgeEvery = time.Second
)

// nudges is the bucket for those. The zero value is full.
type nudges struct {
	// empty is when the bucket was or would have been empty; it holds one nudge
	// for every nudgeEvery since then.
	empty time.Time
}

// ready returns when the next nudge may be spent, at the earliest now.
func (n *nudges) ready(now time.Time) time.Time {
	if at := n.empty.Add(nudgeEvery); at.After(now) {
		return at
	}
	return now
}

// spend takes one nudge out.
func (n *nudges) spend(now time.Time) {
	if full := now.Add(-nudgeBurst * nudgeEvery); n.empty.Before(full) {
		n.empty = full
	}
	n.empty = n.empty.Add(nudgeEvery)
}
