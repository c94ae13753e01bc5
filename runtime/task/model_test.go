package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// TestModel holds random sequences of everything a caller, an agent and a
// killed process can do against a model of a few lines. MODEL_SEQUENCES sets how
// many, MODEL_SEED where to begin.
func TestModel(t *testing.T) {
	sequences, seed := 300, 1
	if n, err := strconv.Atoi(os.Getenv("MODEL_SEQUENCES")); err == nil {
		sequences = n
	}
	if n, err := strconv.Atoi(os.Getenv("MODEL_SEED")); err == nil {
		seed = n
	}
	for i := range sequences {
		if !t.Run(fmt.Sprint("seed=", seed+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newWorld(t, uint64(seed+i)).play() })
		}) {
			return
		}
	}
}

// modelTask is what a task should be.
type modelTask struct {
	id       a2a.TaskID
	req      *a2a.SendMessageRequest
	context  string
	state    a2a.TaskState
	text     string
	begun    bool // its turn runs
	attempts int
	since    int // when its latest message came
}

// world is an engine, a model of it, and the hand that moves both.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	resume  bool
	disk    *disk
	engine  *task.Engine
	kill    func()
	tasks   []*modelTask
	clock   int
	trail   []string
	readers []*modelReader
	reading sync.WaitGroup

	mu    sync.Mutex
	turns map[a2a.TaskID]chan string // what the running turns are told
}

// modelReader follows a task, in one life or several.
type modelReader struct {
	m    *modelTask
	seq  uint64
	text strings.Builder
	bad  string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), disk: newDisk()}
	w.resume = w.rnd.IntN(2) == 0
	w.open()
	return w
}

func (w *world) open() {
	w.turns = map[a2a.TaskID]chan string{}
	var opts []task.Option
	if w.resume {
		opts = append(opts, task.WithResume(3))
	}
	w.engine, w.kill = w.disk.live(w.t, w.agent(w.turns), opts...)
}

// agent does what it is told.
func (w *world) agent(turns map[a2a.TaskID]chan string) task.RunFunc {
	return func(ctx context.Context, x *task.Execution) error {
		orders := make(chan string)
		w.mu.Lock()
		turns[x.TaskID()] = orders
		w.mu.Unlock()
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case order := <-orders:
				switch order {
				case "end":
					return nil
				case "fail":
					return errors.New("told to")
				case "ask":
					return x.Ask(a2a.NewTextPart("what?"))
				}
				if _, err := x.WriteText([]byte(order)); err != nil {
					return err
				}
			}
		}
	}
}

// play makes moves and looks at everything after each.
func (w *world) play() {
	for range 5 + w.rnd.IntN(25) {
		w.clock++
		time.Sleep(time.Millisecond)
		w.move()
		synctest.Wait()
		w.check()
		if w.t.Failed() {
			w.t.Fatalf("after %s", strings.Join(w.trail, ", "))
		}
	}
	w.finish()
	if w.t.Failed() {
		w.t.Fatalf("at the end of %s", strings.Join(w.trail, ", "))
	}
}

func (w *world) note(format string, args ...any) {
	w.trail = append(w.trail, fmt.Sprintf(format, args...))
}

func (w *world) move() {
	switch n := w.rnd.IntN(20); {
	case n < 4 || len(w.tasks) == 0:
		w.send()
	case n < 12:
		w.order()
	case n < 13:
		w.sendAgain()
	case n < 15:
		w.answer()
	case n < 16:
		w.cancel()
	case n < 18:
		w.subscribe()
	default:
		w.restart()
	}
}

