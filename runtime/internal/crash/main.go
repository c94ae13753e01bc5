// Crash kills a workspace with SIGKILL again and again in the middle of
// streaming turns, and holds what its client has read against what the agent
// wrote: byte for byte, no event twice, none missing.
//
//	go run ./runtime/internal/crash -cycles 1000
//
// The workspace is a real process (this program again) with its tasks in a
// file; the client speaks to it over loopback, and after each kill it goes on
// where it was with the id of the last event it has seen.
//
//	.ci/postgres go run ./runtime/internal/crash -postgres -cycles 200
//
// has the tasks in the PostgreSQL server that PGSTORE_DSN names, and nothing else
// that one process leaves to the next, as if that one ran on another machine.
//
//	.ci/temporal go run ./runtime/internal/crash -temporal -heartbeat 2s -cycles 50
//
// makes the turns durable on a real Temporal server, from the binary that
// TEMPORAL_CLI names; they make side effects, too, which are counted. With
// -postgres as well, the process that goes on has nothing of the one that died but
// the two servers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/internal/devserver"
)

func main() {
	cycles := flag.Int("cycles", 1000, "how often to kill the workspace")
	chunks := flag.Int("chunks", 200, "how many chunks a turn writes")
	seed := flag.Uint64("seed", 1, "of the moments at which it is killed")
	postgres := flag.Bool("postgres", false, "keep the tasks in the PostgreSQL server of PGSTORE_DSN")
	durable := flag.Bool("temporal", false, "make turns durable on a Temporal server that is started from TEMPORAL_CLI")
	heartbeat := flag.Duration("heartbeat", 2*time.Second, "with -temporal, the heartbeat timeout")
	host := flag.String("host", "", "the Temporal server's address (used by the program itself)")
	child := flag.String("child", "", "be the workspace, with this directory (used by the program itself)")
	addr := flag.String("addr", "", "where the workspace listens (used by the program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *child != "" {
		if err := workspace(ctx, life{*child, *addr, *chunks, *postgres, *host, *heartbeat}); err != nil {
			slog.Error("workspace", "error", err)
			os.Exit(1)
		}
		return
	}
	if err := parent(ctx, *cycles, *chunks, *seed, *postgres, *durable, *heartbeat); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// parent runs the cycles and prints what came out.
func parent(ctx context.Context, cycles, chunks int, seed uint64, postgres, durable bool, heartbeat time.Duration) error {
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	host := ""
	if durable {
		var stop func()
		if host, stop, err = devserver.Start(ctx, dir); err != nil {
			return err
		}
		defer stop()
	}
	begin := time.Now()
	rnd := rand.New(rand.NewPCG(seed, 0))
	c := newClient(addr, chunks)
	if durable {
		c.fresh = 250 * time.Millisecond
	}
	var recovered []time.Duration
	killed := begin
	for cycle := 0; cycle < cycles; cycle++ {
		home := dir
		if postgres {
			home = filepath.Join(dir, fmt.Sprint("machine-", cycle))
			if err := os.Mkdir(home, 0o700); err != nil {
				return err
			}
		}
		cmd := exec.CommandContext(ctx, os.Args[0], "-child", home, "-addr", addr, "-chunks", fmt.Sprint(chunks), fmt.Sprint("-postgres=", postgres),
			"-host", host, "-heartbeat", heartbeat.String())
		cmd.Stderr = os.Stderr
		started := time.Now()
		c.started, c.midTurn = started, c.task != ""
		from := started
		if durable {
			from = killed
		}
		midTurn := c.midTurn
		if err := cmd.Start(); err != nil {
			return err
		}
		reading, end := context.WithCancel(ctx)
		first := make(chan time.Time, 1)
		done := make(chan error, 1)
		go func() { done <- c.read(reading, first) }()
		early := make(<-chan time.Time) // one in five is killed while it starts
		if rnd.IntN(5) == 0 {
			early = time.After(time.Duration(rnd.IntN(8_000)) * time.Microsecond)
		}
		select {
		case <-early:
		case at := <-first:
			if midTurn || !durable {
				recovered = append(recovered, at.Sub(from))
			}
		case <-time.After(20*time.Second + 5*heartbeat):
			end()
			return fmt.Errorf("cycle %d: nothing was read for long: %w", cycle, <-done)
		case <-ctx.Done():
			end()
			<-done
			return ctx.Err()
		}
		time.Sleep(time.Duration(rnd.IntN(60_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			end()
			return err
		}
		killed = time.Now()
		_ = cmd.Wait()
		end()
		if err := <-done; err != nil {
			return fmt.Errorf("cycle %d: %w", cycle, err)
		}
	}
	if len(recovered) == 0 {
		return errors.New("no turn was interrupted: take more cycles")
	}
	slices.Sort(recovered)
	at := func(p float64) time.Duration {
		return recovered[int(p*float64(len(recovered)-1))].Round(100 * time.Microsecond)
	}
	fmt.Printf("%d kills in %v, %d turns finished, %d events read: no byte differs, no event twice, none missing\n",
		cycles, time.Since(begin).Round(time.Second), c.finished, c.events)
	if durable {
		made, err := countEffects(dir)
		if err != nil {
			return err
		}
		fmt.Printf("%d side effects, none twice; heartbeat timeout %v\n", made, heartbeat)
	}
	what := "process start"
	if durable {
		what = "SIGKILL"
	}
	fmt.Printf(what+" to the next event of the interrupted turn: p50 %v, p99 %v, worst %v\n", at(0.5), at(0.99), at(1))
	return nil
}
