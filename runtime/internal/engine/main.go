// Engine measures the task engine, beside the handler that a2a-go brings:
//
//	go run ./runtime/internal/engine            # all scenes
//	go run ./runtime/internal/engine -check     # and fail when a figure misses its bound
//	go run ./runtime/internal/engine -scene million -tasks 1000000
//
// Scenes: stream (a streamed reply through HTTP on loopback), tasks (whole tasks
// through HTTP), start (a file with many events), million (resident memory over
// many tasks), stall (callers beside one that has stopped reading).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// lab is what the scenes share.
type lab struct {
	ctx    context.Context
	tasks  int
	missed []string
}

// bound notes a figure that misses its bound.
func (l *lab) bound(ok bool, format string, args ...any) {
	if !ok {
		l.missed = append(l.missed, fmt.Sprintf(format, args...))
	}
}

func main() {
	scene := flag.String("scene", "", "run one scene only")
	check := flag.Bool("check", false, "exit 1 when a figure misses its bound")
	tasks := flag.Int("tasks", 100_000, "how many tasks the scene million runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l := &lab{ctx: ctx, tasks: *tasks}
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"stream", l.stream}, {"tasks", l.wholeTasks}, {"start", l.start}, {"million", l.million}, {"stall", l.stall},
	} {
		if *scene != "" && *scene != s.name {
			continue
		}
		fmt.Println("===", s.name)
		if err := s.run(); err != nil {
			fmt.Fprintf(os.Stderr, "engine: %s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
	for _, m := range l.missed {
		fmt.Println("missed:", m)
	}
	if *check && len(l.missed) > 0 {
		os.Exit(1)
	}
}