func (w *world) any(state ...a2a.TaskState) *modelTask {
	var found []*modelTask
	for _, m := range w.tasks {
		if len(state) == 0 || slices.Contains(state, m.state) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[w.rnd.IntN(len(found))]
}

func (w *world) send() {
	m := &modelTask{context: fmt.Sprint("c", w.rnd.IntN(3)), state: a2a.TaskStateSubmitted, since: w.clock}
	m.req = in(m.context, send(fmt.Sprint("message ", w.clock)))
	m.id = start(w.t, w.engine, m.req).ID
	w.note("send %d to %s", len(w.tasks), m.context)
	w.tasks = append(w.tasks, m)
	w.schedule()
}

// schedule begins the turns that may run: one in each context, in the order of
// their messages.
func (w *world) schedule() {
	waiting := slices.Clone(w.tasks)
	slices.SortStableFunc(waiting, func(a, b *modelTask) int { return a.since - b.since })
	for _, m := range waiting {
		queued := (m.state == a2a.TaskStateSubmitted || m.state == a2a.TaskStateWorking) && !m.begun
		busy := slices.ContainsFunc(w.tasks, func(o *modelTask) bool { return o.begun && o.context == m.context })
		if queued && !busy {
			m.state, m.begun = a2a.TaskStateWorking, true
			m.attempts++
		}
	}
}

// order tells a running turn to do something.
func (w *world) order() {
	var running []*modelTask
	for _, m := range w.tasks {
		if m.begun {
			running = append(running, m)
		}
	}
	if len(running) == 0 {
		return
	}
	m := running[w.rnd.IntN(len(running))]
	order := []string{"end", "fail", "ask", "", "", "", ""}[w.rnd.IntN(7)]
	if order == "" {
		order = fmt.Sprintf("<%d>", w.clock)
		m.text += order
	} else {
		m.begun = false
		m.state = map[string]a2a.TaskState{"end": a2a.TaskStateCompleted, "fail": a2a.TaskStateFailed, "ask": a2a.TaskStateInputRequired}[order]
	}
	w.note("%q to %d", order, slices.Index(w.tasks, m))
	w.mu.Lock()
	orders := w.turns[m.id]
	w.mu.Unlock()
	if orders == nil {
		w.t.Fatalf("task %d should run", slices.Index(w.tasks, m))
	}
	orders <- order
	w.schedule()
}

func (w *world) sendAgain() {
	m := w.any()
	w.note("send %d again", slices.Index(w.tasks, m))
	if got := start(w.t, w.engine, again(m.req)); got.ID != m.id {
		w.t.Errorf("the message made task %s before and %s now", m.id, got.ID)
	}
}

func (w *world) answer() {
	m := w.any()
	req := reply(m.id, fmt.Sprint("answer ", w.clock))
	req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
	_, err := w.engine.SendMessage(w.t.Context(), req)
	w.note("answer %d: %v", slices.Index(w.tasks, m), err)
	if asked := m.state == a2a.TaskStateInputRequired; asked != (err == nil) {
		w.t.Errorf("an answer to a task that is %s: %v", m.state, err)
	} else if asked {
		m.state, m.since, m.attempts = a2a.TaskStateWorking, w.clock, 0
		w.schedule()
	}
}

func (w *world) cancel() {
	m := w.any()
	_, err := cancel(w.t.Context(), w.engine, m.id)
	w.note("cancel %d: %v", slices.Index(w.tasks, m), err)
	switch m.state {
	case a2a.TaskStateCompleted, a2a.TaskStateFailed:
		wantError(w.t, err, a2a.ErrTaskNotCancelable)
		return
	}
	if err != nil {
		w.t.Errorf("cancel of a task that is %s: %v", m.state, err)
	}
	m.state, m.begun = a2a.TaskStateCanceled, false
	w.schedule()
}

func (w *world) subscribe() {
	w.note("subscribe")
	r := &modelReader{m: w.any()}
	w.readers = append(w.readers, r)
	w.follow(r)
}

// follow lets a reader go on where it was.
func (w *world) follow(r *modelReader) {
	after := max(r.seq, 1)
	e := w.engine
	w.reading.Go(func() {
		_ = e.StreamTask(w.t.Context(), &a2a.SubscribeToTaskRequest{ID: r.m.id}, after, func(seq uint64, ev a2a.Event) bool {
			if seq != max(r.seq, 1)+1 {
				r.bad = fmt.Sprintf("event %d follows event %d", seq, r.seq)
			}
			r.seq = seq
			if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
				r.text.WriteString(up.Artifact.Parts[0].Text())
			}
			return true
		})
	})
}

func (w *world) restart() {
	w.note("restart")
	w.kill()
	w.reading.Wait()
	for _, m := range w.tasks {
		if !m.begun {
			continue
		}
		m.begun = false
		if !w.resume || m.attempts == 3 {
			m.state = a2a.TaskStateFailed
		}
		m.since -= 1_000_000 // what had begun goes on before what waits
	}
	w.open()
	w.schedule()
	for _, r := range w.readers {
		w.follow(r)
	}
}

// check holds what callers see against the model.
func (w *world) check() {
	for i, m := range w.tasks {
		got := get(w.t, w.engine, m.id)
		if got.Status.State != m.state || replyText(got) != m.text {
			w.t.Errorf("task %d is %s with %q, want %s with %q", i, got.Status.State, replyText(got), m.state, m.text)
		}
	}
	list, err := w.engine.ListTasks(w.t.Context(), nil)
	if err != nil || list.TotalSize != len(w.tasks) {
		w.t.Errorf("%d tasks are listed, want %d (%v)", list.TotalSize, len(w.tasks), err)
	}
}

// finish ends what runs, and holds what readers have seen against the model.
func (w *world) finish() {
	for n := 0; n < 1000; n++ {
		m := w.any(a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateInputRequired)
		if m == nil {
			break
		}
		w.clock++
		if m.state == a2a.TaskStateInputRequired {
			w.answer()
		} else {
			w.order()
		}
		synctest.Wait()
	}
	for _, r := range w.readers { // a question ends a stream
		synctest.Wait()
		w.follow(r)
	}
	w.reading.Wait()
	w.check()
	for _, r := range w.readers {
		if r.bad != "" || r.text.String() != r.m.text {
			w.t.Errorf("a reader has %q, want %q; %s", r.text.String(), r.m.text, r.bad)
		}
	}
	w.kill()
}
