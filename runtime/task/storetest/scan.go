package storetest

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func testScan(t *testing.T, s task.Store) {
	for _, key := range []string{"a", "b", "b\x00", "b\xff", "c", "d"} {
		must(t, s, put(here, key, "v"+key), put(there, key, "other"))
	}
	for _, tc := range []struct {
		r    task.Range
		want []string
	}{
		{task.Range{}, []string{"a", "b", "b\x00", "b\xff", "c", "d"}},
		{task.Range{From: "b"}, []string{"b", "b\x00", "b\xff", "c", "d"}},
		{task.Range{From: "bb"}, []string{"b\xff", "c", "d"}},
		{task.Range{To: "c"}, []string{"a", "b", "b\x00", "b\xff"}},
		{task.Range{To: "b\x00"}, []string{"a", "b"}},
		{task.Range{From: "b", To: "c"}, []string{"b", "b\x00", "b\xff"}},
		{task.Range{From: "b", To: "b"}, nil},
		{task.Range{From: "c", To: "b"}, nil},
		{task.Range{From: "e"}, nil},
		{task.Range{To: "a"}, nil},
		{task.Range{To: "\xff"}, []string{"a", "b", "b\x00", "b\xff", "c", "d"}},
		{task.Range{From: "b", To: "c", Limit: 2}, []string{"b", "b\x00"}},
		{task.Range{Limit: 1}, []string{"a"}},
		{task.Range{Limit: 6}, []string{"a", "b", "b\x00", "b\xff", "c", "d"}},
		{task.Range{Limit: 100, From: "c"}, []string{"c", "d"}},
		{task.Range{Reverse: true}, []string{"d", "c", "b\xff", "b\x00", "b", "a"}},
		{task.Range{Reverse: true, From: "b"}, []string{"d", "c", "b\xff", "b\x00", "b"}},
		{task.Range{Reverse: true, From: "bb"}, []string{"d", "c", "b\xff"}},
		{task.Range{Reverse: true, To: "c"}, []string{"b\xff", "b\x00", "b", "a"}},
		{task.Range{Reverse: true, To: "bb"}, []string{"b\x00", "b", "a"}},
		{task.Range{Reverse: true, To: "z"}, []string{"d", "c", "b\xff", "b\x00", "b", "a"}},
		{task.Range{Reverse: true, To: "a"}, nil},
		{task.Range{Reverse: true, From: "b", To: "c"}, []string{"b\xff", "b\x00", "b"}},
		{task.Range{Reverse: true, From: "b", To: "b"}, nil},
		{task.Range{Reverse: true, From: "c", To: "b"}, nil},
		{task.Range{Reverse: true, From: "e"}, nil},
		{task.Range{Reverse: true, Limit: 2}, []string{"d", "c"}},
		{task.Range{Reverse: true, From: "a", To: "c", Limit: 3}, []string{"b\xff", "b\x00", "b"}},
	} {
		tc.r.Bucket = here
		var want []task.Entry
		for _, key := range tc.want {
			want = append(want, entry(key, "v"+key))
		}
		got, err := s.Scan(context.Background(), tc.r)
		if err != nil {
			t.Errorf("Scan(%+v): %v", tc.r, err)
			continue
		}
		if diff := differ(want, got); diff != "" {
			t.Errorf("Scan(%+v) (-want +got):\n%s", tc.r, diff)
		}
	}
}

// Keys are compared byte by byte, however they came in.
func testScanOrder(t *testing.T, s task.Store) {
	r := rand.New(rand.NewPCG(1, 2))
	var keys []string
	for range 2000 {
		key := make([]byte, 1+r.IntN(12))
		for i := range key {
			key[i] = []byte{0, 1, 'a', 'A', 0x7f, 0x80, 0xfe, 0xff}[r.IntN(8)]
		}
		keys = append(keys, string(key))
	}
	var ops []task.Op
	for _, key := range keys {
		ops = append(ops, put(here, key, strings.ToUpper(key)))
	}
	must(t, s, ops...)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var want []task.Entry
	for _, key := range keys {
		want = append(want, entry(key, strings.ToUpper(key)))
	}
	holds(t, s, here, want...)
	slices.Reverse(want)
	got, err := s.Scan(context.Background(), task.Range{Bucket: here, Reverse: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := differ(want, got); diff != "" {
		t.Fatalf("reverse Scan (-want +got):\n%s", diff)
	}
}

// Any bytes make a key and a value, the empty string among them.
func testAnyBytes(t *testing.T, s task.Store) {
	keys := []string{
		"", "\x00", "\x00\x00", "\x00\xff", "\x01", " ", "/", "a", "a\x00", "a\x00b", "a\nb",
		"\u00e9", "\x80", "\xff", "\xff\x00", "\xff\xff", strings.Repeat("\xff", 200),
	}
	slices.Sort(keys)
	var ops []task.Op
	var want []task.Entry
	for _, key := range keys {
		ops = append(ops, create(here, key, "\x00"+key+"\xff"))
		want = append(want, entry(key, "\x00"+key+"\xff"))
	}
	slices.Reverse(ops)
	must(t, s, ops...)
	holds(t, s, here, want...)
	for _, key := range keys {
		refused(t, s, create(here, key, "x"))
		must(t, s, expect(here, key, "\x00"+key+"\xff"), remove(here, key))
		absent(t, s, here, key)
	}
	holds(t, s, here)
}
