package heartbeat

import "time"

// windowSeconds is how long a turn's outcome counts.
const windowSeconds = 60

// window counts outcomes of the last 60 seconds in one tally per second, so
// that its size does not depend on how busy the workspace is. Times are offsets
// from a fixed start; the zero window is empty. Not safe for concurrent use.
type window struct {
	tallies  [windowSeconds]tally
	sample   string // text of the newest error
	sampleAt int64  // its second
}

type tally struct {
	second int64 // which second the counts belong to
	turns  uint32
	errors uint32
}

// add counts one outcome; an empty text is a success.
func (w *window) add(at time.Duration, text string) {
	second := int64(at / time.Second)
	b := &w.tallies[second%windowSeconds]
	if b.second != second {
		*b = tally{second: second}
	}
	b.turns++
	if text != "" {
		b.errors++
		w.sample, w.sampleAt = text, second
	}
}

// summary returns the share of errors, 0 when there was no turn, and the newest
// error's text, "" when it is older than the window.
func (w *window) summary(at time.Duration) (rate float64, sample string) {
	oldest := int64(at/time.Second) - windowSeconds + 1
	var turns, errors uint64
	for i := range w.tallies {
		if b := &w.tallies[i]; b.second >= oldest {
			turns += uint64(b.turns)
			errors += uint64(b.errors)
		}
	}
	if w.sampleAt < oldest {
		w.sample = ""
	}
	if turns == 0 {
		return 0, w.sample
	}
	return float64(errors) / float64(turns), w.sample
}
