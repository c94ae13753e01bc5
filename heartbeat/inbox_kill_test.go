package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

var errKilled = errors.New("killed")

// guillotine ends lives of an Inbox between any two of its steps: before and
// after each call to the platform, each write of the file and each turn. After
// that nothing the life still does has any effect.
type guillotine struct {
	mu     sync.Mutex
	steps  int // left; negative: this life is not killed
	dead   bool
	kill   context.CancelFunc
	killed int
	where  map[string]int
}

// step is one boundary; its error is that of a process that is no more.
func (g *guillotine) step(name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errKilled
	}
	if g.steps == 0 {
		g.dead = true
		g.killed++
		g.where[name]++
		g.kill()
		return errKilled
	}
	g.steps--
	return nil
}

// mortal is a transport that dies with its life.
type mortal struct {
	g  *guillotine
	to http.RoundTripper
}

func (m mortal) RoundTrip(req *http.Request) (*http.Response, error) {
	op := req.URL.Path[len(req.URL.Path)-6:]
	if err := m.g.step("before " + op); err != nil {
		return nil, err
	}
	resp, err := m.to.RoundTrip(req)
	if err := m.g.step("after " + op); err != nil {
		return nil, err
	}
	return resp, err
}

// engine is what a task engine with a durable store does: a message id that it
// knows runs no second time, and what was begun goes on after a restart.
type engine struct {
	mu       sync.Mutex
	messages map[string]error // how the turn ended
	runs     map[string]int   // successful turns by delegation
	begun    map[string]int   // turns by message id
}

// TestSoakInboxDeliversExactlyOnceWhateverKillsIt kills each of its seeds' lives
// several times between any two steps.
func TestSoakInboxDeliversExactlyOnceWhateverKillsIt(t *testing.T) {
	seeds := 20
	if n, err := strconv.Atoi(os.Getenv("SOAK_SEEDS")); err == nil {
		seeds = n
	}
	where := map[string]int{}
	var kills, results, untold int
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			k, r, u := killedLives(t, seed, where)
			kills, results, untold = kills+k, results+r, untold+u
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d seeds, %d kills, %d results, each delivered once; %d notifications unsent because the process died with them on their way; killed %v",
		seeds, kills, results, untold, where)
	if kills < 2*seeds || seeds >= 20 && len(where) < 8 {
		t.Errorf("only %d kills at %v", kills, where)
	}
}

func killedLives(t *testing.T, seed uint64, where map[string]int) (kills, results, untold int) {
	random := rand.New(rand.NewPCG(seed, 1))
	g := &guillotine{where: where}
	b := newInboxBed(t, nil)
	client, err := registry.NewClient(bedURL, bedID, registry.WithTransport(mortal{g, b.ledger}), registry.WithRetry(registry.Retry{Attempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{messages: map[string]error{}, runs: map[string]int{}, begun: map[string]int{}}
	var dice sync.Mutex
	fails := rand.New(rand.NewPCG(seed, 2))
	b.cfg.Client, b.cfg.Attempts = client, 1000
	b.cfg.Deliver = func(_ context.Context, d heartbeat.Delivery) error {
		if err := g.step("before turn"); err != nil {
			return err
		}
		e.mu.Lock()
		outcome, known := e.messages[d.MessageID]
		if !known {
			dice.Lock()
			if fails.IntN(6) == 0 {
				outcome = errors.New("the turn failed")
			}
			dice.Unlock()
			e.messages[d.MessageID] = outcome
			e.begun[d.MessageID]++
			if outcome == nil {
				e.runs[d.Result.DelegationID]++
			}
		}
		e.mu.Unlock()
		if err := g.step("after turn"); err != nil {
			return err
		}
		return outcome
	}
	life := func(steps int) (over func()) {
		ctx, cancel := context.WithCancel(t.Context())
		g.mu.Lock()
		g.steps, g.dead, g.kill = steps, false, cancel
		g.mu.Unlock()
		inbox, err := heartbeat.NewInbox(b.cfg)
		if err != nil {
			t.Fatal(err)
		}
		inbox.AroundSave(func() error { return g.step("before save") }, func() error { return g.step("after save") })
		done := make(chan struct{})
		go func() { defer close(done); _ = inbox.Run(ctx) }()
		return func() { cancel(); <-done }
	}

	for i := range random.IntN(20) {
		b.ledger.completed(fmt.Sprintf("old-%d", i), "history")
	}
	over := life(-1) // the first boot
	time.Sleep(time.Second)
	g.mu.Lock()
	g.dead = true
	g.mu.Unlock()
	over()

	var due []string
	for n := range 3 + random.IntN(4) {
		for i := range 1 + random.IntN(2) {
			id := fmt.Sprintf("d-%d-%d", n, i)
			due = append(due, id)
			switch random.IntN(3) {
			case 0:
				b.ledger.completed(id, "answer")
			case 1:
				b.ledger.add(registry.Delegation{DelegationID: id, TargetID: "t", Status: "failed", Error: "no"})
			case 2:
				b.ledger.add(registry.Delegation{DelegationID: id, TargetID: "t", Status: "queued"})
				b.ledger.add(registry.Delegation{DelegationID: id, TargetID: "t", Status: "completed", ResponsePreview: "late"})
			}
		}
		if random.IntN(3) == 0 {
			b.ledger.add(registry.Delegation{DelegationID: fmt.Sprintf("foreign-%d", n), SourceID: "another", Status: "completed"})
		}
		over := life(random.IntN(25))
		time.Sleep(time.Duration(random.IntN(90)) * time.Second)
		g.mu.Lock()
		if !g.dead {
			g.dead = true // killed while nothing was going on, or in a wait
			g.killed++
		}
		g.mu.Unlock()
		over()
	}
	over = life(-1)
	time.Sleep(2 * time.Hour)
	over()

	total := 0
	for id, n := range e.runs {
		total += n
		if n != 1 {
			t.Errorf("%s reached the agent %d times", id, n)
		}
	}
	for _, id := range due {
		if e.runs[id] != 1 {
			t.Errorf("%s reached the agent %d times", id, e.runs[id])
		}
	}
	if total != len(due) {
		t.Errorf("%d results reached the agent, %d were due", total, len(due))
	}
	for id, n := range e.begun {
		if n != 1 {
			t.Errorf("message %s ran %d times", id, n)
		}
	}
	told := len(b.ledger.messages())
	if told > len(due) || told < len(due)-g.killed {
		t.Errorf("%d notifications of %d results after %d kills", told, len(due), g.killed)
	}
	return g.killed, len(due), len(due) - told
}
