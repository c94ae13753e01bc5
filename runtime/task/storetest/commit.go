package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func testPut(t *testing.T, s task.Store) {
	absent(t, s, here, "k")
	must(t, s) // no operations at all
	holds(t, s, here)
	must(t, s, put(here, "k", "one"))
	holds(t, s, here, entry("k", "one"))
	must(t, s, put(here, "k", "two"))
	holds(t, s, here, entry("k", "two"))
	holds(t, s, there)
	for _, b := range task.Buckets() {
		must(t, s, put(b, "name", string(b)))
	}
	for _, b := range task.Buckets() {
		if value, err := s.Get(context.Background(), b, "name"); err != nil || string(value) != string(b) {
			t.Errorf("Get(%s) = %q, %v; want the bucket's own value", b, value, err)
		}
	}
}

func testCreate(t *testing.T, s task.Store) {
	must(t, s, create(here, "k", "one"))
	holds(t, s, here, entry("k", "one"))
	refused(t, s, create(here, "k", "two"))
	refused(t, s, create(here, "k", "one"))
	holds(t, s, here, entry("k", "one"))
	must(t, s, create(there, "k", "other"))
	must(t, s, remove(here, "k"))
	must(t, s, create(here, "k", "three"))
	holds(t, s, here, entry("k", "three"))
	holds(t, s, there, entry("k", "other"))
}

func testExpect(t *testing.T, s task.Store) {
	must(t, s, expectNone(here, "k"))
	refused(t, s, expect(here, "k", "one"))
	holds(t, s, here)
	must(t, s, put(here, "k", "one"))
	must(t, s, expect(here, "k", "one"))
	for _, op := range []task.Op{
		expectNone(here, "k"), expect(here, "k", "on"), expect(here, "k", "one "),
		expect(here, "k", ""), expect(there, "k", "one"), expect(here, "l", "one"),
	} {
		refused(t, s, op)
	}
	must(t, s, expect(here, "k", "one"), put(here, "k", "two"))
	holds(t, s, here, entry("k", "two"))
	holds(t, s, there)
}

func testDelete(t *testing.T, s task.Store) {
	must(t, s, remove(here, "k"))
	must(t, s, put(here, "k", "one"), put(here, "k2", "two"), put(there, "k", "three"))
	must(t, s, remove(here, "k"))
	absent(t, s, here, "k")
	holds(t, s, here, entry("k2", "two"))
	holds(t, s, there, entry("k", "three"))
}

func testDeleteRange(t *testing.T, s task.Store) {
	fill := func() {
		t.Helper()
		must(t, s, put(here, "a", "1"), put(here, "b", "2"), put(here, "b\x00", "3"), put(here, "c", "4"), put(there, "b", "5"))
	}
	a, b, b0, c := entry("a", "1"), entry("b", "2"), entry("b\x00", "3"), entry("c", "4")
	for _, tc := range []struct {
		from, to string
		left     []task.Entry
	}{
		{"b", "c", []task.Entry{a, c}},
		{"b", "b", []task.Entry{a, b, b0, c}},
		{"b", "b\x00", []task.Entry{a, b0, c}},
		{"a\x00", "b\x01", []task.Entry{a, c}},
		{"", "b", []task.Entry{b, b0, c}},
		{"", "\xff", nil},
		{"c", "z", []task.Entry{a, b, b0}},
		{"d", "z", []task.Entry{a, b, b0, c}},
		{"c", "a", []task.Entry{a, b, b0, c}}, // the wrong way round: nothing is between
		{"b", "", []task.Entry{a, b, b0, c}},  // no key comes before the empty one
	} {
		fill()
		must(t, s, removeRange(here, tc.from, tc.to))
		holds(t, s, here, tc.left...)
		holds(t, s, there, entry("b", "5"))
	}
	var ops []task.Op
	for i := range 3000 {
		ops = append(ops, put(there, string([]byte{'n', byte(i >> 8), byte(i)}), "x"))
	}
	must(t, s, ops...)
	must(t, s, removeRange(there, "n\x00\x01", "n\x0b\xb7"))
	holds(t, s, there, entry("b", "5"), entry("n\x00\x00", "x"), entry("n\x0b\xb7", "x"))
}

