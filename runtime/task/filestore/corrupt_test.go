package filestore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// whole returns what is in the file of a store with trees of some depth, free
// pages and values of several pages.
func whole(tb testing.TB) []byte {
	tb.Helper()
	path := filled(tb, 2000)
	s := open(tb, path)
	commit(tb, s, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "task-000002", To: "task-000005"},
		task.Op{Kind: task.Put, Bucket: task.BucketTasks, Key: "large", Value: bytes.Repeat([]byte("large"), 5000)},
		task.Op{Kind: task.Put, Bucket: task.BucketOpen, Key: "small", Value: []byte("a value of its own")})
	closed(tb, s)
	data := read(tb, path)
	return data[:number(data, newest(data)+metaPages)*uint64(os.Getpagesize())]
}

func TestDamageIsSeenWhenItIsOpened(t *testing.T) {
	data := whole(t)
	size := os.Getpagesize()
	at := newest(data)
	rootPage := int(number(data, at+metaRoot)) * size
	freePage := int(number(data, at+metaFreelist)) * size
	free := map[uint64]bool{}
	for i := range int(binary.NativeEndian.Uint16(data[freePage+10:])) {
		free[number(data, freePage+16+8*i)] = true
	}
	branch := 0
	for id := 2; id*size < len(data); id++ {
		if !free[uint64(id)] && binary.NativeEndian.Uint16(data[id*size+8:]) == 1 && number(data, id*size) == uint64(id) {
			branch = id * size
		}
	}
	if branch == 0 || len(free) == 0 {
		t.Fatal("the file has no page that leads to others, or no free ones")
	}
	meta := func(field int, n uint64) func([]byte) []byte {
		return func(b []byte) []byte {
			setNumber(b, at+field, n)
			resum(b, at)
			return b
		}
	}
	set := func(at int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], v); return b }
	}
	for name, damage := range map[string]func([]byte) []byte{
		"one byte":              func([]byte) []byte { return []byte("x") },
		"text":                  func([]byte) []byte { return bytes.Repeat([]byte("this is no store. "), 2000) },
		"zeros":                 func(b []byte) []byte { return make([]byte, len(b)) },
		"cut by a page":         func(b []byte) []byte { return b[:len(b)-size] },
		"cut by a byte":         func(b []byte) []byte { return b[:len(b)-1] },
		"cut to the metas":      func(b []byte) []byte { return b[:2*size] },
		"cut in the first page": func(b []byte) []byte { return b[:100] },
		"both metas torn": func(b []byte) []byte {
			b[16+20]++
			b[size+16+20]++
			return b
		},
		"metas swapped": func(b []byte) []byte {
			return append(append(bytes.Clone(b[size:2*size]), b[:size]...), b[2*size:]...)
		},
		"root beyond the end":      meta(metaRoot, 1<<40),
		"root is a meta page":      meta(metaRoot, 1),
		"root is the free list":    meta(metaRoot, number(data, at+metaFreelist)),
		"free list is the root":    meta(metaFreelist, number(data, at+metaRoot)),
		"free list beyond the end": meta(metaFreelist, uint64(len(data)/size)),
		"more pages than the file": meta(metaPages, 1<<40),
		"page of another number":   set(rootPage, 0xee),
		"page of no kind":          set(rootPage+8, 0x40),
		"page that goes on":        set(rootPage+12, 0xff, 0xff, 0xff, 0x7f),
		"too many elements":        set(rootPage+10, 0xff, 0xff),
		"element out of the page":  set(rootPage+16+4, 0xff, 0xff, 0xff, 0xff),
		"key without end":          set(rootPage+16+8, 0xff, 0xff, 0xff, 0xff),
		"value without end":        set(rootPage+16+12, 0xff, 0xff, 0xff, 0xff),
		"empty key":                set(rootPage+16+8, 0, 0, 0, 0),
		"flags of an element":      set(rootPage+16, 6),
		"circle": func(b []byte) []byte {
			setNumber(b, branch+16+8, uint64(branch/size))
			return b
		},
		"two ways to a page": func(b []byte) []byte {
			setNumber(b, branch+16+8, number(b, branch+16+16+8))
			return b
		},
		"branch without children": set(branch+10, 0, 0),
		"free page beyond the end": func(b []byte) []byte {
			setNumber(b, freePage+16, 1<<30)
			return b
		},
		"free page in use": func(b []byte) []byte {
			setNumber(b, freePage+16, uint64(rootPage/size))
			return b
		},
		"more free pages than fit": func(b []byte) []byte {
			copy(b[freePage+10:], []byte{0xee, 0xee})
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tasks.db")
			write(t, path, damage(bytes.Clone(data)))
			if s, err := filestore.Open(path); !errors.Is(err, filestore.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open = %v, %v; want filestore.ErrCorrupt and the path", s, err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "tasks.db")
	write(t, path, data)
	open(t, path) // undamaged it is good
}

// A commit that did not come to its end leaves the one before it.
func TestATornCommitIsUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	commit(t, s, put(1))
	commit(t, s, put(2))
	closed(t, s)
	data := read(t, path)
	data[newest(data)+metaTxid]++
	write(t, path, data)
	s = open(t, path)
	if n := count(t, s); n != 1 {
		t.Errorf("%d events, want the one of the commit before", n)
	}
	commit(t, s, put(2))
}

func TestAValueThatChanged(t *testing.T) {
	data := whole(t)
	i := bytes.LastIndex(data, []byte("a value of its own"))
	data[i+3] ^= 0x10
	path := filepath.Join(t.TempDir(), "tasks.db")
	write(t, path, data)
	s := open(t, path)
	for name, err := range map[string]error{
		"Get":    second(s.Get(context.Background(), task.BucketOpen, "small")),
		"Scan":   second(s.Scan(context.Background(), task.Range{Bucket: task.BucketOpen})),
		"Expect": s.Commit(context.Background(), []task.Op{{Kind: task.Expect, Bucket: task.BucketOpen, Key: "small", Value: []byte("x")}}),
	} {
		if !errors.Is(err, filestore.ErrCorrupt) || !errors.Is(err, task.ErrDamaged) || !strings.Contains(err.Error(), `bucket open, key "small"`) {
			t.Errorf("%s = %v, want filestore.ErrCorrupt and task.ErrDamaged with bucket and key", name, err)
		}
	}
	if n := count(t, s); n != 1700 {
		t.Errorf("%d events beside it, want 1700", n)
	}
	commit(t, s, task.Op{Kind: task.Put, Bucket: task.BucketOpen, Key: "small", Value: []byte("new")})
	if _, err := s.Get(context.Background(), task.BucketOpen, "small"); err != nil {
		t.Errorf("Get after a new value was put: %v", err)
	}
}

// A Scan returns what is before a value that has changed, in its direction.
func TestWhatIsWholeBeforeADamagedValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	var ops []task.Op
	for _, key := range []string{"a", "b", "c", "d"} {
		ops = append(ops, task.Op{Kind: task.Put, Bucket: task.BucketOpen, Key: key, Value: []byte("the value of " + key)})
	}
	commit(t, s, ops...)
	closed(t, s)
	write(t, path, bytes.ReplaceAll(read(t, path), []byte("the value of c"), []byte("the value 0f c")))
	s = open(t, path)
	for _, tc := range []struct {
		r       task.Range
		want    string
		damaged bool
	}{
		{r: task.Range{}, want: "ab", damaged: true},
		{r: task.Range{Reverse: true}, want: "d", damaged: true},
		{r: task.Range{From: "c"}, damaged: true},
		{r: task.Range{To: "c"}, want: "ab"},
		{r: task.Range{Limit: 2}, want: "ab"},
	} {
		tc.r.Bucket = task.BucketOpen
		found, err := s.Scan(context.Background(), tc.r)
		got := ""
		for _, entry := range found {
			got += entry.Key
		}
		if got != tc.want || errors.Is(err, task.ErrDamaged) != tc.damaged || err != nil && !tc.damaged {
			t.Errorf("Scan(%+v) = %q, %v; want %q", tc.r, got, err, tc.want)
		}
	}
}

