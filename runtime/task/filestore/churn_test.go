package filestore_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// A working set of a bounded size needs a file of a bounded size, however often
// it changes.
func TestTheFileDoesNotGrowForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	const tasks, events = 20, 50
	var early int64
	for i := range 600 {
		ops := []task.Op{{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: fmt.Sprintf("%06d", 0), To: fmt.Sprintf("%06d", max(0, i-tasks))}}
		for j := range events {
			ops = append(ops, task.Op{Kind: task.Create, Bucket: task.BucketEvents, Key: fmt.Sprintf("%06d/%04d", i, j), Value: make([]byte, 300)})
		}
		commit(t, s, ops...)
		if i == 100 {
			early = fileSize(t, path)
		}
	}
	if late := fileSize(t, path); late > early {
		t.Errorf("the file grew from %d to %d bytes, with the same number of entries in it", early, late)
	}
	if n := count(t, s); n != (tasks+1)*events {
		t.Errorf("%d events, want %d", n, (tasks+1)*events)
	}
}

// Whatever bolt makes of its pages, the check at opening finds nothing wrong.
func TestHistoriesAreFoundWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	const seed, rounds = 5, 60
	r := rand.New(rand.NewPCG(seed, rounds))
	model := map[string]string{}
	key := func() string { return fmt.Sprintf("%0*d", 1+r.IntN(8), r.IntN(3000)) }
	for round := range rounds {
		s := open(t, path)
		for range 1 + r.IntN(8) {
			var ops []task.Op
			for range r.IntN(200) {
				k, v := key(), string(make([]byte, r.IntN(1<<r.IntN(14))))
				switch r.IntN(10) {
				default:
					ops = append(ops, task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: k, Value: []byte(v)})
					model[k] = v
				case 0, 1, 2:
					ops = append(ops, task.Op{Kind: task.Delete, Bucket: task.BucketEvents, Key: k})
					delete(model, k)
				}
			}
			if r.IntN(5) == 0 {
				from, to := key(), key()
				ops = append(ops, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: from, To: to})
				maps.DeleteFunc(model, func(k, _ string) bool { return k >= from && k < to })
			}
			commit(t, s, ops...)
		}
		keys := slices.Sorted(maps.Keys(model))
		for _, reverse := range []bool{false, true} {
			from, to := key(), key()
			found, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents, From: from, To: to, Reverse: reverse})
			if err != nil {
				t.Fatal(err)
			}
			if reverse {
				slices.Reverse(found)
			}
			i, _ := slices.BinarySearch(keys, from)
			j, _ := slices.BinarySearch(keys, to)
			want := keys[i:max(i, j)]
			if !slices.EqualFunc(want, found, func(k string, e task.Entry) bool { return k == e.Key && model[k] == string(e.Value) }) {
				t.Fatalf("seed %d, round %d: Scan from %q to %q, reverse: %t, gives %d entries, want %d", seed, round, from, to, reverse, len(found), len(want))
			}
		}
		closed(t, s)
		if err := check(path); err != nil {
			t.Fatalf("seed %d, round %d: bolt finds the file damaged: %v", seed, round, err)
		}
	}
}
