package filestore_test

import (
	"context"
	"os"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// open opens a store, which is closed at the end of the test.
func open(tb testing.TB, path string) *filestore.Store {
	tb.Helper()
	s, err := filestore.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func commit(tb testing.TB, s *filestore.Store, ops ...task.Op) {
	tb.Helper()
	if err := s.Commit(context.Background(), ops); err != nil {
		tb.Fatal(err)
	}
}

// closed closes a store in the middle of a test.
func closed(tb testing.TB, s *filestore.Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// count returns how many events a store has.
func count(tb testing.TB, s *filestore.Store) int {
	tb.Helper()
	found, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})
	if err != nil {
		tb.Fatal(err)
	}
	return len(found)
}

// fileSize returns the size of a file.
func fileSize(tb testing.TB, path string) int64 {
	tb.Helper()
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}
