package pgstore_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// BenchmarkStores has the same work done by this store and by package filestore.
func BenchmarkStores(b *testing.B) {
	dsn := server(b)
	for _, kind := range []struct {
		name string
		open func(b *testing.B) task.Store
	}{
		{"postgres", func(b *testing.B) task.Store { return open(b, dsn, workspace()) }},
		{"file", func(b *testing.B) task.Store {
			s, err := filestore.Open(filepath.Join(b.TempDir(), "tasks.db"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			return s
		}},
	} {
		b.Run("put/"+kind.name, func(b *testing.B) { benchmarkPut(b, kind.open(b)) })
		b.Run("frame/"+kind.name, func(b *testing.B) { benchmarkFrame(b, kind.open(b)) })
		b.Run("get/"+kind.name, func(b *testing.B) { benchmarkGet(b, kind.open(b)) })
		b.Run("stream/"+kind.name, func(b *testing.B) { benchmarkStream(b, kind.open(b)) })
		b.Run("scan100/"+kind.name, func(b *testing.B) { benchmarkScan(b, kind.open(b)) })
	}
}

const recordKey = "task-1:%08d"

// record is about as large as an event with a piece of a reply.
var record = bytes.Repeat([]byte("r"), 100)

func putRecord(i int) task.Op {
	return task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: fmt.Sprintf(recordKey, i), Value: record}
}

func benchmarkPut(b *testing.B, s task.Store) {
	i := 0
	for b.Loop() {
		mustCommit(b, s, putRecord(i))
		i++
	}
}

// benchmarkFrame is what the engine commits for what a turn has written since
// the commit before.
func benchmarkFrame(b *testing.B, s task.Store) {
	row := bytes.Repeat([]byte("r"), 150)
	mustCommit(b, s, task.Op{Kind: task.Create, Bucket: task.BucketTasks, Key: "task-1", Value: row})
	i := 0
	for b.Loop() {
		mustCommit(b, s, task.Op{Kind: task.Expect, Bucket: task.BucketTasks, Key: "task-1", Value: row}, putRecord(i))
		i++
	}
}

func fill(b *testing.B, s task.Store) {
	b.Helper()
	var ops []task.Op
	for i := range 10_000 {
		ops = append(ops, putRecord(i))
	}
	mustCommit(b, s, ops...)
}

func benchmarkGet(b *testing.B, s task.Store) {
	fill(b, s)
	i := 0
	for b.Loop() {
		if _, err := s.Get(context.Background(), task.BucketEvents, putRecord(i%10_000).Key); err != nil {
			b.Fatal(err)
		}
		i += 7919
	}
}

func benchmarkScan(b *testing.B, s task.Store) {
	fill(b, s)
	i := 0
	for b.Loop() {
		found, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents, From: putRecord(i % 9_900).Key, Limit: 100})
		if err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
		i += 79
	}
}

// benchmarkStream has the engine stream replies of 4,000 chunks, and says what a
// chunk costs.
func benchmarkStream(b *testing.B, s task.Store) {
	const chunks = 4000
	e, err := task.Open(context.Background(), s, func(_ context.Context, x *task.Execution) error {
		for range chunks {
			if _, err := x.WriteText(record[:20]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Drain(context.Background())
	for b.Loop() {
		req := &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go"))}
		n := 0
		if err := e.StreamMessage(context.Background(), req, func(uint64, a2a.Event) bool { n++; return true }); err != nil || n < chunks {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunks, "ns/chunk")
}

func mustCommit(tb testing.TB, s task.Store, ops ...task.Op) {
	tb.Helper()
	if err := s.Commit(context.Background(), ops); err != nil {
		tb.Fatal(err)
	}
}
