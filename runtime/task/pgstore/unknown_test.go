package pgstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

const here = task.BucketTasks

func put(key, value string) task.Op {
	return task.Op{Kind: task.Put, Bucket: here, Key: key, Value: []byte(value)}
}

func create(key, value string) task.Op {
	return task.Op{Kind: task.Create, Bucket: here, Key: key, Value: []byte(value)}
}

func expect(key, value string) task.Op {
	return task.Op{Kind: task.Expect, Bucket: here, Key: key, Value: []byte(value)}
}

// holds checks what the store has under a key; empty: nothing.
func holds(t *testing.T, s task.Store, key, want string) {
	t.Helper()
	value, err := s.Get(context.Background(), here, key)
	if err != nil && !errors.Is(err, task.ErrNotFound) || string(value) != want {
		t.Errorf("Get(%q) = %q, %v; want %q", key, value, err, want)
	}
}

// marked is part of what trouble comes to.
const marked = "the marked one"

func commitUnknown(t *testing.T, s task.Store, w *wire, ops ...task.Op) {
	t.Helper()
	if err := s.Commit(context.Background(), ops); !errors.Is(err, pgstore.ErrUnknown) {
		t.Fatalf("Commit = %v, want pgstore.ErrUnknown", err)
	}
	if n := w.left(); n != 0 {
		t.Fatalf("%d troubles have not come", n)
	}
}

// A commit whose answer is lost is neither lost nor made twice, and its caller
// hears nothing of it.
func TestLostAnswer(t *testing.T) {
	for name, plan := range map[string][]trouble{
		"answer":            {loseAnswer},
		"answer twice":      {loseAnswer, loseAnswer},
		"request":           {loseRequest},
		"request, answer":   {loseRequest, loseAnswer},
		"answer, request":   {loseAnswer, loseRequest},
		"held":              {hold},
		"held, then answer": {hold, loseAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			s := openOn(t, w, server(t), workspace())
			mustCommit(t, s, put("k", "old"))
			w.expect(marked, plan...)
			mustCommit(t, s, expect("k", "old"), put("k", marked), create("l", "one"))
			if n := w.left(); n != 0 {
				t.Fatalf("%d troubles have not come", n)
			}
			holds(t, s, "k", marked)
			// What comes late changes nothing any more.
			mustCommit(t, s, put("k", "old"), task.Op{Kind: task.Delete, Bucket: here, Key: "l"})
			w.release()
			holds(t, s, "k", "old")
			holds(t, s, "l", "")
		})
	}
}

// A conflict whose answer is lost stays one.
func TestLostConflict(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace())
	mustCommit(t, s, put("k", "other"))
	for _, plan := range [][]trouble{{loseAnswer}, {loseRequest}, {hold}} {
		w.expect(marked, plan...)
		if err := s.Commit(t.Context(), []task.Op{expect("k", "old"), put("k", marked)}); !errors.Is(err, task.ErrConflict) {
			t.Fatalf("Commit = %v, want task.ErrConflict", err)
		}
		mustCommit(t, s, put("k", "old"))
		w.release()
		holds(t, s, "k", "old")
		mustCommit(t, s, put("k", "other"))
	}
}

// The engine commits the same again after an error, whatever the error. That
// finds out what has become of the first one.
func TestUnknownThenTheSameAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		plan     []trouble
		meantime []task.Op // by another process
		wantErr  error
		want     string // under k
	}{
		"made":                {plan: []trouble{loseAnswer, loseRequest, loseRequest}, want: marked},
		"not made":            {plan: []trouble{loseRequest, loseRequest, loseRequest}, want: marked},
		"late":                {plan: []trouble{hold, hold, hold}, want: marked},
		"made, moved on":      {plan: []trouble{loseAnswer, loseRequest, loseRequest}, meantime: []task.Op{put("k", "newer")}, want: "newer"},
		"not made, moved on":  {plan: []trouble{loseRequest, loseRequest, loseRequest}, meantime: []task.Op{put("k", "newer")}, wantErr: task.ErrConflict, want: "newer"},
		"late, moved on":      {plan: []trouble{hold, loseRequest, hold}, meantime: []task.Op{put("k", "newer")}, wantErr: task.ErrConflict, want: "newer"},
		"made, as it was":     {plan: []trouble{loseAnswer, hold, loseRequest}, meantime: []task.Op{put("k", "old")}, want: marked},
		"not made, as it was": {plan: []trouble{loseRequest, hold, hold}, meantime: []task.Op{put("k", "old")}, want: marked},
	} {
		t.Run(name, func(t *testing.T) {
			w, dsn, name := &wire{}, server(t), workspace()
			s, other := openOn(t, w, dsn, name), open(t, dsn, name)
			mustCommit(t, s, put("k", "old"))
			ops := []task.Op{expect("k", "old"), put("k", marked)}
			w.expect(marked, tc.plan...)
			commitUnknown(t, s, w, ops...)
			if tc.meantime != nil {
				mustCommit(t, other, tc.meantime...)
			}
			if err := s.Commit(t.Context(), ops); !errors.Is(err, tc.wantErr) {
				t.Fatalf("the same again = %v, want %v", err, tc.wantErr)
			}
			holds(t, s, "k", tc.want)
			mustCommit(t, s, put("k", "old"))
			w.release()
			holds(t, s, "k", "old")
			// Now it is known: once more is another commit.
			mustCommit(t, s, ops...)
			if err := s.Commit(t.Context(), ops); !errors.Is(err, task.ErrConflict) {
				t.Errorf("a new commit = %v, want task.ErrConflict", err)
			}
		})
	}
}

