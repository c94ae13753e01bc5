package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Test runs the whole suite. open makes an empty store for each test in it;
// the suite closes it.
func Test(t *testing.T, open func(t *testing.T) task.Store) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, s task.Store)
	}{
		{"Operations", operations},
		{"RefusedCommitChangesNothing", refused},
		{"ExpectationsAreAboutBefore", before},
		{"ScanBounds", scanBounds},
		{"AnyBytes", anyBytes},
		{"ValuesAreTheStores", ownership},
		{"EmptyIsNotNothing", empty},
		{"EndedContext", ended},
		{"Model", model},
		{"ConcurrentConflicts", concurrent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			tc.run(t, s)
		})
	}
}

const bucket = task.BucketEvents

func commit(t *testing.T, s task.Store, ops ...task.Op) {
	t.Helper()
	if err := s.Commit(t.Context(), ops); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func put(key, value string) task.Op {
	return task.Op{Kind: task.Put, Bucket: bucket, Key: key, Value: []byte(value)}
}

// want checks everything in a bucket.
func want(t *testing.T, s task.Store, entries ...string) {
	t.Helper()
	wantScan(t, s, task.Range{Bucket: bucket}, entries...)
}

func wantScan(t *testing.T, s task.Store, r task.Range, entries ...string) {
	t.Helper()
	found, err := s.Scan(t.Context(), r)
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	var got []string
	for _, e := range found {
		got = append(got, e.Key+"="+string(e.Value))
	}
	if !slices.Equal(got, entries) {
		t.Errorf("Scan(%+v) = %q, want %q", r, got, entries)
	}
}

func operations(t *testing.T, s task.Store) {
	want(t, s)
	if _, err := s.Get(t.Context(), bucket, "a"); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("Get of nothing: %v", err)
	}
	commit(t, s, put("a", "1"), put("b", "2"), put("a", "3"))
	want(t, s, "a=3", "b=2")
	if v, err := s.Get(t.Context(), bucket, "a"); err != nil || string(v) != "3" {
		t.Errorf("Get: %q, %v", v, err)
	}
	commit(t, s,
		task.Op{Kind: task.Create, Bucket: bucket, Key: "c", Value: []byte("4")},
		task.Op{Kind: task.Expect, Bucket: bucket, Key: "a", Value: []byte("3")},
		task.Op{Kind: task.Expect, Bucket: bucket, Key: "z"},
		task.Op{Kind: task.Delete, Bucket: bucket, Key: "b"},
		task.Op{Kind: task.Delete, Bucket: bucket, Key: "not there"})
	want(t, s, "a=3", "c=4")
	wantScan(t, s, task.Range{Bucket: task.BucketTasks})
	commit(t, s, put("d1", ""), put("d2", ""), put("d3", ""), put("e", ""))
	commit(t, s, task.Op{Kind: task.DeleteRange, Bucket: bucket, Key: "d1", To: "d3"})
	want(t, s, "a=3", "c=4", "d3=", "e=")
	commit(t, s)
	want(t, s, "a=3", "c=4", "d3=", "e=")
}

func refused(t *testing.T, s task.Store) {
	commit(t, s, put("a", "1"))
	for name, op := range map[string]task.Op{
		"create":         {Kind: task.Create, Bucket: bucket, Key: "a"},
		"another value":  {Kind: task.Expect, Bucket: bucket, Key: "a", Value: []byte("2")},
		"an empty value": {Kind: task.Expect, Bucket: bucket, Key: "a", Value: []byte{}},
		"no value":       {Kind: task.Expect, Bucket: bucket, Key: "a"},
		"a value":        {Kind: task.Expect, Bucket: bucket, Key: "b", Value: []byte("1")},
		"empty for none": {Kind: task.Expect, Bucket: bucket, Key: "b", Value: []byte{}},
	} {
		ops := []task.Op{put("a", "9"), put("c", "9"), {Kind: task.DeleteRange, Bucket: bucket, Key: "", To: "z"}, op}
		if err := s.Commit(t.Context(), ops); !errors.Is(err, task.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", name, err)
		}
		want(t, s, "a=1")
	}
	if err := s.Commit(t.Context(), []task.Op{put("c", "1"), {Kind: task.Put, Bucket: "nowhere", Key: "a"}}); err == nil {
		t.Error("there is a bucket nowhere")
	}
	want(t, s, "a=1")
}

