package pgstore

import (
	"log/slog"
	"time"
)

// DefaultCallTimeout is how long a call waits for the server's answer.
const DefaultCallTimeout = 10 * time.Second

// Option changes what [Open] does.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	timeout time.Duration
	log     *slog.Logger
}

func newConfig(opts []Option) config {
	c := config{timeout: DefaultCallTimeout, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt.apply(&c)
	}
	return c
}

// WithCallTimeout sets how long each try of a call may take, the wait for a free
// connection among it, so that a server that has gone without a word holds up
// nobody for ever. Zero and less: as long as the caller's context allows.
// Default: [DefaultCallTimeout].
func WithCallTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout = d })
}

// WithLogger sets where it is said that notifications have stopped and come
// again; nothing else is logged. Default and nil: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) {
		if l != nil {
			c.log = l
		}
	})
}
