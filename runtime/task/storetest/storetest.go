package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Test holds the stores that open makes against the contract of [task.Store],
// each part of it in a subtest with a store of its own. What open returns is
// empty, shares nothing with the others and is closed by Test. When open cannot
// make one, it ends the test.
func Test(t *testing.T, open func(t *testing.T) task.Store) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, task.Store)
	}{
		{"Put", testPut},
		{"Create", testCreate},
		{"Expect", testExpect},
		{"Delete", testDelete},
		{"DeleteRange", testDeleteRange},
		{"OrderOfOps", testOrderOfOps},
		{"ConditionsHoldBefore", testConditionsHoldBefore},
		{"RefusedChangesNothing", testRefusedChangesNothing},
		{"UnknownBucket", testUnknownBucket},
		{"EmptyIsNotAbsent", testEmptyIsNotAbsent},
		{"AnyBytes", testAnyBytes},
		{"LargeValue", testLargeValue},
		{"Ownership", testOwnership},
		{"Scan", testScan},
		{"ScanOrder", testScanOrder},
		{"EndedContext", testEndedContext},
		{"ReadersSeeWholeCommits", testReadersSeeWholeCommits},
		{"OneWinner", testOneWinner},
		{"Model", testModel},
	} {
		t.Run(part.name, func(t *testing.T) {
			store := open(t)
			if store == nil {
				t.Fatal("open returned no store")
			}
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			part.run(t, store)
		})
	}
}

// The buckets of most parts: what happens in one is not seen in the other.
const (
	here  = task.BucketEvents
	there = task.BucketTasks
)

// must commits and ends the test when that fails.
func must(t *testing.T, s task.Store, ops ...task.Op) {
	t.Helper()
	if err := s.Commit(context.Background(), ops); err != nil {
		t.Fatalf("Commit(%s): %v", describe(ops), err)
	}
}

// refused commits and ends the test unless that is a conflict.
func refused(t *testing.T, s task.Store, ops ...task.Op) {
	t.Helper()
	if err := s.Commit(context.Background(), ops); !errors.Is(err, task.ErrConflict) {
		t.Fatalf("Commit(%s) = %v, want task.ErrConflict", describe(ops), err)
	}
}

// holds checks what Get and Scan say of a bucket.
func holds(t *testing.T, s task.Store, b task.Bucket, want ...task.Entry) {
	t.Helper()
	ctx := context.Background()
	got, err := s.Scan(ctx, task.Range{Bucket: b})
	if err != nil {
		t.Fatalf("Scan of %s: %v", b, err)
	}
	if diff := differ(want, got); diff != "" {
		t.Fatalf("what bucket %s holds (-want +got):\n%s", b, diff)
	}
	for _, e := range want {
		value, err := s.Get(ctx, b, e.Key)
		if err != nil || string(value) != string(e.Value) {
			t.Fatalf("Get(%s, %q) = %q, %v; want %q", b, e.Key, value, err, e.Value)
		}
	}
}

// absent checks that a key has no value.
func absent(t *testing.T, s task.Store, b task.Bucket, key string) {
	t.Helper()
	if value, err := s.Get(context.Background(), b, key); !errors.Is(err, task.ErrNotFound) {
		t.Fatalf("Get(%s, %q) = %q, %v; want task.ErrNotFound", b, key, value, err)
	}
}

func put(b task.Bucket, key, value string) task.Op {
	return task.Op{Kind: task.Put, Bucket: b, Key: key, Value: []byte(value)}
}

func create(b task.Bucket, key, value string) task.Op {
	return task.Op{Kind: task.Create, Bucket: b, Key: key, Value: []byte(value)}
}

func expect(b task.Bucket, key, value string) task.Op {
	return task.Op{Kind: task.Expect, Bucket: b, Key: key, Value: []byte(value)}
}

func expectNone(b task.Bucket, key string) task.Op {
	return task.Op{Kind: task.Expect, Bucket: b, Key: key}
}

func remove(b task.Bucket, key string) task.Op {
	return task.Op{Kind: task.Delete, Bucket: b, Key: key}
}

func removeRange(b task.Bucket, from, to string) task.Op {
	return task.Op{Kind: task.DeleteRange, Bucket: b, Key: from, To: to}
}

func entry(key, value string) task.Entry { return task.Entry{Key: key, Value: []byte(value)} }