// before: what a commit expects is what was there before it, whatever its other
// operations do.
func before(t *testing.T, s task.Store) {
	commit(t, s, put("a", "1"))
	commit(t, s, put("a", "2"),
		task.Op{Kind: task.Expect, Bucket: bucket, Key: "a", Value: []byte("1")},
		put("b", "1"),
		task.Op{Kind: task.Expect, Bucket: bucket, Key: "b"})
	want(t, s, "a=2", "b=1")
}

func scanBounds(t *testing.T, s task.Store) {
	commit(t, s, put("a", "1"), put("b", "2"), put("c", "3"), put("d", "4"))
	for _, tc := range []struct {
		r    task.Range
		want string
	}{
		{task.Range{}, "a=1 b=2 c=3 d=4"},
		{task.Range{Reverse: true}, "d=4 c=3 b=2 a=1"},
		{task.Range{From: "b"}, "b=2 c=3 d=4"},
		{task.Range{From: "b", Reverse: true}, "d=4 c=3 b=2"},
		{task.Range{From: "b", To: "d"}, "b=2 c=3"},
		{task.Range{From: "b", To: "d", Reverse: true}, "c=3 b=2"},
		{task.Range{From: "aa", To: "cc"}, "b=2 c=3"},
		{task.Range{From: "aa", To: "cc", Reverse: true}, "c=3 b=2"},
		{task.Range{To: "zz", Reverse: true, Limit: 2}, "d=4 c=3"},
		{task.Range{Limit: 2}, "a=1 b=2"},
		{task.Range{From: "c", Limit: 9}, "c=3 d=4"},
		{task.Range{From: "c", To: "c"}, ""},
		{task.Range{From: "d", To: "b"}, ""},
		{task.Range{From: "d", To: "b", Reverse: true}, ""},
		{task.Range{From: "e"}, ""},
		{task.Range{From: "e", Reverse: true}, ""},
		{task.Range{To: "a", Reverse: true}, ""},
	} {
		tc.r.Bucket = bucket
		wantScan(t, s, tc.r, strings.Fields(tc.want)...)
	}
}

func anyBytes(t *testing.T, s task.Store) {
	keys := []string{"\x00", "\x00\x00", "\x00\xff", "a\x00b", "a\xff", "\x7f", "\x80", "\xff", "\xff\xff", "a;", "a:", "ä"}
	for _, k := range keys {
		commit(t, s, put(k, k+"\x00\xff"))
	}
	slices.Sort(keys)
	var entries []string
	for _, k := range keys {
		entries = append(entries, k+"="+k+"\x00\xff")
	}
	want(t, s, entries...)
	long := strings.Repeat("k", 200)
	big := strings.Repeat("v", 3<<20)
	commit(t, s, put(long, big))
	if v, err := s.Get(t.Context(), bucket, long); err != nil || string(v) != big {
		t.Errorf("a long key or a large value is lost: %d bytes, %v", len(v), err)
	}
}