// Operations are applied in their order, each to what the one before it left.
func testOrderOfOps(t *testing.T, s task.Store) {
	must(t, s, put(here, "k", "one"), put(here, "k", "two"))
	holds(t, s, here, entry("k", "two"))
	must(t, s, put(here, "l", "one"), remove(here, "l"), remove(here, "k"), put(here, "k", "three"))
	holds(t, s, here, entry("k", "three"))
	must(t, s, put(here, "m", "in"), removeRange(here, "a", "z"), put(here, "n", "after"), put(here, "k", "back"))
	holds(t, s, here, entry("k", "back"), entry("n", "after"))
}

// What Create and Expect ask for is what was there before the commit, wherever
// they stand in it.
func testConditionsHoldBefore(t *testing.T, s task.Store) {
	must(t, s, put(here, "k", "old"))
	must(t, s, put(here, "k", "new"), expect(here, "k", "old"))
	holds(t, s, here, entry("k", "new"))
	refused(t, s, remove(here, "k"), create(here, "k", "again"))
	refused(t, s, put(here, "k", "newer"), expect(here, "k", "newer"))
	refused(t, s, removeRange(here, "", "z"), expectNone(here, "k"))
	holds(t, s, here, entry("k", "new"))
	must(t, s, put(here, "l", "one"), create(here, "l", "two"))
	holds(t, s, here, entry("k", "new"), entry("l", "two"))
	must(t, s, create(here, "m", "one"), expectNone(here, "m"), create(here, "m", "two"))
	holds(t, s, here, entry("k", "new"), entry("l", "two"), entry("m", "two"))
}

func testRefusedChangesNothing(t *testing.T, s task.Store) {
	must(t, s, put(here, "a", "1"), put(here, "b", "2"), put(there, "c", "3"))
	check := func() {
		t.Helper()
		holds(t, s, here, entry("a", "1"), entry("b", "2"))
		holds(t, s, there, entry("c", "3"))
	}
	changes := []task.Op{
		put(here, "a", "changed"), create(here, "new", "x"), remove(here, "b"),
		removeRange(there, "", "z"), put(there, "d", "x"),
	}
	for _, bad := range []task.Op{
		create(here, "a", "x"), expect(here, "a", "x"), expectNone(there, "c"), expect(there, "d", "x"),
	} {
		for at := range len(changes) + 1 {
			ops := append([]task.Op(nil), changes[:at]...)
			ops = append(append(ops, bad), changes[at:]...)
			refused(t, s, ops...)
			check()
		}
	}
}

func testUnknownBucket(t *testing.T, s task.Store) {
	const nowhere = task.Bucket("no such bucket")
	ctx := context.Background()
	for _, op := range []task.Op{
		put(nowhere, "k", "v"), create(nowhere, "k", "v"), expectNone(nowhere, "k"),
		remove(nowhere, "k"), removeRange(nowhere, "a", "z"),
	} {
		err := s.Commit(ctx, []task.Op{put(here, "k", "v"), op, put(here, "l", "v")})
		if err == nil || errors.Is(err, task.ErrConflict) {
			t.Errorf("Commit(%s) = %v, want an error other than task.ErrConflict", describe([]task.Op{op}), err)
		}
		holds(t, s, here)
	}
	if value, err := s.Get(ctx, nowhere, "k"); err == nil {
		t.Errorf("Get of an unknown bucket = %q, want an error", value)
	}
	if found, err := s.Scan(ctx, task.Range{Bucket: nowhere}); err == nil {
		t.Errorf("Scan of an unknown bucket = %v, want an error", found)
	}
}

