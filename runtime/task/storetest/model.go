package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// model is the store as the contract has it, too simple to be wrong.
type model map[task.Bucket]map[string]string

// commit returns what the buckets hold after the operations, and whether the
// conditions among them hold.
func (m model) commit(ops []task.Op) (model, bool) {
	for _, op := range ops {
		value, found := m[op.Bucket][op.Key]
		if op.Kind == task.Create && found {
			return m, false
		}
		if op.Kind == task.Expect && (found != (op.Value != nil) || value != string(op.Value)) {
			return m, false
		}
	}
	for _, op := range ops {
		switch op.Kind {
		case task.Put, task.Create:
			m[op.Bucket][op.Key] = string(op.Value)
		case task.Delete:
			delete(m[op.Bucket], op.Key)
		case task.DeleteRange:
			for key := range m[op.Bucket] {
				if key >= op.Key && key < op.To {
					delete(m[op.Bucket], key)
				}
			}
		case task.Expect:
		}
	}
	return m, true
}

func (m model) scan(r task.Range) []task.Entry {
	var found []task.Entry
	for key, value := range m[r.Bucket] {
		if key >= r.From && (r.To == "" || key < r.To) {
			found = append(found, entry(key, value))
		}
	}
	slices.SortFunc(found, func(a, b task.Entry) int {
		if (a.Key < b.Key) != r.Reverse {
			return -1
		}
		return 1
	})
	if r.Limit > 0 && len(found) > r.Limit {
		found = found[:r.Limit]
	}
	return found
}

// testModel draws histories and compares each answer with the model's.
func testModel(t *testing.T, s task.Store) {
	const seed, steps = 20, 400
	d := drawer{rand.New(rand.NewPCG(seed, steps))}
	ctx := context.Background()
	m := model{}
	for _, b := range modelBuckets {
		m[b] = map[string]string{}
	}
	for step := range steps {
		where := fmt.Sprintf("seed %d, step %d", seed, step)
		ops := d.ops(m)
		next, ok := m.commit(ops)
		err := s.Commit(ctx, ops)
		if ok && err != nil || !ok && !errors.Is(err, task.ErrConflict) {
			t.Fatalf("%s: Commit(%s) = %v, the conditions hold: %t", where, describe(ops), err, ok)
		}
		m = next
		r := d.scan()
		got, err := s.Scan(ctx, r)
		if err != nil {
			t.Fatalf("%s: Scan(%+v): %v", where, r, err)
		}
		if diff := differ(m.scan(r), got); diff != "" {
			t.Fatalf("%s: Scan(%+v) after Commit(%s) (-want +got):\n%s", where, r, describe(ops), diff)
		}
		b, key := d.bucket(), d.key()
		want, found := m[b][key]
		value, err := s.Get(ctx, b, key)
		if found && (err != nil || string(value) != want) || !found && !errors.Is(err, task.ErrNotFound) {
			t.Fatalf("%s: Get(%s, %q) = %q, %v; want %q, there: %t", where, b, key, value, err, want, found)
		}
	}
	for _, b := range modelBuckets {
		holds(t, s, b, m.scan(task.Range{Bucket: b})...)
	}
}

var modelBuckets = []task.Bucket{task.BucketTasks, task.BucketEvents, task.BucketOutbox}

// drawer draws operations and ranges over few keys, so that they meet.
type drawer struct{ *rand.Rand }

func (d drawer) bucket() task.Bucket { return modelBuckets[d.IntN(len(modelBuckets))] }

func (d drawer) key() string {
	key := make([]byte, 1+d.IntN(3))
	for i := range key {
		key[i] = []byte{0, 'a', 'b', 'c', 0xff}[d.IntN(5)]
	}
	return string(key)
}

func (d drawer) value() []byte {
	size := d.IntN(30)
	if d.IntN(20) == 0 {
		size = d.IntN(20_000)
	}
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(d.IntN(256))
	}
	return value
}

func (d drawer) ops(m model) []task.Op {
	var ops []task.Op
	for range d.IntN(12) {
		op := task.Op{Kind: task.Put, Bucket: d.bucket(), Key: d.key(), Value: d.value()}
		switch n := d.IntN(40); {
		case n < 8:
			op.Kind, op.Value = task.Delete, nil
		case n < 10:
			op.Kind, op.Value, op.To = task.DeleteRange, nil, d.key()
		case n < 13:
			op.Kind = task.Create
		case n < 14: // most likely a conflict
			op.Kind = task.Expect
		case n < 18:
			op.Kind, op.Value = task.Expect, nil
			if value, found := m[op.Bucket][op.Key]; found {
				op.Value = []byte(value)
			}
		}
		ops = append(ops, op)
	}
	return ops
}

func (d drawer) scan() task.Range {
	r := task.Range{Bucket: d.bucket(), Reverse: d.IntN(2) == 0}
	if d.IntN(3) > 0 {
		r.From = d.key()
	}
	if d.IntN(3) > 0 {
		r.To = d.key()
	}
	if d.IntN(2) > 0 {
		r.Limit = 1 + d.IntN(10)
	}
	return r
}
