package runtime

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Service runs beside the workspace: it is started once the workspace serves,
// and its context ends when the last turn has ended. It returns then; one that
// does not is left behind at the drain deadline, which the log says. Its error
// is logged; it ends nothing but the service.
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

// startServices starts what [WithService] has added; stop ends it and waits, for
// as long as the drain allows: a service that ignores the end of its context
// must not cost the platform its last heartbeat and the agent its Close.
func (r *Runtime) startServices(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // turns use them while they finish
	over := make([]chan struct{}, len(r.set.services))
	for i, s := range r.set.services {
		over[i] = make(chan struct{})
		go func() {
			defer close(over[i])
			defer func() {
				if v := recover(); v != nil {
					r.log.Error("a service has panicked and is stopped", "service", s.name, "panic", fmt.Sprint(v))
				}
			}()
			if err := s.run(ctx, r.workspace); err != nil && ctx.Err() == nil {
				r.log.Error("a service has stopped", "service", s.name, "error", err)
			}
		}()
	}
	return sync.OnceFunc(func() {
		cancel()
		deadline, end := context.WithDeadline(context.WithoutCancel(ctx), later(r.mustEnd.Add(-r.lastWait()), time.Now().Add(lastAnswers)))
		defer end()
		for i, s := range r.set.services {
			select {
			case <-over[i]:
				continue
			case <-deadline.Done():
			}
			select {
			case <-over[i]:
			default:
				r.log.Error("a service has not stopped in time and is left behind", "service", s.name)
			}
		}
	})
}
