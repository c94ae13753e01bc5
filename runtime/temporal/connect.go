package temporal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// keep looks after the connection for as long as ctx lives.
func (d *durability) keep(ctx context.Context) {
	for failures := 0; ; { // since all was well for a while
		wait, kick := lookInterval, d.kick
		if _, err := d.connected(); err != nil {
			wait, kick = backOff(failures), nil
			failures++
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			if kick != nil {
				failures = 0
			}
		case <-kick:
			timer.Stop()
			if _, err := d.connected(); err != nil && failures > 0 {
				continue // it was well for a moment only
			}
		}
		looking, cancel := context.WithTimeout(ctx, lookPatience)
		err := d.look(looking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		d.settle(err)
	}
}

// backOff is how long to wait after so many failures.
func backOff(failures int) time.Duration {
	wait := min(minBackOff<<min(failures, 10), maxBackOff)
	return wait/2 + rand.N(wait/2)
}

// lookNow lets keep look at once.
func (d *durability) lookNow() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// lost notes that the server has not answered, or not as it should: until the
// next look turns are not given to it.
func (d *durability) lost(err error) {
	d.settle(err)
	d.lookNow()
}

// refused notes that a turn could not be placed. That the server answers is not
// enough from then on.
func (d *durability) refused(err error) {
	d.mu.Lock()
	d.unplaced = true
	d.mu.Unlock()
	d.lost(err)
}

// probe places a turn of no task after one was refused, so that the next turn,
// or with [Require] the next message, is not the one to find out.
func (d *durability) probe(ctx context.Context, c client.Client) error {
	d.mu.Lock()
	unplaced := d.unplaced
	d.mu.Unlock()
	if !unplaced {
		return nil
	}
	if err := d.place(ctx, c, placed{Process: d.process}); err != nil {
		return err
	}
	d.mu.Lock()
	d.unplaced = false
	d.mu.Unlock()
	return nil
}

// settle makes known how things are, and says once in the log what has changed.
func (d *durability) settle(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left {
		return
	}
	known, first := d.away, d.client == nil
	if err == nil {
		d.away = nil
		if known != nil || first {
			d.log.Info("turns are durable from now on", "temporal", d.cfg.client.HostPort, "namespace", d.cfg.client.Namespace)
		}
		return
	}
	d.away = err
	if known != nil && known.Error() == err.Error() {
		return
	}
	consequence := "turns are not durable: they run in this process only"
	if d.cfg.require {
		consequence = "turns cannot be made durable: new messages are refused"
	}
	d.log.Warn(consequence+", until the Temporal server is there", "temporal", d.cfg.client.HostPort, "error", err)
}

// look connects if that was not done before, asks whether the namespace is
// there, and sees to it that there are workers.
func (d *durability) look(ctx context.Context) error {
	d.mu.Lock()
	c := d.client
	d.mu.Unlock()
	if c == nil {
		var err error
		if c, err = client.NewLazyClient(d.cfg.client); err != nil {
			return fmt.Errorf("temporal: %w", err)
		}
		d.mu.Lock()
		d.client = c
		d.mu.Unlock()
	}
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: d.cfg.client.Namespace})
	var unknown *serviceerror.NamespaceNotFound
	switch {
	case errors.As(err, &unknown), forgotten(err):
		return fmt.Errorf("temporal: the server at %s has no namespace %q: create it, or name another in TEMPORAL_NAMESPACE", d.cfg.client.HostPort, d.cfg.client.Namespace)
	case err != nil:
		return fmt.Errorf("temporal: the server at %s does not answer: %w", d.cfg.client.HostPort, err)
	}
	if err := d.employ(c); err != nil {
		return err
	}
	return d.probe(ctx, c)
}

// employ starts the workers, or others in their place when they have given up.
func (d *durability) employ(c client.Client) error {
	d.mu.Lock()
	if d.turns == nil || d.left || d.workers != nil && !d.dead {
		d.mu.Unlock()
		return nil
	}
	former := d.workers
	if d.flows != nil {
		former = append(former, d.flows)
	}
	d.workers, d.flows, d.dead = nil, nil, false
	d.mu.Unlock()
	d.stopAll(former)
	workers := []worker.Worker{d.flowWorker(c), d.turnWorker(c, d.process), d.turnWorker(c, d.queue)}
	for i, w := range workers {
		if err := w.Start(); err != nil {
			d.stopAll(workers[:i])
			return fmt.Errorf("temporal: start the worker: %w", err)
		}
	}
	d.mu.Lock()
	left := d.left
	if !left {
		d.flows, d.workers = workers[0], workers[1:]
	}
	d.mu.Unlock()
	if left {
		d.stopAll(workers)
	}
	return nil
}

// turnWorker makes one that runs the turns of a task queue.
func (d *durability) turnWorker(c client.Client, queue string) worker.Worker {
	w := worker.New(c, queue, worker.Options{
		DisableWorkflowWorker:            true,
		MaxConcurrentActivityTaskPollers: 2,
		// So that no heartbeat is held back: each says that the process lives,
		// and its answer brings cancellations.
		MaxHeartbeatThrottleInterval: d.cfg.heartbeat / 3,
		WorkerStopTimeout:            time.Minute, // turns end with the engine's drain, well before
		OnFatalError:                 d.died,
	})
	d.registerTurns(w)
	return w
}

// flowWorker makes one that runs the workspace's workflows.
func (d *durability) flowWorker(c client.Client) worker.Worker {
	w := worker.New(c, d.queue, worker.Options{
		LocalActivityWorkerOnly:          true, // or it would poll for turns, too
		MaxConcurrentWorkflowTaskPollers: 2,
		// The queue of a process that has died holds workflows up for so long.
		StickyScheduleToStartTimeout: 100 * time.Millisecond,
		OnFatalError:                 d.died,
	})
	d.registerFlow(w)
	return w
}

// died notes that a worker has given up.
func (d *durability) died(err error) {
	d.mu.Lock()
	d.dead = true
	d.mu.Unlock()
	d.lost(fmt.Errorf("temporal: the worker has given up: %w", err))
}
