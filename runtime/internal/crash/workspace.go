package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

// chunk is the n-th piece of every reply.
func chunk(n int) string { return fmt.Sprintf("[%d %s]", n, strings.Repeat("ä", n%13)) }

// writer is an agent that writes the same reply to everything, and can go on
// with it.
type writer struct {
	chunks  int
	effects string // directory of the side effects; empty: there are none
}

func (w writer) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	return w.Resume(ctx, turn, reply)
}

func (w writer) Resume(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	written := len(turn.Written())
	for n := range w.chunks {
		text := chunk(n)
		if written >= len(text) {
			written -= len(text)
			continue
		}
		if _, err := reply.WriteString(text[written:]); err != nil {
			return err
		}
		written = 0
		if w.effects != "" && n%20 == 0 {
			if err := effect(ctx, w.effects, turn, n); err != nil {
				return err
			}
		}
		select {
		case <-time.After(500 * time.Microsecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// life is one life of the workspace.
type life struct {
	dir, addr string
	chunks    int
	postgres  bool
	host      string // of Temporal; empty: turns are not durable there
	heartbeat time.Duration
}

// workspace is the process that is killed.
func workspace(ctx context.Context, l life) error {
	opts := []runtime.Option{
		runtime.WithWorkspaceID("11111111-2222-4333-8444-555555555555"),
		runtime.WithPlatformURL("http://127.0.0.1:1"), // there is none, which is no matter here
		runtime.WithConfigDir(l.dir),
		runtime.WithAddr(l.addr),
		runtime.WithMaxAttempts(1 << 20),
		runtime.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))),
	}
	if l.postgres {
		// The same name in every life, and another one in every run.
		store, err := pgstore.Open(ctx, os.Getenv("PGSTORE_DSN"), filepath.Dir(l.dir))
		if err != nil {
			return err
		}
		defer store.Close()
		storing := runtime.WithTaskStore // one process after the other, which need not wait for a lease
		if l.host != "" {
			storing = runtime.WithSharedTaskStore
		}
		opts = append(opts, storing(store))
	}
	w := writer{chunks: l.chunks}
	if l.host != "" {
		w.effects = l.dir
		if l.postgres { // each life has a directory of its own there
			w.effects = filepath.Dir(l.dir)
		}
		opts = append(opts, temporal.Durable(temporal.WithHost(l.host), temporal.WithHeartbeatTimeout(l.heartbeat), temporal.Require()))
	}
	r, err := runtime.New(w, opts...)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
