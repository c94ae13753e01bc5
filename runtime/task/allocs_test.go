package task_test

import (
	"bytes"
	"context"
	goruntime "runtime"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// held runs do inside a turn that goes on meanwhile.
func held(t testing.TB, do func(e *task.Engine, x *task.Execution)) {
	t.Helper()
	begun, over := make(chan *task.Execution), make(chan struct{})
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		begun <- x
		<-over
		return nil
	})
	start(t, e, send("hi"))
	do(e, <-begun)
	close(over)
	drain(t, e)
}

func TestChunkAllocatesNothing(t *testing.T) {
	held(t, func(_ *task.Engine, x *task.Execution) {
		n := testing.AllocsPerRun(10_000, func() {
			if _, err := x.WriteText(chunk); err != nil {
				t.Error(err)
			}
		})
		if n > 0 {
			t.Errorf("%v allocations for a chunk, want none beyond the growth of the journal", n)
		}
	})
}

// TestSnapshotDoesNotCopyTheText reads a task whose text is long, and goes on
// writing to it.
func TestSnapshotDoesNotCopyTheText(t *testing.T) {
	const length, reads = 1 << 20, 100
	held(t, func(e *task.Engine, x *task.Execution) {
		x.WriteText(bytes.Repeat([]byte("x"), length))
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		for range reads {
			get(t, e, x.TaskID())
		}
		goruntime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / reads; n > length/10 {
			t.Errorf("reading the task allocates %d bytes", n)
		}
		lent := get(t, e, x.TaskID())
		x.WriteText([]byte("more"))
		if n := len(replyText(lent)); n != length {
			t.Errorf("what was read before has %d bytes of text now", n)
		}
	})
}

func TestTaskAllocatesLittle(t *testing.T) {
	e := task.NewEngine(write(1))
	defer drain(t, e)
	n := testing.AllocsPerRun(500, func() {
		if _, err := e.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hi"))}); err != nil {
			t.Error(err)
		}
	})
	if n > 150 {
		t.Errorf("%v allocations for a task, want at most 150 (the stock handler: some thousands)", n)
	}
}
