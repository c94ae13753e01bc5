package heartbeat

// SetRandom replaces the source of jitter, so that a test can have the same
// life twice. Call it before Run.
func (l *Loop) SetRandom(f func() float64) { l.random = f }
