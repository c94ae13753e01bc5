package runtime

import (
	"context"
	"os"
	goruntime "runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// measureProcess tells of the process until stop is called. A process with many
// workspaces is told of by each. The figures are read when they are asked for.
func measureProcess(mp metric.MeterProvider, since time.Time) (stop func()) {
	m := mp.Meter(scope)
	uptime, _ := m.Float64ObservableGauge("process.uptime", metric.WithUnit("s"),
		metric.WithDescription("Time since Run began."))
	goroutines, _ := m.Int64ObservableUpDownCounter("go.goroutine.count", metric.WithUnit("{goroutine}"),
		metric.WithDescription("Goroutines that live."))
	used, _ := m.Int64ObservableUpDownCounter("go.memory.used", metric.WithUnit("By"),
		metric.WithDescription("Memory that Go's runtime holds and has not given back."))
	resident, _ := m.Int64ObservableUpDownCounter("process.memory.usage", metric.WithUnit("By"),
		metric.WithDescription("Resident memory, where the system tells it (/proc)."))
	watch, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveFloat64(uptime, time.Since(since).Seconds())
		o.ObserveInt64(goroutines, int64(goruntime.NumGoroutine()))
		o.ObserveInt64(used, goMemory())
		if rss, ok := residentMemory(); ok {
			o.ObserveInt64(resident, rss)
		}
		return nil
	}, uptime, goroutines, used, resident)
	if err != nil { // a provider that does not take it; there is nothing to end
		return func() {}
	}
	return func() { _ = watch.Unregister() }
}

// goMemory is what Go's runtime has mapped and not released.
func goMemory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	var n [2]uint64
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			n[i] = s.Value.Uint64()
		}
	}
	return int64(n[0] - n[1])
}

// residentMemory is in bytes; ok is false where the system does not tell.
func residentMemory() (bytes int64, ok bool) {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
