package heartbeat

import "time"

// backoff paces the repeats of one failing call. The wait is drawn between a
// fifth of base and a bound, and the bound is the time for which calls have
// failed in this way, at least base and at most limit. So waits grow by half
// on average, a fleet that lost its platform together comes back spread out,
// and no outage is ever made more than twice as long:
//
//	down for     next try within
//	0 s          0.5 s
//	2 s          2 s
//	5 s          5 s
//	30 s, 1 h    30 s (the interval)
//
// Each kind of failure counts for itself: the first 503 after a refused
// connection means that the platform is coming back, and is worth a quick try.
// Kinds that alternate do not start anew each time, so that they cannot make a
// storm. The zero value with base and limit set is ready.
type backoff struct {
	base, limit time.Duration
	steady      bool                    // draw from the upper half: fewer tries instead of a wide spread
	first       [failureKinds]time.Time // when each kind was first seen in this outage
}

// wait returns how long to wait after a failure at now; random is in [0, 1).
func (b *backoff) wait(now time.Time, kind failure, random float64) time.Duration {
	if b.first[kind].IsZero() {
		b.first[kind] = now
	}
	bound := min(max(now.Sub(b.first[kind]), b.base), b.limit)
	least := min(b.base/5, bound)
	if b.steady {
		least = bound / 2
	}
	return least + time.Duration(random*float64(bound-least))
}

// reset forgets the outage.
func (b *backoff) reset() { b.first = [failureKinds]time.Time{} }
