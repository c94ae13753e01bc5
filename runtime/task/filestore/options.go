package filestore

import "time"

// DefaultLockWait is how long [Open] waits for a file that is in use: a process
// that is being replaced by this one may need a moment to let go of it.
const DefaultLockWait = time.Second

// Option changes what [Open] does.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	lockWait time.Duration
}

func newConfig(opts []Option) config {
	c := config{lockWait: DefaultLockWait}
	for _, opt := range opts {
		opt.apply(&c)
	}
	return c
}

// WithLockWait sets how long to wait for a file that is in use. Zero and less:
// not at all. Default: [DefaultLockWait].
func WithLockWait(d time.Duration) Option {
	return optionFunc(func(c *config) { c.lockWait = max(d, 0) })
}