func TestDamageWhileItIsOpen(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, string){
		"cut to nothing":       func(t *testing.T, path string) { cut(t, path, 0) },
		"cut behind the metas": func(t *testing.T, path string) { cut(t, path, int64(2*os.Getpagesize())) },
		"overwritten": func(t *testing.T, path string) {
			size := fileSize(t, path)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, int(size)-2*os.Getpagesize()), int64(2*os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 3000)
			s, err := filestore.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, path)
			for range 2 {
				for name, err := range map[string]error{
					"Get":    second(s.Get(context.Background(), task.BucketEvents, put(5).Key)),
					"Scan":   second(s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})),
					"Commit": s.Commit(context.Background(), []task.Op{put(1)}),
				} {
					if !errors.Is(err, filestore.ErrCorrupt) {
						t.Errorf("%s = %v, want filestore.ErrCorrupt", name, err)
					}
				}
			}
			_ = s.Close() // it returns, whatever it says
			s, replaced, err := filestore.OpenOrReplace(path)
			if err != nil || replaced == nil && fileSize(t, path) == 0 {
				t.Fatalf("OpenOrReplace = %v, %v", replaced, err)
			}
			commit(t, s, put(1))
			closed(t, s)
		})
	}
}

// The store's own record is checked too, when bolt has the file open already.
func TestADamagedLayoutIsPutAside(t *testing.T) {
	for name, value := range map[string][]byte{
		"no value":       {},
		"no checksum":    []byte("1"),
		"wrong checksum": append(sealed("filestore", "layout", "1"), '0'),
		"no number":      sealed("filestore", "layout", "one"),
		"no layout":      sealed("filestore", "layout", "0"),
	} {
		path := filepath.Join(t.TempDir(), "tasks.db")
		closed(t, open(t, path))
		edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("filestore")).Put([]byte("klayout"), value) })
		if _, err := filestore.Open(path); !errors.Is(err, filestore.ErrCorrupt) || !strings.Contains(err.Error(), `"layout"`) {
			t.Errorf("Open with %s of the layout = %v, want filestore.ErrCorrupt", name, err)
		}
		s, replaced, err := filestore.OpenOrReplace(path)
		if err != nil || replaced == nil {
			t.Errorf("OpenOrReplace with %s of the layout = %v, %v", name, replaced, err)
			continue
		}
		commit(t, s, put(1))
		closed(t, s)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFileIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	names := map[string]string{}
	for _, damaged := range []string{"first", "second", "third"} {
		write(t, path, []byte(damaged))
		s, replaced, err := filestore.OpenOrReplace(path)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, s, put(1))
		closed(t, s)
		if replaced == nil || !errors.Is(replaced.Cause, filestore.ErrCorrupt) {
			t.Fatalf("replaced = %+v, want the cause", replaced)
		}
		if !regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `\.corrupt-\d{8}T\d{6}Z(-\d)?$`).MatchString(replaced.Path) {
			t.Errorf("put aside as %s", replaced.Path)
		}
		names[replaced.Path] = damaged
	}
	for name, damaged := range names {
		if got := string(read(t, name)); got != damaged {
			t.Errorf("%s has %q, want %q", name, got, damaged)
		}
	}
	if len(names) != 3 {
		t.Errorf("%d files were put aside, want 3: %v", len(names), names)
	}
	s, replaced, err := filestore.OpenOrReplace(path)
	if err != nil || replaced != nil {
		t.Fatalf("OpenOrReplace of a whole file = %v, %v", replaced, err)
	}
	defer s.Close()
	if n := count(t, s); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// Of many that find the same damaged file, one puts it aside, one gets the new
// one and nobody puts that aside.
func TestManyPutAsideOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	write(t, path, []byte("damaged"))
	var mu sync.Mutex
	var wg sync.WaitGroup
	moved := 0
	for range 8 {
		wg.Go(func() {
			s, replaced, err := filestore.OpenOrReplace(path)
			if err != nil {
				t.Errorf("OpenOrReplace: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if replaced != nil {
				moved++
			}
			if err := errors.Join(s.Commit(context.Background(), []task.Op{put(moved)}), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 2 || moved != 1 {
		t.Errorf("%d were put aside; there are %v, %v", moved, files, err)
	}
}