// Nobody comes back for the commit that is not known: it does not come back
// either, once another one has been answered.
func TestUnknownAndLeft(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace())
	w.expect(marked, hold, hold, hold)
	commitUnknown(t, s, w, put("k", marked))
	mustCommit(t, s, put("k", "newer"))
	w.release()
	holds(t, s, "k", "newer")
	mustCommit(t, s, put("k", marked)) // a new one, which is made
	holds(t, s, "k", marked)
}

// Unknown again and again, then known.
func TestUnknownManyTimes(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace())
	ops := []task.Op{create("k", marked)}
	for range 5 {
		w.expect(marked, loseAnswer, loseRequest, loseAnswer)
		commitUnknown(t, s, w, ops...)
	}
	mustCommit(t, s, ops...)
	holds(t, s, "k", marked)
	if err := s.Commit(t.Context(), ops); !errors.Is(err, task.ErrConflict) {
		t.Errorf("a new commit = %v, want task.ErrConflict", err)
	}
}

// A server that says nothing any more holds up nobody for ever.
func TestSilentServer(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace(), pgstore.WithCallTimeout(300*time.Millisecond))
	mustCommit(t, s, put("warm", "up"))
	w.expect(marked, stall)
	err := s.Commit(t.Context(), []task.Op{create("k", marked)})
	if !errors.Is(err, pgstore.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Commit = %v, want pgstore.ErrUnknown and context.DeadlineExceeded", err)
	}
	mustCommit(t, s, create("k", marked))
	w.expect(marked, stall)
	if _, err := s.Get(t.Context(), here, marked); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Get = %v, want context.DeadlineExceeded", err)
	}
	holds(t, s, "k", marked)
}

// A caller that leaves in the middle gets an answer, or learns that there is
// none.
func TestCallerLeaves(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace())
	mustCommit(t, s, put("warm", "up"))
	ctx, cancel := context.WithCancel(context.Background())
	w.expect(marked, stall)
	time.AfterFunc(50*time.Millisecond, cancel)
	err := s.Commit(ctx, []task.Op{create("k", marked)})
	if !errors.Is(err, pgstore.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit = %v, want pgstore.ErrUnknown and context.Canceled", err)
	}
	mustCommit(t, s, create("k", marked))
	holds(t, s, "k", marked)
}

// Reads are tried again.
func TestLostRead(t *testing.T) {
	w := &wire{}
	s := openOn(t, w, server(t), workspace())
	mustCommit(t, s, put(marked, "value"))
	for _, plan := range [][]trouble{{loseAnswer, loseAnswer}, {loseRequest}} {
		w.expect(marked, plan...)
		holds(t, s, marked, "value")
		w.expect(marked, plan...)
		found, err := s.Scan(t.Context(), task.Range{Bucket: here, From: marked})
		if err != nil || len(found) != 1 {
			t.Errorf("Scan = %v, %v; want one entry", found, err)
		}
	}
	w.expect(marked, loseAnswer, loseRequest, loseAnswer)
	if _, err := s.Get(t.Context(), here, marked); err == nil || !strings.Contains(err.Error(), "pgstore: ") {
		t.Errorf("Get = %v, want what the network said", err)
	}
}
