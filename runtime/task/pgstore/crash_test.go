package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

// controlVariable names the program that stops and starts the server.
const controlVariable = "PGSTORE_CTL"

// control returns a function that runs the program.
func control(t *testing.T) func(what string) {
	t.Helper()
	server(t)
	path := os.Getenv(controlVariable)
	if path == "" {
		t.Skip("kills the server: `.ci/run postgres` runs it on one that may be killed")
	}
	return func(what string) {
		t.Helper()
		if out, err := exec.Command(path, what).CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", path, what, err, out)
		}
	}
}

// halves is a commit of two entries, which tell whether all of it is
// there.
func halves(caller, i int) []task.Op {
	key, value := fmt.Sprintf("%d/%08d", caller, i), make([]byte, i%3000)
	return []task.Op{
		{Kind: task.Create, Bucket: task.BucketEvents, Key: key, Value: value},
		{Kind: task.Create, Bucket: task.BucketTasks, Key: key, Value: value},
	}
}

// A server that is killed in the middle of commits and started again has lost
// none that was acknowledged and has none by half; and callers that commit again
// what was refused with an error get each of them made exactly once.
func TestKilledServerLosesNothing(t *testing.T) {
	ctl := control(t)
	const callers, rounds = 4, 8
	name := workspace()
	s := open(t, server(t), name, pgstore.WithCallTimeout(5*time.Second))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	var done [callers]int // acknowledged, in order
	var acknowledged, unknown atomic.Int64
	for caller := range callers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if !commitAgain(ctx, t, s, halves(caller, i), &unknown) {
					return
				}
				done[caller] = i + 1
				acknowledged.Add(1)
			}
		})
	}
	r := rand.New(rand.NewPCG(1, rounds))
	for round := range rounds {
		// In the middle of commits, at no moment in particular.
		awaitMore(t, &acknowledged, 20+r.Int64N(40))
		time.Sleep(rand.N(5 * time.Millisecond))
		ctl([]string{"kill", "stop"}[round%2])
		ctl("start")
	}
	awaitMore(t, &acknowledged, 20)
	cancel()
	wg.Wait()

	events, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketTasks})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]int{}
	for _, e := range events {
		there[e.Key] = len(e.Value)
	}
	if len(events) != len(tasks) {
		t.Errorf("%d and %d halves of commits are there", len(events), len(tasks))
	}
	for _, e := range tasks {
		if n, ok := there[e.Key]; !ok || n != len(e.Value) {
			t.Errorf("%s is there by half", e.Key)
		}
	}
	sum := 0
	for caller, n := range done {
		sum += n
		for i := range n {
			key := halves(caller, i)[0].Key
			if size, ok := there[key]; !ok || size != i%3000 {
				t.Fatalf("%s was acknowledged and is not there", key)
			}
		}
	}
	// Each caller had one commit more on its way at the end, at most.
	if len(events) < sum || len(events) > sum+callers {
		t.Errorf("%d commits are there, %d were acknowledged", len(events), sum)
	}
	t.Logf("%d commits by %d callers, server killed %d times, %d commits were unknown for a while", sum, callers, rounds, unknown.Load())
}

// commitAgain commits until it succeeds, as the engine does.
func commitAgain(ctx context.Context, t *testing.T, s task.Store, ops []task.Op, unknown *atomic.Int64) bool {
	for {
		err := s.Commit(ctx, ops)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, task.ErrConflict):
			t.Errorf("Commit of what nobody else commits: %v", err)
			return false
		case errors.Is(err, pgstore.ErrUnknown):
			unknown.Add(1)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

// awaitMore waits until a counter has grown.
func awaitMore(t *testing.T, n *atomic.Int64, by int64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for end := n.Load() + by; n.Load() < end; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || t.Failed() {
			t.Fatal("the server was started again, and nothing is committed any more")
		}
	}
}

// A store lives through a restart of the server without being opened again, also
// with connections that have rested meanwhile.
func TestServerComesBack(t *testing.T) {
	ctl := control(t)
	s := open(t, server(t), workspace())
	mustCommit(t, s, put("k", "v"))
	ctl("stop")
	if err := s.Commit(t.Context(), []task.Op{put("k", "w")}); err == nil {
		t.Error("Commit without a server = nil")
	}
	if _, err := s.Get(t.Context(), here, "k"); err == nil {
		t.Error("Get without a server = nil")
	}
	ctl("start")
	holds(t, s, "k", "v")
	mustCommit(t, s, put("k", "w"))
	ctl("stop")
	ctl("start")
	mustCommit(t, s, expect("k", "w"), put("k", "x")) // on a connection that has died
	holds(t, s, "k", "x")
}
