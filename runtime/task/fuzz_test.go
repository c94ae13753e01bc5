package task_test

import (
	"context"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// FuzzStore opens an engine on records that somebody else has written: it does
// not panic, says what it could not read, leaves nothing in working, and goes on.
func FuzzStore(f *testing.F) {
	const id = "01a20a20-a9b7-7185-953a-e02000d67408"
	real := func(run task.RunFunc) (row, first, second, seen []byte) {
		d := newDisk()
		e, kill := d.live(f, run)
		made := finish(f, e, send("hi"))
		kill()
		value := func(b task.Bucket, from string, n int) []byte {
			found, err := d.Scan(f.Context(), task.Range{Bucket: b, From: from})
			if err != nil || len(found) <= n {
				f.Fatalf("%d entries in %s, %v", len(found), b, err)
			}
			return found[n].Value
		}
		return value(task.BucketTasks, "", 0), value(task.BucketEvents, string(made.ID), 0), value(task.BucketEvents, string(made.ID), 1), value(task.BucketMessages, "", 0)
	}
	for _, run := range []task.RunFunc{echo, travel} {
		row, first, second, seen := real(run)
		f.Add(row, first, second, seen, true)
		f.Add(row, first, []byte{}, seen, false)
	}
	f.Add([]byte(`{"context":"c","state":"TASK_STATE_WORKING","at":1,"attempt":1}`), []byte("\x01\x01s\x02{}"), []byte("\x01\x02t\x02hi"), []byte(`{}`), true)
	f.Fuzz(func(t *testing.T, row, first, second, seen []byte, resume bool) {
		d := newDisk()
		ops := []task.Op{
			{Kind: task.Put, Bucket: task.BucketTasks, Key: id, Value: row},
			{Kind: task.Put, Bucket: task.BucketOpen, Key: id, Value: []byte{}},
			{Kind: task.Put, Bucket: task.BucketEvents, Key: id + ":\x00\x00\x00\x00\x00\x00\x00\x01", Value: first},
			{Kind: task.Put, Bucket: task.BucketEvents, Key: id + ":\x00\x00\x00\x00\x00\x00\x00\x03", Value: second},
			{Kind: task.Put, Bucket: task.BucketListed, Key: string(first), Value: row},
			{Kind: task.Put, Bucket: task.BucketFinished, Key: string(second), Value: first},
			{Kind: task.Put, Bucket: task.BucketSeen, Key: string(second), Value: first},
			{Kind: task.Put, Bucket: task.BucketMessages, Key: string(seen), Value: seen},
			{Kind: task.Put, Bucket: task.BucketPush, Key: string(seen), Value: seen},
			{Kind: task.Put, Bucket: task.BucketOutbox, Key: string(first), Value: seen},
		}
		if err := d.Commit(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
		log := &logged{}
		opts := []task.Option{task.WithLogger(log.logger()), task.WithPush(&phone{}), task.WithLimits(task.Limits{MaxFinished: 1, MaxMessages: 1})}
		if resume {
			opts = append(opts, task.WithResume(3))
		}
		run := func(_ context.Context, x *task.Execution) error {
			_, err := x.WriteText([]byte(x.Written()))
			return err
		}
		e, err := task.Open(t.Context(), d, run, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		got, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
		if err == nil && !got.Status.State.Terminal() && got.Status.State != a2a.TaskStateInputRequired {
			t.Errorf("it is left in %s", got.Status.State)
		}
		if err != nil && log.String() == "" {
			t.Errorf("it is gone without a word: %v", err)
		}
		if _, err := e.ListTasks(t.Context(), nil); err != nil {
			t.Error(err)
		}
		e.Close()
	})
}
