// Vitals starts the real binary of examples/echo against a platform on another
// port and prints how it lives: size, start-up, memory, token rotations, an
// outage at boot, a revoked token, and the ways it ends. With -check it exits 1
// when a figure misses its bound.
//
//	go run ./runtime/internal/vitals
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	check := flag.Bool("check", false, "exit 1 when a figure misses its bound")
	starts := flag.Int("starts", 20, "how often to start the binary")
	rotations := flag.Int("rotations", 40, "how often to rotate the token")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	missed, err := run(ctx, *starts, *rotations)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vitals:", err)
		os.Exit(1)
	}
	if *check && missed > 0 {
		fmt.Fprintf(os.Stderr, "vitals: %d figures miss their bounds\n", missed)
		os.Exit(1)
	}
}

// report prints figures and counts those that miss their bound.
type report struct{ missed int }

func (r *report) line(what, figure, bound string, ok bool) {
	mark := "ok"
	if !ok {
		mark = "MISSED"
		r.missed++
	}
	fmt.Printf("%-52s %-44s %-12s %s\n", what, figure, bound, mark)
}

func run(ctx context.Context, starts, rotations int) (missed int, err error) {
	dir, err := os.MkdirTemp("", "vitals-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "echo")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary,
		"github.com/molecule-ai/workspace-runtime-go/examples/echo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build examples/echo: %w", err)
	}
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	r := &report{}
	megabytes := float64(info.Size()) / 1e6
	r.line("stripped static binary", fmt.Sprintf("%.2f MB", megabytes), "< 10 MB", megabytes < 10)

	for _, scene := range []func(context.Context, *report, *lab) error{
		func(ctx context.Context, r *report, l *lab) error { return starting(ctx, r, l, starts) },
		idling,
		func(ctx context.Context, r *report, l *lab) error { return rotating(ctx, r, l, rotations) },
		booting,
		revoked,
		finishing,
		insisting,
	} {
		l, err := newLab(dir, binary)
		if err != nil {
			return r.missed, err
		}
		err = scene(ctx, r, l)
		l.close()
		if err != nil {
			return r.missed, err
		}
	}
	return r.missed, nil
}
