package filestore_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "tasks.db"))
			ops := make([]task.Op, n)
			for i := 0; b.Loop(); i++ {
				for k := range ops {
					ops[k] = put(fmt.Sprintf("%08d", i*n+k), "twenty bytes of text")
				}
				if err := s.Commit(b.Context(), ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen opens a file with 100,000 records.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tasks.db")
	s := open(b, path)
	for i := range 100 {
		ops := make([]task.Op, 1000)
		for k := range ops {
			ops[k] = put(fmt.Sprintf("%08d", i*1000+k), "twenty bytes of text")
		}
		if err := s.Commit(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := filestore.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
