package filestore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func openForTest(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "tasks.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(key string) []task.Op {
	return []task.Op{{Kind: task.Create, Bucket: task.BucketTasks, Key: key, Value: []byte("v")}}
}

// waiting commits without waiting for the answer, and returns when the commit
// is in the queue.
func waiting(ctx context.Context, s *Store, ops []task.Op) <-chan error {
	s.mu.Lock()
	n := len(s.queue)
	s.mu.Unlock()
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(ctx, ops) }()
	for {
		s.mu.Lock()
		queued := len(s.queue) > n
		s.mu.Unlock()
		if queued {
			return answer
		}
	}
}

// transactions returns how many have been written to the file.
func transactions(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.view(func(tx *bolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCommitsThatWaitAreWrittenTogether(t *testing.T) {
	s := openForTest(t)
	before := transactions(t, s)
	s.writer <- struct{}{} // somebody writes
	var answers []<-chan error
	for i := range 20 {
		answers = append(answers, waiting(t.Context(), s, create(fmt.Sprint(i/2)))) // each key twice
	}
	<-s.writer
	for i, answer := range answers {
		if err := <-answer; (i%2 == 0) != (err == nil) || err != nil && !errors.Is(err, task.ErrConflict) {
			t.Errorf("commit %d = %v; the first of two has to get through, the other to be refused", i, err)
		}
	}
	if n := transactions(t, s) - before; n != 1 {
		t.Errorf("%d transactions for 20 commits that waited, want 1", n)
	}
	if found, err := s.Scan(t.Context(), task.Range{Bucket: task.BucketTasks}); err != nil || len(found) != 10 {
		t.Errorf("%d entries, %v; want 10", len(found), err)
	}
}

func TestACommitThatWaitsIsTakenBack(t *testing.T) {
	s := openForTest(t)
	s.writer <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	first, second, third := waiting(t.Context(), s, create("1")), waiting(ctx, s, create("2")), waiting(t.Context(), s, create("3"))
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v, want context.Canceled", err)
	}
	<-s.writer
	if err := errors.Join(<-first, <-third); err != nil {
		t.Errorf("the commits before and after it: %v", err)
	}
	found, err := s.Scan(t.Context(), task.Range{Bucket: task.BucketTasks})
	if err != nil || len(found) != 2 || found[0].Key != "1" || found[1].Key != "3" {
		t.Errorf("Scan = %v, %v; want 1 and 3", found, err)
	}
}

func TestCommitsThatChangeNothingAreNotWritten(t *testing.T) {
	s := openForTest(t)
	if err := s.Commit(t.Context(), create("k")); err != nil {
		t.Fatal(err)
	}
	before := transactions(t, s)
	if err := s.Commit(t.Context(), []task.Op{{Kind: task.Expect, Bucket: task.BucketTasks, Key: "k", Value: []byte("v")}}); err != nil {
		t.Error(err)
	}
	if err := s.Commit(t.Context(), create("k")); !errors.Is(err, task.ErrConflict) {
		t.Errorf("Commit = %v, want task.ErrConflict", err)
	}
	if n := transactions(t, s) - before; n != 0 {
		t.Errorf("%d transactions, want none", n)
	}
}

// After an error of writing nobody knows what the disk has; without room it is
// known.
func TestWhatFollowsAnErrorOfWriting(t *testing.T) {
	for cause, again := range map[error]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: false} {
		s := openForTest(t)
		err := s.update(func(*bolt.Tx) (bool, error) { return true, fmt.Errorf("fdatasync: %w", cause) })
		if !errors.Is(err, cause) {
			t.Errorf("update = %v, want %v", err, cause)
		}
		if err := s.Commit(t.Context(), create("k")); (err == nil) != again || err != nil && !errors.Is(err, cause) {
			t.Errorf("Commit after %v = %v, possible: %t", cause, err, again)
		}
		if _, err := s.Get(t.Context(), task.BucketTasks, "none"); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("Get after %v = %v, want task.ErrNotFound", cause, err)
		}
	}
}