func ownership(t *testing.T, s task.Store) {
	value := []byte("mine")
	commit(t, s, task.Op{Kind: task.Put, Bucket: bucket, Key: "a", Value: value})
	copy(value, "your")
	v, err := s.Get(t.Context(), bucket, "a")
	if err != nil || string(v) != "mine" {
		t.Errorf("the store kept the caller's slice: %q, %v", v, err)
	}
	found, err := s.Scan(t.Context(), task.Range{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, put("a", "next"), put("b", "more"))
	if string(v) != "mine" || string(found[0].Value) != "mine" {
		t.Errorf("what was read changed under the reader: %q, %q", v, found[0].Value)
	}
}

func empty(t *testing.T, s task.Store) {
	commit(t, s, task.Op{Kind: task.Put, Bucket: bucket, Key: "a", Value: []byte{}}, task.Op{Kind: task.Put, Bucket: bucket, Key: "b"})
	for _, key := range []string{"a", "b"} {
		if v, err := s.Get(t.Context(), bucket, key); err != nil || len(v) != 0 {
			t.Errorf("Get(%s) = %q, %v", key, v, err)
		}
		commit(t, s, task.Op{Kind: task.Expect, Bucket: bucket, Key: key, Value: []byte{}})
	}
}

func ended(t *testing.T, s task.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, []task.Op{put("a", "1")}); err == nil {
		want(t, s, "a=1") // it may succeed, but then it has to be done
	} else {
		want(t, s)
	}
}

// model holds random operations against a sorted map.
func model(t *testing.T, s task.Store) {
	rnd := rand.New(rand.NewPCG(1, 2))
	truth := map[string]string{}
	key := func() string { return fmt.Sprintf("%02d", rnd.IntN(40)) }
	for round := range 300 {
		var ops []task.Op
		next := map[string]string{}
		for k, v := range truth {
			next[k] = v
		}
		conflict := false
		for range rnd.IntN(6) {
			op := task.Op{Kind: task.OpKind(rnd.IntN(5)), Bucket: bucket, Key: key(), Value: []byte(fmt.Sprint(rnd.IntN(3)))}
			old, there := truth[op.Key]
			switch op.Kind {
			case task.Put:
				next[op.Key] = string(op.Value)
			case task.Create:
				conflict = conflict || there
				next[op.Key] = string(op.Value)
			case task.Expect:
				if rnd.IntN(4) == 0 {
					op.Value = nil
				}
				conflict = conflict || there != (op.Value != nil) || there && old != string(op.Value)
			case task.Delete:
				delete(next, op.Key)
			case task.DeleteRange:
				op.To = key()
				for k := range next {
					if k >= op.Key && k < op.To {
						delete(next, k)
					}
				}
			}
			ops = append(ops, op)
		}
		err := s.Commit(t.Context(), ops)
		if conflict != errors.Is(err, task.ErrConflict) || !conflict && err != nil {
			t.Fatalf("round %d: %v, conflict %v\n%+v", round, err, conflict, ops)
		}
		if err == nil {
			truth = next
		}
		wantSorted(t, s, truth, task.Range{Bucket: bucket, From: key(), To: key(), Reverse: round%2 == 0, Limit: round % 7})
	}
	wantSorted(t, s, truth, task.Range{Bucket: bucket})
}

func wantSorted(t *testing.T, s task.Store, truth map[string]string, r task.Range) {
	t.Helper()
	var entries []string
	for k, v := range truth {
		if k >= r.From && (r.To == "" || k < r.To) {
			entries = append(entries, k+"="+v)
		}
	}
	slices.Sort(entries)
	if r.Reverse {
		slices.Reverse(entries)
	}
	if r.Limit > 0 && len(entries) > r.Limit {
		entries = entries[:r.Limit]
	}
	wantScan(t, s, r, entries...)
}

// concurrent lets several writers add to one counter; no step may be lost.
func concurrent(t *testing.T, s task.Store) {
	const writers, steps = 4, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < steps; {
				old, err := s.Get(context.Background(), bucket, "n")
				if errors.Is(err, task.ErrNotFound) {
					old = nil
				} else if err != nil {
					t.Error(err)
					return
				}
				err = s.Commit(context.Background(), []task.Op{
					{Kind: task.Expect, Bucket: bucket, Key: "n", Value: old},
					{Kind: task.Put, Bucket: bucket, Key: "n", Value: append(bytes.Clone(old), '.')},
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, task.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(t, s, "n="+strings.Repeat(".", writers*steps))
}
