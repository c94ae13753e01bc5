package task_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// What the stock handler of a2a-go is known to do wrong, done right here. One
// test for each. What is wrong with its front end for version 0.3 is held against
// package jsonrpc by its TestAPart03KeyedByTypeIsAccepted (there: refused) and
// TestAPushConfigWithoutAMessageIs32602 (there: a nil pointer, a stream that hangs,
// and errors as text/plain), and by TestTheCoreIsLight in the module's root (there:
// it links grpc).

// There: a null part in a follow-up message ends the process.
func TestDefectNullPartEndsTheProcess(t *testing.T) {
	e := task.NewEngine(travel)
	defer drain(t, e)
	asked := finish(t, e, send("a trip"))
	wantState(t, asked, a2a.TaskStateInputRequired)
	for _, parts := range []a2a.ContentParts{nil, {}, {nil}, {a2a.NewTextPart("x"), nil}, {{}}} {
		req := reply(asked.ID, "Oslo")
		req.Message.Parts = parts
		_, err := e.SendMessage(t.Context(), req)
		wantError(t, err, a2a.ErrInvalidParams, "parts")
	}
	wantState(t, finish(t, e, reply(asked.ID, "Oslo")), a2a.TaskStateCompleted)
}

// There: the panic of an agent that is canceled is swallowed, and the caller of
// the cancellation is told nothing.
func TestDefectPanicOfACanceledAgentIsSwallowed(t *testing.T) {
	log := &logged{}
	begun := make(chan a2a.TaskID, 1)
	e := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		begun <- x.TaskID()
		<-ctx.Done()
		panic("at the wrong moment")
	}, task.WithLogger(log.logger()))
	start(t, e, send("hi"))
	got, err := cancel(t.Context(), e, <-begun)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, got, a2a.TaskStateCanceled)
	drain(t, e)
	wantLogged(t, log, "panicked", "at the wrong moment")
}

// There: a reader that stops stalls the agent, and the next subscriber to that
// task stalls every other caller.
func TestDefectSlowReaderFreezesTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const chunks = 400
		e := task.NewEngine(write(chunks))
		next, end := iter.Pull2(e.SendStreamingMessage(t.Context(), send("hi")))
		ev, _, _ := next()
		synctest.Wait() // the agent has got to its end, or is stuck
		id := ev.TaskInfo().TaskID
		wantState(t, get(t, e, id), a2a.TaskStateCompleted)
		if got := watch(t, e, id, 0); len(got) != 1 {
			t.Errorf("the subscriber got %v", got)
		}
		for range 10 {
			finish(t, e, send("another"))
		}
		end()
		drain(t, e)
	})
}

// There: an agent that returns without a final event leaves the caller waiting
// for ever, and three goroutines behind.
func TestDefectNoFinalEventHangsTheCaller(t *testing.T) {
	for _, agent := range []task.RunFunc{
		func(context.Context, *task.Execution) error { return nil },
		func(context.Context, *task.Execution) error { return errors.New("no") },
		answer("half"),
	} {
		synctest.Test(t, func(t *testing.T) { // which fails when a goroutine is left
			e := task.NewEngine(agent)
			for range 20 {
				if got := finish(t, e, send("hi")); !got.Status.State.Terminal() {
					t.Errorf("the task is %s", got.Status.State)
				}
			}
		})
	}
}

// There: each chunk copies the whole task, so that 1,000 chunks make a gigabyte
// of garbage.
func TestDefectStreamingIsQuadratic(t *testing.T) {
	perChunk := func(chunks int) float64 {
		e := task.NewEngine(write(chunks))
		defer drain(t, e)
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		n := 0
		for _, err := range e.SendStreamingMessage(t.Context(), send("hi")) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		goruntime.ReadMemStats(&after)
		if n != chunks+3 {
			t.Fatalf("%d events, want %d", n, chunks+3)
		}
		return float64(after.TotalAlloc-before.TotalAlloc) / float64(chunks)
	}
	small, large := perChunk(1000), perChunk(16_000)
	if large > 1.5*small || large > 2000 {
		t.Errorf("%.0f bytes per chunk for 1,000 chunks, %.0f for 16,000", small, large)
	}
}

// There: gob decides what a message may carry. What an agent may emit is in
// TestAgentMayEmitAnyJSON.
func TestDefectGobDecidesWhatAMessageMayBe(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	req := send("hi")
	req.Message.Metadata = map[string]any{"n": uint(1), "s": struct{ X int }{1}, "m": map[string]string{}}
	wantState(t, finish(t, e, req), a2a.TaskStateCompleted)
}

// There: errors are chains of internals.
func TestDefectErrorsAreChainsOfInternals(t *testing.T) {
	e := task.NewEngine(func(context.Context, *task.Execution) error { panic("internals") }, task.WithLimits(task.Limits{MaxQueued: -1, MaxRunning: 1}))
	var errs []error
	keep := func(_ any, err error) { errs = append(errs, err) }
	failed := finish(t, e, send("hi"))
	keep(e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "nobody"}))
	keep(cancel(t.Context(), e, failed.ID))
	keep(e.SendMessage(t.Context(), &a2a.SendMessageRequest{}))
	keep(e.ListTasks(t.Context(), &a2a.ListTasksRequest{PageToken: "?"}))
	keep(e.ListTaskPushConfigs(t.Context(), nil))
	drain(t, e)
	keep(e.SendMessage(t.Context(), send("hi")))
	for _, err := range errs {
		var said *a2a.Error
		if !errors.As(err, &said) || len(said.Details) > 0 || len(said.TypedDetails) > 0 || said.Err == nil {
			t.Errorf("%v is no plain *a2a.Error", err)
		}
		for _, internal := range []string{"failed to", ".go:", "goroutine", "internals"} {
			if strings.Contains(err.Error(), internal) {
				t.Errorf("error %q says %q", err, internal)
			}
		}
	}
	if text := jsonOf(t, failed); strings.Contains(text, "internals") || strings.Contains(text, ".go") {
		t.Errorf("the task shows internals: %s", text)
	}
}

// There: every request derives a logger and draws an id for it, also when
// nobody reads the log.
func TestDefectLoggingCostsWhenOff(t *testing.T) {
	e := task.NewEngine(echo, task.WithLogger(slog.New(silent{t})))
	defer drain(t, e)
	finish(t, e, send("hi"))
}

// silent is a log that is off, and wants to be left alone.
type silent struct{ t testing.TB }

func (silent) Enabled(context.Context, slog.Level) bool { return false }

func (s silent) Handle(context.Context, slog.Record) error {
	s.t.Error("a line was made for a log that is off")
	return nil
}

func (s silent) WithAttrs([]slog.Attr) slog.Handler {
	s.t.Error("a logger was derived")
	return s
}

func (s silent) WithGroup(string) slog.Handler {
	s.t.Error("a logger was derived")
	return s
}

// There: a subscriber to a finished task gets an error in the stream, a message
// to one gets "invalid params", and a list without a user is refused.
func TestDefectFinishedTasksAreErrors(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	done := finish(t, e, send("hi"))
	if got := watch(t, e, done.ID, 0); len(got) != 1 || !strings.Contains(got[0], "COMPLETED") {
		t.Errorf("the subscriber got %v", got)
	}
	req := send("more")
	req.Message.TaskID = done.ID
	_, err := e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrUnsupportedOperation)
	if got := listed(t, e, nil); len(got) != 1 {
		t.Errorf("listed %v", got)
	}
}
