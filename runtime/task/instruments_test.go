package task_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// meter is what has been counted: by the name of the metric, and the outcome if
// it has one. What is 0 is not in it.
type meter struct{ reader *metric.ManualReader }

func newMeter() (meter, task.Option) {
	m := meter{metric.NewManualReader()}
	return m, task.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(m.reader)))
}

// want checks what is counted of turns.
func (m meter) want(t testing.TB, want map[string]int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			sum, ok := metric.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				outcome, _ := point.Attributes.Value("outcome")
				switch {
				case point.Value == 0:
				case metric.Name == "workspace.turns":
					got[outcome.AsString()] = point.Value
				case metric.Name == "workspace.turns.active", metric.Name == "workspace.turns.queued":
					got[metric.Name[len("workspace.turns."):]] = point.Value
				}
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// TestATurnThatWaitsForItsDispatcherIsQueued: it does nothing yet.
func TestATurnThatWaitsForItsDispatcherIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, opt := newMeter()
		o, g := newOffice(), newGate()
		e, kill := newDisk().live(t, g.run, task.WithDispatcher(o), opt)
		defer kill()
		start(t, e, send("hi"))
		turn := <-o.turns
		other := start(t, e, send("hi")).ID
		synctest.Wait()
		m.want(t, map[string]int64{"queued": 2})
		over := bring(t.Context(), e, turn)
		<-g.begun
		m.want(t, map[string]int64{"queued": 1, "active": 1})
		if _, err := cancel(t.Context(), e, other); err != nil {
			t.Error(err)
		}
		close(g.open)
		if err := <-over; err != nil {
			t.Error(err)
		}
		drain(t, e)
		m.want(t, map[string]int64{"completed": 1, "canceled": 1})
	})
}

// TestATurnThatEndsBeforeItBeginsIsCounted: in the queue, or because its process
// was killed.
func TestATurnThatEndsBeforeItBeginsIsCounted(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	t.Run("in the queue", func(t *testing.T) {
		for name, durable := range map[string]bool{"and fails": false, "and goes on": true} {
			t.Run(name, func(t *testing.T) {
				m, opt := newMeter()
				g := newGate()
				opts := []task.Option{opt, task.WithLimits(task.Limits{MaxRunning: 1})}
				e, want := task.NewEngine(g.run, opts...), map[string]int64{"canceled": 1, "shutdown": 2}
				if durable {
					var kill func()
					e, kill = newDisk().live(t, g.run, opts...)
					defer kill()
					want = map[string]int64{"canceled": 1, "interrupted": 1, "shutdown": 1}
				}
				start(t, e, send("runs"))
				<-g.begun
				canceled := start(t, e, send("is canceled")).ID
				start(t, e, send("waits"))
				if _, err := cancel(t.Context(), e, canceled); err != nil {
					t.Error(err)
				}
				m.want(t, map[string]int64{"active": 1, "queued": 1, "canceled": 1})
				wantError(t, e.Drain(ended), context.Canceled)
				m.want(t, want)
			})
		}
	})
	t.Run("after a crash", func(t *testing.T) {
		d, g := newDisk(), newGate()
		e, kill := d.live(t, g.run)
		id := start(t, e, send("hi")).ID
		<-g.begun
		get(t, e, id)
		kill()
		m, opt := newMeter()
		e, kill = d.live(t, g.run, opt)
		defer kill()
		get(t, e, id)
		m.want(t, map[string]int64{"failed": 1})
	})
}
