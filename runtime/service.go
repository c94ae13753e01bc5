package runtime

import (
	"context"
	"fmt"
	"sync"
)

// Service runs beside the workspace: it is started once the workspace serves,
// and its context ends when the last turn has ended. Its error is logged; it
// ends nothing but the service.
type Service func(ctx context.Context, ws *Workspace) error

// WithService adds a service, such as another way to the agent's tools; name is
// for the log. Given several times, all run.
func WithService(name string, run Service) Option {
	return optionFunc(func(s *settings) { s.services = append(s.services, service{name, run}) })
}

type service struct {
	name string
	run  Service
}

// startServices starts what [WithService] has added; stop ends it and waits.
func (r *Runtime) startServices(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // turns use them while they finish
	var running sync.WaitGroup
	for _, s := range r.set.services {
		running.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					r.log.Error("a service has panicked and is stopped", "service", s.name, "panic", fmt.Sprint(v))
				}
			}()
			if err := s.run(ctx, r.workspace); err != nil && ctx.Err() == nil {
				r.log.Error("a service has stopped", "service", s.name, "error", err)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}