func testEmptyIsNotAbsent(t *testing.T, s task.Store) {
	refused(t, s, expect(here, "k", ""))
	must(t, s, create(here, "k", ""))
	holds(t, s, here, entry("k", ""))
	must(t, s, expect(here, "k", ""))
	refused(t, s, expectNone(here, "k"))
	refused(t, s, create(here, "k", ""))
	refused(t, s, expect(here, "k", "\x00"))

	// Put and Create of nil set an empty value.
	must(t, s, task.Op{Kind: task.Put, Bucket: here, Key: "k"}, task.Op{Kind: task.Create, Bucket: here, Key: "l"})
	if value, err := s.Get(context.Background(), here, "l"); err != nil || len(value) != 0 {
		t.Errorf("Get = %q, %v; want an empty value", value, err)
	}
	must(t, s, expect(here, "k", ""), expect(here, "l", ""))
	refused(t, s, expectNone(here, "l"))
}

func testLargeValue(t *testing.T, s task.Store) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	key := string(bytes.Repeat([]byte{0xff}, 200))           // as long as keys get
	must(t, s, task.Op{Kind: task.Put, Bucket: here, Key: key, Value: large})
	must(t, s, task.Op{Kind: task.Expect, Bucket: here, Key: key, Value: large})
	got, err := s.Get(context.Background(), here, key)
	if err != nil || !bytes.Equal(got, large) {
		t.Errorf("Get = %d bytes, %v; want the %d bytes that were put", len(got), err, len(large))
	}
	must(t, s, put(here, key, "small"))
	holds(t, s, here, entry(key, "small"))
}

// What was given to Commit is the caller's again when it has returned, and what
// was read stays as it was.
func testOwnership(t *testing.T, s task.Store) {
	ctx := context.Background()
	value := []byte("value")
	ops := []task.Op{
		{Kind: task.Put, Bucket: here, Key: "k", Value: value},
		{Kind: task.Create, Bucket: here, Key: "l", Value: value},
		{Kind: task.Expect, Bucket: here, Key: "m", Value: nil},
	}
	must(t, s, ops...)
	if string(value) != "value" || ops[0].Key != "k" || ops[1].Kind != task.Create || ops[2].Value != nil {
		t.Errorf("Commit has modified its operations: %s", describe(ops))
	}
	copy(value, "XXXXX")
	ops[0].Key, ops[1].Key = "x", "y"
	holds(t, s, here, entry("k", "value"), entry("l", "value"))

	got, err := s.Get(ctx, here, "k")
	if err != nil {
		t.Fatal(err)
	}
	scanned, err := s.Scan(ctx, task.Range{Bucket: here})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		must(t, s, put(here, "k", string(bytes.Repeat([]byte{byte('a' + i%26)}, 5))), remove(here, "l"))
	}
	if string(got) != "value" || scanned[0].Key != "k" || string(scanned[1].Value) != "value" {
		t.Errorf("later commits have changed what was read before: %q, %v", got, scanned)
	}
}

// A call whose context has ended may answer all the same; if it does not, it
// says so and has changed nothing.
func testEndedContext(t *testing.T, s task.Store) {
	must(t, s, put(here, "a", "1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	want := []task.Entry{entry("a", "1")}
	switch err := s.Commit(ctx, []task.Op{put(here, "b", "2")}); {
	case err == nil:
		want = append(want, entry("b", "2"))
	case !errors.Is(err, context.Canceled):
		t.Errorf("Commit = %v, want nil or context.Canceled", err)
	}
	holds(t, s, here, want...)
	if value, err := s.Get(ctx, here, "a"); !errors.Is(err, context.Canceled) && (err != nil || string(value) != "1") {
		t.Errorf("Get = %q, %v; want the value or context.Canceled", value, err)
	}
	if found, err := s.Scan(ctx, task.Range{Bucket: here}); !errors.Is(err, context.Canceled) && (err != nil || len(found) != len(want)) {
		t.Errorf("Scan = %v, %v; want the entries or context.Canceled", found, err)
	}
	must(t, s, put(here, "c", "3")) // the store goes on
	holds(t, s, here, append(want, entry("c", "3"))...)
}
