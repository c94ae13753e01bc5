package pgstore

import (
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// What a plan leaves is what the operations leave one by one, and it touches no
// entry twice.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	key := func() string {
		b := make([]byte, r.IntN(3))
		for i := range b {
			b[i] = []byte{0, 'a', 'b', 0xff}[r.IntN(4)]
		}
		return string(b)
	}
	for seed := range 20_000 {
		want := map[string]string{}
		for range r.IntN(12) {
			want[key()] = "before"
		}
		got := maps.Clone(want)
		ops := make([]task.Op, r.IntN(8))
		for i := range ops {
			op := task.Op{Bucket: task.BucketTasks, Key: key(), To: key(), Value: []byte{byte(i)}, Kind: task.Put}
			switch r.IntN(5) {
			case 0:
				op.Kind = task.Delete
				delete(want, op.Key)
			case 1, 2:
				op.Kind = task.DeleteRange
				maps.DeleteFunc(want, func(k, _ string) bool { return k >= op.Key && k < op.To })
			default:
				want[op.Key] = string(op.Value)
			}
			ops[i] = op
		}
		p, err := newPlan(ops)
		if err != nil {
			t.Fatal(err)
		}
		for i, first := range p.remove.keys {
			inRange := func(k string) bool { return k >= string(first) && k < string(p.remove.values[i]) }
			maps.DeleteFunc(got, func(k, _ string) bool { return inRange(k) })
			for _, set := range p.set.keys {
				if inRange(string(set)) {
					t.Fatalf("round %d: %v removes and sets %q", seed, ops, set)
				}
			}
		}
		seen := map[string]bool{}
		for i, set := range p.set.keys {
			if seen[string(set)] {
				t.Fatalf("round %d: %v sets %q twice", seed, ops, set)
			}
			seen[string(set)] = true
			got[string(set)] = string(p.set.values[i])
		}
		if !maps.Equal(want, got) {
			t.Fatalf("round %d: %v leave %q, the plan leaves %q", seed, ops, want, got)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	for want, op := range map[string]task.Op{
		"no bucket":      {Kind: task.Put, Bucket: "elsewhere"},
		"of kind 9":      {Kind: 9, Bucket: task.BucketTasks},
		"of kind -1":     {Kind: -1, Bucket: task.BucketTasks},
		"a key of":       {Kind: task.Put, Bucket: task.BucketTasks, Key: strings.Repeat("k", maxKey+1)},
		"make several":   {Kind: task.Put, Bucket: task.BucketTasks, Value: make([]byte, maxCommit+1)},
		"bytes in bucke": {Kind: task.DeleteRange, Bucket: task.BucketTasks, To: strings.Repeat("k", maxKey+1)},
	} {
		if _, err := newPlan([]task.Op{op}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something with %q", err, want)
		}
	}
}

func TestDigest(t *testing.T) {
	base := []task.Op{{Kind: task.Put, Bucket: "b", Key: "k", Value: []byte("v")}}
	seen := map[digest]int{digestOf(base): -1}
	for i, ops := range [][]task.Op{
		{},
		{base[0], base[0]},
		{{Kind: task.Create, Bucket: "b", Key: "k", Value: []byte("v")}},
		{{Kind: task.Put, Bucket: "bk", Key: "", Value: []byte("v")}},
		{{Kind: task.Put, Bucket: "b", Key: "kv", Value: []byte("")}},
		{{Kind: task.Put, Bucket: "b", Key: "kv", Value: nil}},
		{{Kind: task.Put, Bucket: "b", Key: "k", To: "v", Value: []byte("")}},
	} {
		if j, found := seen[digestOf(ops)]; found {
			t.Errorf("operations %d and %d have the same digest", i, j)
		}
		seen[digestOf(ops)] = i
	}
}
