package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// A commit is seen whole or not at all, and a scan shows one moment: writers
// write the same number under many keys, readers never see two numbers.
func testReadersSeeWholeCommits(t *testing.T, s task.Store) {
	const keys, rounds, readers, enough = 50, 60, 3, 200
	ctx := context.Background()
	write := func(round int) error {
		var ops []task.Op
		for k := range keys {
			ops = append(ops, put(here, fmt.Sprintf("%02d", k), fmt.Sprint(round)))
		}
		return s.Commit(ctx, append(ops, put(there, "round", fmt.Sprint(round))))
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var scans atomic.Int64
	done := make(chan struct{})
	for i := range readers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				found, err := s.Scan(ctx, task.Range{Bucket: here, Reverse: i%2 == 1})
				if err != nil || len(found) != keys {
					t.Errorf("Scan = %d entries, %v; want %d", len(found), err, keys)
					return
				}
				for _, e := range found {
					if string(e.Value) != string(found[0].Value) {
						t.Errorf("a scan saw half of a commit: %s has %s, %s has %s", found[0].Key, found[0].Value, e.Key, e.Value)
						return
					}
				}
				scans.Add(1)
			}
		})
	}
	for round := 0; (round < rounds || scans.Load() < enough) && !t.Failed(); round++ {
		if err := write(round + 1); err != nil {
			t.Errorf("Commit: %v", err)
			break
		}
		// A commit that has returned is seen by every later read.
		if value, err := s.Get(ctx, there, "round"); err != nil || string(value) != fmt.Sprint(round+1) {
			t.Errorf("Get after the commit = %s, %v; want %d", value, err, round+1)
			break
		}
	}
	close(done)
	wg.Wait()
}

// Of many that create the same key, or change the same value, one gets through
// each time, and no change is lost.
func testOneWinner(t *testing.T, s task.Store) {
	const callers, rounds = 8, 15
	ctx := context.Background()
	var wg sync.WaitGroup
	var created atomic.Int64
	must(t, s, put(there, "counter", "0"))
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				err := s.Commit(ctx, []task.Op{create(here, fmt.Sprint(round), fmt.Sprint(caller))})
				switch {
				case err == nil:
					created.Add(1)
				case !errors.Is(err, task.ErrConflict):
					t.Errorf("Commit: %v", err)
					return
				}
				if err := increment(ctx, s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := created.Load(); n != rounds {
		t.Errorf("%d of %d creations got through, want %d", n, callers*rounds, rounds)
	}
	if value, err := s.Get(ctx, there, "counter"); err != nil || string(value) != fmt.Sprint(callers*rounds) {
		t.Errorf("the counter is %s, %v; want %d", value, err, callers*rounds)
	}
}

// increment adds one to a counter, as often as it takes.
func increment(ctx context.Context, s task.Store) error {
	for {
		value, err := s.Get(ctx, there, "counter")
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscan(string(value), &n); err != nil {
			return err
		}
		err = s.Commit(ctx, []task.Op{
			{Kind: task.Expect, Bucket: there, Key: "counter", Value: value},
			put(there, "counter", fmt.Sprint(n+1)),
		})
		if !errors.Is(err, task.ErrConflict) {
			return err
		}
	}
}
