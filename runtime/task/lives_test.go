package task_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// disk is what outlives an engine in these tests.
type disk struct{ *task.Memory }

func newDisk() *disk { return &disk{task.NewMemory()} }

// life is one process's use of a disk.
type life struct {
	task.Store
	dead atomic.Bool
	full atomic.Bool
}

var (
	errDead = errors.New("the process is dead")
	errFull = errors.New("the disk is full")
)

func (l *life) Commit(ctx context.Context, ops []task.Op) error {
	if l.dead.Load() {
		return errDead
	}
	if l.full.Load() {
		return errFull
	}
	return l.Store.Commit(ctx, ops)
}

// live opens an engine on a disk. kill ends it the way SIGKILL does: nothing
// more is written, whatever it still does.
func (d *disk) live(t testing.TB, run task.RunFunc, opts ...task.Option) (e *task.Engine, kill func()) {
	t.Helper()
	l := &life{Store: d.Memory}
	e, err := task.Open(t.Context(), l, run, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return e, func() {
		l.dead.Store(true)
		e.Close()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = e.Drain(ended)
	}
}
