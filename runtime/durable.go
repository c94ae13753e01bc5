package runtime

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Durability makes turns outlive the process they run in; see [WithDurability].
// Package temporal has one on Temporal. It is for those who bring another: the
// runtime calls the methods in the order in which they stand here, those of the
// [task.Dispatcher] from Start to Close and from several goroutines. If it is a
// [task.Gate] as well, that decides whether new messages are taken.
type Durability interface {
	// Check says what is wrong with the settings, for [New].
	Check() error

	// Start prepares for Dispatch; the tasks are opened after it, and turns that
	// were interrupted are dispatched then. That a service is away is no error,
	// but a matter of Status; an error ends [Runtime.Run].
	Start(ctx context.Context, ws *Workspace) error

	task.Dispatcher

	// Serve lets turns be brought to this process from now on. It returns at
	// once.
	Serve(turns Turns)

	// HandOver is called when the workspace begins to drain, before the turns
	// that run are ended with [ErrShutdown]: none may be brought here any more,
	// so that other processes have them. It returns at once.
	HandOver()

	// Close ends everything Start and Serve have begun. No turn runs any more,
	// but for those of an agent that ignores the end of its context. It has to
	// return soon after the end of ctx: the agent's Close comes after it, and
	// ctx ends after half of the time that is left for both.
	Close(ctx context.Context) error

	// Status says how things are, for /readyz and at any time before and after:
	// why the workspace must not be used, or only what somebody should see to;
	// both are empty when all is well.
	Status() (reason, warning string)
}

// Turns is where a [Durability] brings the turns it has been given: a
// [task.Engine].
type Turns interface {
	RunTurn(ctx context.Context, turn task.DispatchedTurn) error
	CancelTurn(ctx context.Context, turn task.DispatchedTurn) error
}

// WithDurability lets turns outlive the process: each is given to what make
// makes, which brings it to this process or, when this one has died, to another
// or to the next. Turns that had begun go on only with an agent that is a
// [Resumer]. [New] calls make, so that each Runtime has its own though several
// are given the same option. Default, and when make is nil or makes nil: a turn
// runs in the process that has taken its message.
func WithDurability(make func() Durability) Option {
	return optionFunc(func(s *settings) {
		s.durability = nil
		if make != nil {
			s.durability = make()
		}
	})
}

// openDurability makes d ready for the turns that openEngine finds.
func (r *Runtime) openDurability(ctx context.Context, ws *Workspace) error {
	d := r.set.durability
	if d == nil {
		return nil
	}
	if err := d.Start(ctx, ws); err != nil {
		return err
	}
	r.durability = d
	return nil
}

// measureDurability tells whether turns outlive the process until stop is
// called.
func (r *Runtime) measureDurability(mp metric.MeterProvider) (stop func()) {
	m := mp.Meter(scope)
	durable, _ := m.Int64ObservableGauge("workspace.durable", metric.WithUnit("1"),
		metric.WithDescription("1 while new turns are finished by another process when this one dies, 0 while they are not."))
	watch, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		var now int64
		if d := r.set.durability; d != nil {
			if reason, warning := d.Status(); reason == "" && warning == "" {
				now = 1
			}
		}
		o.ObserveInt64(durable, now)
		return nil
	}, durable)
	if err != nil { // a provider that does not take it; there is nothing to end
		return func() {}
	}
	return func() { _ = watch.Unregister() }
}

func (r *Runtime) serveDurability() {
	if r.durability != nil {
		r.durability.Serve(r.engine)
	}
}

func (r *Runtime) handOver() {
	if r.durability != nil {
		r.durability.HandOver()
	}
}

func (r *Runtime) closeDurability(ctx context.Context) error {
	if r.durability == nil {
		return nil
	}
	return r.durability.Close(ctx)
}
