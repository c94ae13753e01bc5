// Command rotate measures how long a workspace is not whole after its token was
// rotated: from the token file being written to the next accepted heartbeat.
//
// It runs one Loop with a token file on disk against a platform on loopback,
// and rotates the token again and again, the way the platform's provisioner
// does: all tokens are revoked, one is issued, and the file is written later,
// in place. A heartbeat meets the 401 in between.
//
//	go run ./heartbeat/internal/rotate           40 rotations
//	go run ./heartbeat/internal/rotate -torn     the file is written in two halves
//	go run ./heartbeat/internal/rotate -check    exit 1 when a promise is broken
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const workspace = "5f0c2a9e-1111-4222-8333-444455556666"

// The promises.
const (
	mostTime  = 100 * time.Millisecond // p99
	mostExtra = 3                      // requests per rotation beyond the normal heartbeat
)

func main() {
	n := flag.Int("n", 40, "number of rotations")
	lag := flag.Duration("lag", 700*time.Millisecond, "the file is written up to this long after the rotation")
	torn := flag.Bool("torn", false, "write the file in two halves, 5 ms apart")
	check := flag.Bool("check", false, "exit 1 when a promise is broken")
	verbose := flag.Bool("v", false, "log what the Loop says")
	flag.Parse()

	r, err := measure(context.Background(), *n, *lag, *torn, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rotate:", err)
		os.Exit(1)
	}
	fmt.Printf("%d rotations, file up to %v late, torn: %v\n", *n, *lag, *torn)
	fmt.Printf("file written -> heartbeat accepted   p50 %.1f ms   p99 %.1f ms   max %.1f ms\n", ms(r.quantile(0.50)), ms(r.quantile(0.99)), ms(r.quantile(1)))
	fmt.Printf("file written -> token proved         p50 %.1f ms   max %.1f ms\n", ms(quantile(r.proved, 0.50)), ms(quantile(r.proved, 1)))
	fmt.Printf("requests per rotation beyond the heartbeat that met it   most %d   mean %.1f\n", slices.Max(r.extra), mean(r.extra))
	if *check && (r.quantile(0.99) >= mostTime || slices.Max(r.extra) > mostExtra) {
		fmt.Fprintf(os.Stderr, "rotate: promised are under %v at p99 and at most %d requests\n", mostTime, mostExtra)
		os.Exit(1)
	}
}

// result has one entry per rotation.
type result struct {
	whole  []time.Duration // file written to accepted heartbeat
	proved []time.Duration // file written to proved token
	extra  []int
}

func (r *result) quantile(q float64) time.Duration { return quantile(r.whole, q) }

// events are what the Loop's trace told last.
type events struct {
	mu      sync.Mutex
	changed chan struct{}
	beats   []time.Time // ends of accepted heartbeats
	refused int         // heartbeats answered 401
	proofs  []time.Time // ends of accepted verifies
}

func (e *events) add(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// await waits until ok, which is called under the lock.
func (e *events) await(ctx context.Context, ok func() bool) error {
	for {
		e.mu.Lock()
		done, changed := ok(), e.changed
		e.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func measure(ctx context.Context, n int, lag time.Duration, torn, verbose bool) (*result, error) {
	dir, err := os.MkdirTemp("", "rotate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	platform, err := registrytest.Start(registrytest.WithAnyURL())
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	row := platform.AddWorkspace(workspace)

	log := slog.New(slog.DiscardHandler)
	if verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	seen := &events{changed: make(chan struct{})}
	path := filepath.Join(dir, ".auth_token")
	loop, err := newLoop(platform, path, seen, log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(n)*5*time.Second+10*time.Second, fmt.Errorf("the workspace does not recover"))
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { _ = loop.Run(ctx) })
	if err := seen.await(ctx, func() bool { return len(seen.beats) > 0 }); err != nil {
		return nil, err
	}

	var r result
	how := registrytest.Rotation{Path: path}
	if torn {
		how.Torn = 5 * time.Millisecond
	}
	for range n {
		// Beyond the rest between two rotations, so that heartbeats asked for
		// are sent at once and stragglers are counted where they belong.
		if err := rest(ctx, 1200*time.Millisecond); err != nil {
			return nil, err
		}
		before := len(platform.Requests())
		seen.mu.Lock()
		refused := seen.refused
		// Nothing is accepted between the rotation and the writing of the file,
		// so the next ones after these are the ones to measure.
		beats, proofs := len(seen.beats), len(seen.proofs)
		seen.mu.Unlock()
		how.Lag = lag/10 + time.Duration(rand.Int64N(int64(lag-lag/10)))
		rotated := row.RotateFile(how)
		loop.Beat()
		if err := seen.await(ctx, func() bool { return seen.refused > refused }); err != nil {
			return nil, fmt.Errorf("the heartbeat that should meet the rotation: %w", err)
		}
		<-rotated.Written
		if err := rotated.Err(); err != nil {
			return nil, err
		}
		if err := seen.await(ctx, func() bool { return len(seen.beats) > beats && len(seen.proofs) > proofs }); err != nil {
			return nil, err
		}
		seen.mu.Lock()
		whole, proved := seen.beats[beats], seen.proofs[proofs]
		seen.mu.Unlock()
		if err := rest(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
		// The Loop can be faster than the writer, who looks at the clock last.
		r.whole = append(r.whole, max(0, whole.Sub(rotated.At())))
		r.proved = append(r.proved, max(0, proved.Sub(rotated.At())))
		r.extra = append(r.extra, len(platform.Requests())-before-1)
	}
	return &r, nil
}

func newLoop(platform *registrytest.Platform, path string, seen *events, log *slog.Logger) (*heartbeat.Loop, error) {
	store := platformauth.NewStore(path)
	transport, err := heartbeat.NewRoundTripper(platform.URL(), store, heartbeat.WithBase(platform.Transport()))
	if err != nil {
		return nil, err
	}
	client, err := registry.NewClient(platform.URL(), workspace, registry.WithTransport(transport))
	if err != nil {
		return nil, err
	}
	return heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: client, Transport: transport, Tokens: store, Logger: log,
		Registration: func() heartbeat.Registration { return heartbeat.Registration{URL: "http://localhost:8000"} },
		Trace: &heartbeat.Trace{
			Beat: func(i heartbeat.BeatInfo) {
				seen.add(func() {
					if i.Err == nil {
						seen.beats = append(seen.beats, i.Start.Add(i.Duration))
					} else {
						seen.refused++
					}
				})
			},
			Verify: func(i heartbeat.VerifyInfo) {
				if i.Err == nil {
					seen.add(func() { seen.proofs = append(seen.proofs, i.Start.Add(i.Duration)) })
				}
			},
		},
	})
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	// The smallest value that at least the share q of all does not exceed.
	return sorted[max(0, min(len(sorted)-1, int(q*float64(len(sorted))+0.9999)-1))]
}

func mean(n []int) float64 {
	sum := 0
	for _, v := range n {
		sum += v
	}
	return float64(sum) / float64(len(n))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
