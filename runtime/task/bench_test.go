package task_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// chunkSize is about what a model streams at a time.
const chunkSize = 20

// chunk is one piece of reply text.
var chunk = []byte("twenty bytes of text")

// write returns a turn that writes n chunks.
func write(n int) task.RunFunc {
	return func(_ context.Context, x *task.Execution) error {
		for range n {
			if _, err := x.WriteText(chunk); err != nil {
				return err
			}
		}
		return nil
	}
}

// stockAgent is the same agent for the handler a2a-go brings.
type stockAgent int

func (n stockAgent) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) ||
			!yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
			return
		}
		var id a2a.ArtifactID
		for i := range int(n) {
			ev := a2a.NewArtifactUpdateEvent(ec, id, a2a.NewTextPart(string(chunk)))
			if i == 0 {
				ev = a2a.NewArtifactEvent(ec, a2a.NewTextPart(string(chunk)))
				id = ev.Artifact.ID
			}
			if !yield(ev, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (stockAgent) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

func stockHandler(n int) a2asrv.RequestHandler {
	return a2asrv.NewHandler(stockAgent(n), a2asrv.WithLogger(slog.New(slog.DiscardHandler)))
}

// BenchmarkStream reads a whole streamed reply; ns/chunk has to be the same
// for every length.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{250, 1000, 4000, 16000} {
		b.Run(fmt.Sprintf("chunks=%d", n), func(b *testing.B) {
			benchmarkStream(b, task.NewEngine(write(n)), n)
		})
	}
}

// BenchmarkStreamStock is the same with the handler of a2a-go, as far as it is
// bearable.
func BenchmarkStreamStock(b *testing.B) {
	for _, n := range []int{250, 1000} {
		b.Run(fmt.Sprintf("chunks=%d", n), func(b *testing.B) {
			benchmarkStream(b, stockHandler(n), n)
		})
	}
}

func benchmarkStream(b *testing.B, h a2asrv.RequestHandler, n int) {
	b.ReportAllocs()
	for b.Loop() {
		size := 0
		for ev, err := range h.SendStreamingMessage(b.Context(), send("go")) {
			if err != nil {
				b.Fatal(err)
			}
			if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
				size += len(up.Artifact.Parts[0].Text())
			}
		}
		if size != n*chunkSize {
			b.Fatalf("read %d bytes of text, want %d", size, n*chunkSize)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/chunk")
}

// BenchmarkTask is a whole task without a stream: submitted, working, one
// artifact, completed.
func BenchmarkTask(b *testing.B) {
	b.Run("engine", func(b *testing.B) { benchmarkTask(b, task.NewEngine(write(1))) })
	b.Run("stock", func(b *testing.B) { benchmarkTask(b, stockHandler(1)) })
}

func benchmarkTask(b *testing.B, h a2asrv.RequestHandler) {
	b.ReportAllocs()
	for b.Loop() {
		res, err := h.SendMessage(b.Context(), send("go"))
		if err != nil {
			b.Fatal(err)
		}
		if state := res.(*a2a.Task).Status.State; state != a2a.TaskStateCompleted {
			b.Fatal(state)
		}
	}
}

// BenchmarkTaskParallel is BenchmarkTask from several callers at once.
func BenchmarkTaskParallel(b *testing.B) {
	for name, h := range map[string]a2asrv.RequestHandler{"engine": task.NewEngine(write(1)), "stock": stockHandler(1)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h.SendMessage(context.Background(), send("go")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkWrite is what a chunk costs the agent, with nobody reading and with
// a hundred readers that have stopped.
func BenchmarkWrite(b *testing.B) {
	for _, readers := range []int{0, 100} {
		b.Run(fmt.Sprintf("stalled=%d", readers), func(b *testing.B) {
			begun, over := make(chan *task.Execution), make(chan struct{})
			e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
				begun <- x
				<-over
				return nil
			})
			req := send("go")
			req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
			if _, err := e.SendMessage(b.Context(), req); err != nil {
				b.Fatal(err)
			}
			x := <-begun
			for range readers {
				next, end := iter.Pull2(e.SubscribeToTask(b.Context(), &a2a.SubscribeToTaskRequest{ID: x.TaskID()}))
				defer end()
				next()
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.WriteText(chunk); err != nil {
					b.Fatal(err)
				}
			}
			close(over)
			if err := e.Drain(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}
