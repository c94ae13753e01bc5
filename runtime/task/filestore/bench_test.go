package filestore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// record is about as large as an event with a piece of a reply.
var record = make([]byte, 100)

func put(i int) task.Op {
	return task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: fmt.Sprintf("task-%06d/%08d", i/100, i%100), Value: record}
}

// filled makes a file with n small records.
func filled(tb testing.TB, n int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tasks.db")
	s := open(tb, path)
	var ops []task.Op
	for i := range n {
		if ops = append(ops, put(i)); len(ops) == 1000 || i == n-1 {
			commit(tb, s, ops...)
			ops = ops[:0]
		}
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func benchmarkCommit(b *testing.B, n int) {
	s := open(b, filled(b, 10_000))
	ops := make([]task.Op, n)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		for j := range ops {
			ops[j] = put(i % 20_000)
			i++
		}
		commit(b, s, ops...)
	}
}

func BenchmarkCommit1(b *testing.B)   { benchmarkCommit(b, 1) }
func BenchmarkCommit100(b *testing.B) { benchmarkCommit(b, 100) }

// Commits of many callers share the fsyncs.
func BenchmarkCommit1Parallel(b *testing.B) {
	s := open(b, filled(b, 10_000))
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := s.Commit(context.Background(), []task.Op{put(i % 20_000)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// After most of what it held is gone, a file has many free pages.
func BenchmarkCommit1ManyFreePages(b *testing.B) {
	s := open(b, filled(b, 100_000))
	commit(b, s, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "task-000010", To: "u"})
	i := 0
	for b.Loop() {
		commit(b, s, put(i%1000))
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, filled(b, 100_000))
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), task.BucketEvents, put(i%100_000).Key); err != nil {
			b.Fatal(err)
		}
		i += 7919
	}
}

func BenchmarkScan100(b *testing.B) {
	s := open(b, filled(b, 100_000))
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		from := put(i * 100 % 100_000).Key
		found, err := s.Scan(b.Context(), task.Range{Bucket: task.BucketEvents, From: from, Limit: 100})
		if err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
		i += 79
	}
}

func BenchmarkOpen100000(b *testing.B) {
	path := filled(b, 100_000)
	b.ReportAllocs()
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

// The same after most of it has been removed.
func BenchmarkOpenManyFreePages(b *testing.B) {
	path := filled(b, 100_000)
	s := open(b, path)
	commit(b, s, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "task-000010", To: "u"})
	s.Close()
	for b.Loop() {
		s, err := filestore.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
