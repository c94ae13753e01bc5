package task_test

import (
	"cmp"
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

// TestProcessesOnOneStore lets processes that share a store be killed, restarted
// and talked to at random, with and without a dispatcher that places turns
// anywhere, brings them twice, takes them away, loses them and fails, and holds
// every task against what its reply has to be. CHAOS_RUNS sets how many runs,
// CHAOS_SEED where to begin.
func TestProcessesOnOneStore(t *testing.T) {
	runs, seed := 60, 1
	if n, err := strconv.Atoi(os.Getenv("CHAOS_RUNS")); err == nil {
		runs = n
	}
	if n, err := strconv.Atoi(os.Getenv("CHAOS_SEED")); err == nil {
		seed = n
	}
	for i := range runs {
		if !t.Run(fmt.Sprint("seed=", seed+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newChaos(t, uint64(seed+i)).play() })
		}) {
			return
		}
	}
}

const (
	chaosProcesses = 3
	chaosLease     = time.Second
	chaosWords     = 12
)

// chaos is a few processes, and what they were asked.
type chaos struct {
	t       *testing.T
	rnd     *rand.Rand
	disk    *disk
	post    *post // nil: turns run where their messages come in
	engines [chaosProcesses]*task.Engine
	lives   [chaosProcesses]*life
	stalled [chaosProcesses]time.Time // until when its store refuses to commit
	forgets bool                      // the post loses turns
	asked   []*asked
	work    sync.WaitGroup
	trail   []string
}

// asked is a message and the task it made.
type asked struct {
	req     *a2a.SendMessageRequest
	id      a2a.TaskID
	asks    bool
	answers int
}

// post is a dispatcher that several processes use.
type post struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	placed map[task.DispatchedTurn]bool // false: over
	failed bool                         // it fails now and then
	forgot bool                         // it has lost a turn
}

func (p *post) Dispatch(_ context.Context, turn task.DispatchedTurn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	fails := p.failed && p.rnd.IntN(5) == 0
	if _, known := p.placed[turn]; !known && (!fails || p.rnd.IntN(2) == 0) {
		p.placed[turn] = true
	}
	if fails {
		return errors.New("nobody knows")
	}
	return nil
}

func (p *post) Cancel(context.Context, task.DispatchedTurn) error { return nil }

// open returns the turns that are not over, in a fixed order.
func (p *post) open() (turns []task.DispatchedTurn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for turn, open := range p.placed {
		if open {
			turns = append(turns, turn)
		}
	}
	slices.SortFunc(turns, func(a, b task.DispatchedTurn) int {
		return cmp.Or(strings.Compare(string(a.TaskID), string(b.TaskID)), cmp.Compare(a.Sequence, b.Sequence))
	})
	return turns
}

// forget loses a turn, as a durable service may that has lost its state.
func (p *post) forget(turn task.DispatchedTurn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.placed, turn)
	p.forgot = true
}

func (p *post) over(turn task.DispatchedTurn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.placed[turn] = false
}

// words is the reply to a message: each turn of it writes half of them if the
// agent asks in between.
func words(text string) (all []string) {
	for i := range chaosWords {
		all = append(all, fmt.Sprintf("%s.%d ", text, i))
	}
	return all
}

// chaosAgent writes the words that are not there yet, slowly.
func chaosAgent(ctx context.Context, x *task.Execution) error {
	first := x.Message()
	if h := x.History(); len(h) > 0 {
		first = h[0]
	}
	text := first.Parts[0].Text()
	all := words(text)
	asks := strings.HasPrefix(text, "asks")
	answered := len(x.History()) > 0
	end := len(all)
	if asks && !answered {
		end /= 2
	}
	for n := strings.Count(x.Written(), " "); n < end; n++ {
		timer := time.NewTimer(7 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		if _, err := x.WriteText([]byte(all[n])); err != nil {
			return err
		}
	}
	if asks && !answered {
		return x.Ask(a2a.NewTextPart("more?"))
	}
	return nil
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), disk: newDisk()}
	if c.rnd.IntN(3) > 0 {
		c.post = &post{rnd: rand.New(rand.NewPCG(seed, 13)), placed: map[task.DispatchedTurn]bool{}, failed: true}
		c.forgets = c.rnd.IntN(4) == 0
	}
	for i := range c.engines {
		c.open(i)
	}
	return c
}

