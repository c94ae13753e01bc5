// Weigh prints what the heavy packages cost an adapter that links them: size,
// start-up, idle memory, and the time of a turn of 100 chunks, with the package
// linked and with it at work. All in one run, the variants taking turns.
//
//	.ci/temporal go run ./runtime/internal/weigh
//
// Without TEMPORAL_CLI, which .ci/temporal sets, Temporal is linked and off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/internal/devserver"
)

// variant is a program and the environment that sets it to work.
type variant struct {
	name    string
	program string                      // below this folder
	env     func(c *collector) []string // nil: nothing more than a workspace needs
	durable bool                        // on a Temporal server
}

var variants = []variant{
	{name: "none", program: "none"},
	{name: "telemetry, off", program: "telemetry"},
	{name: "telemetry, with a collector", program: "telemetry", env: collecting},
	{name: "temporal, off", program: "temporal"},
	{name: "temporal, durable", program: "temporal", durable: true},
	{name: "both, off", program: "both"},
	{name: "both, at work", program: "both", env: collecting, durable: true},
}

func collecting(c *collector) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.server.URL, "OTEL_METRIC_EXPORT_INTERVAL=1000"}
}

const chunks = 100

func main() {
	starts := flag.Int("starts", 20, "how often to start each program")
	rounds := flag.Int("rounds", 20, "how often the programs take turns")
	turns := flag.Int("turns", 20, "turns of each program in a round")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := run(ctx, *starts, *rounds, *turns); err != nil {
		fmt.Fprintln(os.Stderr, "weigh:", err)
		os.Exit(1)
	}
}

// weighed is what is found out about a variant.
type weighed struct {
	variant
	binary string
	host   string          // of Temporal
	up     []time.Duration // process start to first agent card
	idle   float64         // MB resident
	took   []time.Duration // of a turn
	bench  *bench
}

func run(ctx context.Context, starts, rounds, turns int) (err error) {
	dir, err := os.MkdirTemp("", "weigh-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := newCollector()
	defer c.server.Close()
	host, stop, err := devserver.Start(ctx, dir)
	switch {
	case err == nil:
		defer stop()
	case !errors.Is(err, devserver.ErrNoBinary):
		return err
	}
	var all []*weighed
	for _, v := range variants {
		if v.durable && host == "" {
			continue
		}
		w := &weighed{variant: v, binary: filepath.Join(dir, v.program), host: host}
		if err := build(ctx, v.program, w.binary); err != nil {
			return err
		}
		all = append(all, w)
	}
	for range starts {
		for _, w := range all {
			b, took, err := launch(ctx, dir, w.binary, w.environ(c))
			if err != nil {
				return err
			}
			w.up = append(w.up, took)
			if err := b.stop(); err != nil {
				return err
			}
		}
	}
	for _, w := range all {
		if w.bench, _, err = launch(ctx, dir, w.binary, w.environ(c)); err != nil {
			return err
		}
		defer func(b *bench) { err = errors.Join(err, b.stop()) }(w.bench)
	}
	time.Sleep(3 * time.Second) // a few heartbeats, and exports where there are any
	for _, w := range all {
		if w.idle, err = w.bench.resident(); err != nil {
			return err
		}
	}
	for round := range rounds + 1 {
		for _, w := range all {
			for range turns {
				took, err := w.bench.turn(ctx, chunks)
				if err != nil {
					return err
				}
				if round > 0 { // the first one warms up
					w.took = append(w.took, took)
				}
			}
		}
	}
	fmt.Printf("%-30s %10s %24s %12s %34s\n", "", "size", "start to first card", "idle", fmt.Sprintf("a turn of %d chunks", chunks))
	for _, w := range all {
		info, err := os.Stat(w.binary)
		if err != nil {
			return err
		}
		fmt.Printf("%-30s %7.1f MB   p50 %5.1f  max %5.1f ms %9.1f MB   p50 %6.2f  p90 %6.2f ms, %5.2f x\n", w.name, float64(info.Size())/1e6,
			ms(quantile(w.up, .5)), ms(quantile(w.up, 1)), w.idle, ms(quantile(w.took, .5)), ms(quantile(w.took, .9)),
			float64(quantile(w.took, .5))/float64(quantile(all[0].took, .5)))
	}
	fmt.Printf("%d turns of each; the collector took %d bodies of %d bytes together\n", rounds*turns, c.bodies.Load(), c.bytes.Load())
	return nil
}

func (w *weighed) environ(c *collector) []string {
	var env []string
	if w.env != nil {
		env = w.env(c)
	}
	if w.durable {
		env = append(env, "TEMPORAL_HOST="+w.host)
	}
	return env
}

func build(ctx context.Context, program, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary,
		"github.com/molecule-ai/workspace-runtime-go/runtime/internal/weigh/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func quantile(d []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