func (c *chaos) open(i int) {
	opts := []task.Option{task.WithShared(chaosLease), task.WithResume(1000), task.WithCancelGrace(50 * time.Millisecond)}
	if c.post != nil {
		opts = append(opts, task.WithDispatcher(c.post))
	}
	c.lives[i], c.stalled[i] = &life{Store: c.disk.Memory}, time.Time{}
	e, err := task.Open(c.t.Context(), c.lives[i], chaosAgent, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.engines[i] = e
}

// kill ends a process as SIGKILL does.
func (c *chaos) kill(i int) {
	c.lives[i].dead.Store(true)
	c.engines[i].Close()
	ended, end := context.WithCancel(c.t.Context())
	end()
	_ = c.engines[i].Drain(ended)
}

// stall keeps a process from the store, perhaps for so long that the others take
// it for dead.
func (c *chaos) stall(i int) {
	l, d := c.lives[i], time.Duration(c.rnd.Int64N(int64(3*chaosLease)))
	c.note("stall %d for %v", i, d)
	c.stalled[i] = time.Now().Add(d)
	l.full.Store(true)
	time.AfterFunc(d, func() { l.full.Store(false) })
}

func (c *chaos) note(format string, args ...any) {
	c.trail = append(c.trail, fmt.Sprintf(format, args...))
}

func (c *chaos) play() {
	for range 40 + c.rnd.IntN(40) {
		time.Sleep(time.Duration(c.rnd.IntN(15)) * time.Millisecond)
		if c.rnd.IntN(20) == 0 {
			time.Sleep(chaosLease + chaosLease/2)
		}
		c.move()
	}
	c.settle()
	for _, a := range c.asked {
		c.check(a)
	}
	for i := range c.engines {
		c.kill(i)
	}
	c.work.Wait()
	if c.t.Failed() {
		c.t.Fatalf("after %s", strings.Join(c.trail, ", "))
	}
}

func (c *chaos) move() {
	i := c.rnd.IntN(chaosProcesses)
	if time.Now().Before(c.stalled[i].Add(2 * time.Second)) { // it tries to commit once a second
		return
	}
	e := c.engines[i]
	switch n := c.rnd.IntN(20); {
	case n < 6 || len(c.asked) == 0:
		c.send(e, i)
	case n < 8:
		a := c.asked[c.rnd.IntN(len(c.asked))]
		c.note("repeat at %d", i)
		if got := start(c.t, e, again(a.req)); got.ID != a.id {
			c.t.Errorf("a message made task %s before and %s now", a.id, got.ID)
		}
	case n < 9:
		a := c.asked[c.rnd.IntN(len(c.asked))]
		c.note("cancel at %d", i)
		if _, err := cancel(c.t.Context(), e, a.id); err != nil && !errors.Is(err, a2a.ErrTaskNotCancelable) {
			c.t.Errorf("cancel: %v", err)
		}
	case n < 11:
		c.answer(e, i, c.asked[c.rnd.IntN(len(c.asked))])
	case n < 13:
		c.note("kill %d", i)
		c.kill(i)
		c.open(i)
	case n < 14:
		c.stall(i)
	default:
		c.bring(e, i)
	}
}

func (c *chaos) send(e *task.Engine, i int) {
	a := &asked{asks: c.rnd.IntN(3) == 0}
	text := fmt.Sprint("m", len(c.asked))
	if a.asks {
		text = "asks-" + text
	}
	a.req = in(fmt.Sprint("c", c.rnd.IntN(6)), send(text))
	a.id = start(c.t, e, a.req).ID
	c.note("%s to %d", text, i)
	c.asked = append(c.asked, a)
}

func (c *chaos) answer(e *task.Engine, i int, a *asked) {
	req := reply(a.id, "go on")
	req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
	if _, err := e.SendMessage(c.t.Context(), req); err == nil {
		a.answers++
		c.note("answer at %d", i)
	} else if !errors.Is(err, a2a.ErrUnsupportedOperation) {
		c.t.Errorf("answer: %v", err)
	}
}

// bring brings a placed turn to a process, perhaps to two, and perhaps takes it
// away again.
func (c *chaos) bring(e *task.Engine, i int) {
	if c.post == nil {
		return
	}
	turns := c.post.open()
	if len(turns) == 0 {
		return
	}
	turn := turns[c.rnd.IntN(len(turns))]
	if c.forgets && c.rnd.IntN(4) == 0 {
		c.note("forget a turn")
		c.post.forget(turn)
		return
	}
	c.note("bring to %d", i)
	ctx, end := context.WithCancelCause(c.t.Context())
	if c.rnd.IntN(3) == 0 {
		time.AfterFunc(time.Duration(c.rnd.IntN(60))*time.Millisecond, func() { end(task.ErrShutdown) })
	}
	c.work.Go(func() {
		defer end(nil)
		c.brought(turn, e.RunTurn(ctx, turn))
	})
}

// brought looks at what a call of RunTurn has said.
func (c *chaos) brought(turn task.DispatchedTurn, err error) (over bool) {
	var failed *task.FailedError
	switch {
	case err == nil, errors.Is(err, task.ErrCanceled), errors.Is(err, task.ErrNotDispatched):
		c.post.over(turn)
		return true
	case errors.As(err, &failed):
		c.t.Errorf("RunTurn: %v: %v", err, failed.Err)
	case errors.Is(err, task.ErrShutdown), errors.Is(err, task.ErrElsewhere), errors.Is(err, task.ErrBusy), errors.Is(err, errDead), errors.Is(err, errFull):
	default:
		c.t.Errorf("RunTurn: %v", err)
	}
	return false
}

// settle lets everything come to rest: the dispatcher brings what it has until
// it is over. What it has lost is placed again, within a minute.
func (c *chaos) settle() {
	lost := false
	if c.post != nil {
		c.post.mu.Lock()
		c.post.failed, lost = false, c.post.forgot
		c.post.mu.Unlock()
	}
	time.Sleep(5 * chaosLease)
	if lost {
		time.Sleep(time.Minute)
	}
	for range 60 {
		time.Sleep(chaosLease / 4)
		if c.post == nil {
			continue
		}
		for _, turn := range c.post.open() {
			e := c.engines[c.rnd.IntN(chaosProcesses)]
			c.work.Go(func() {
				ctx, end := context.WithTimeout(c.t.Context(), chaosLease)
				defer end()
				c.brought(turn, e.RunTurn(ctx, turn))
			})
		}
	}
	time.Sleep(3 * chaosLease)
}

// check holds a task against what it has to be, in every process.
func (c *chaos) check(a *asked) {
	text := a.req.Message.Parts[0].Text()
	all := strings.Join(words(text), "")
	for i, e := range c.engines {
		got := get(c.t, e, a.id)
		said := replyText(got)
		switch got.Status.State {
		case a2a.TaskStateCompleted:
			if said != all {
				c.t.Errorf("%s is complete in process %d with %q", text, i, said)
			}
		case a2a.TaskStateCanceled:
			if !strings.HasPrefix(all, said) {
				c.t.Errorf("%s is canceled in process %d with %q", text, i, said)
			}
		case a2a.TaskStateInputRequired:
			if half := strings.Join(words(text)[:chaosWords/2], ""); !a.asks || a.answers > 0 || said != half {
				c.t.Errorf("%s asks in process %d with %q after %d answers", text, i, said, a.answers)
			}
		default:
			c.t.Errorf("%s is %s in process %d: %s", text, got.Status.State, i, statusText(got))
			continue
		}
		if a.answers > 1 {
			c.t.Errorf("%d answers to %s were taken", a.answers, text)
		}
		var streamed strings.Builder
		for ev, n := uint64(1), 0; n < 2; n++ { // a question ends a stream
			var got []a2a.Event
			got, ev = events(c.t, e, a.id, ev)
			for _, ev := range got {
				if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
					streamed.WriteString(up.Artifact.Parts[0].Text())
				}
			}
		}
		if streamed.String() != said {
			c.t.Errorf("%s is streamed by process %d as %q, and is %q", text, i, streamed.String(), said)
		}
	}
}
