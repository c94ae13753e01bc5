package filestore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// small makes a file with a tree of two levels, a value of several pages, free
// pages and buckets that live in others, and returns all values that were ever
// in it.
func small(tb testing.TB) (data []byte, written map[string]bool) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tasks.db")
	s := open(tb, path)
	written = map[string]bool{}
	set := func(b task.Bucket, key string, size int) task.Op {
		value := make([]byte, size)
		copy(value, fmt.Sprintf("%s/%s/%d", b, key, size))
		written[string(b)+"\x00"+key+"\x00"+string(value)] = true
		return task.Op{Kind: task.Put, Bucket: b, Key: key, Value: value}
	}
	for i := range 3 {
		var ops []task.Op
		for j := range 40 {
			ops = append(ops, set(task.BucketEvents, fmt.Sprintf("%02d", j), 100+100*i))
		}
		commit(tb, s, append(ops, set(task.BucketTasks, "large", 9000+i), set(task.BucketOpen, "k", i))...)
	}
	commit(tb, s, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "30", To: "35"})
	closed(tb, s)
	data = read(tb, path)
	return data[:number(data, newest(data)+metaPages)*uint64(os.Getpagesize())], written
}

// edited changes a copy of a file as a script says. Each step has four bytes: what
// to do, where (page and offset, or half of it), and with what.
func edited(data, script []byte) []byte {
	page := os.Getpagesize()
	b := append([]byte(nil), data...)
	for steps := 0; len(script) >= 5 && len(b) >= 4*page && steps < 50; steps++ {
		pages := len(b) / page
		at := int(script[1])%pages*page + int(binary.LittleEndian.Uint16(script[2:]))%page
		switch v := script[4]; script[0] % 8 {
		case 0:
			b[at] ^= v | 1
		case 1: // in the headers of page and first elements, where it matters most
			at = at/page*page + at%page%96
			b[at] = v
		case 2:
			copy(b[at/page*page:][:page], b[int(v)%pages*page:][:page])
		case 3:
			other := int(v) % pages * page
			for i := range page {
				b[at/page*page+i], b[other+i] = b[other+i], b[at/page*page+i]
			}
		case 4:
			b = b[:max(at, page*int(v)%len(b))]
		case 5: // a number of a meta page
			at = at / page % 2 * page
			setNumber(b, at+16+int(v>>3)%7*8, uint64(script[2]))
		case 6: // a number somewhere
			setNumber(b, at/8*8, uint64(v))
		case 7:
			clear(b[at/page*page : at])
		}
		if script[0]&0x80 == 0 { // as if a program had written it, not an accident
			resum(b, 0)
			resum(b, page)
		}
		script = script[5:]
	}
	return b
}

// try opens a file of any content, reads everything and writes to it.
func try(t *testing.T, data []byte, written map[string]bool) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	write(t, path, data)
	ctx := context.Background()
	for again := range 2 {
		s, err := filestore.Open(path, filestore.WithLockWait(0))
		if err != nil {
			if again > 0 || errors.Is(err, filestore.ErrLocked) {
				t.Errorf("Open, after %d times that it could: %v", again, err)
			}
			return
		}
		for _, b := range task.Buckets() {
			for _, reverse := range []bool{false, true} {
				found, err := s.Scan(ctx, task.Range{Bucket: b, Reverse: reverse})
				if err != nil && !errors.Is(err, filestore.ErrCorrupt) {
					t.Errorf("Scan: %v", err)
				}
				for _, e := range found {
					if !written[string(b)+"\x00"+e.Key+"\x00"+string(e.Value)] {
						t.Errorf("bucket %s has %q = %q, which nobody has written", b, e.Key, e.Value)
					}
				}
			}
		}
		var ops []task.Op
		for i := range 20 {
			for _, b := range []task.Bucket{task.BucketEvents, task.BucketTasks, task.BucketOpen} {
				op := task.Op{Kind: task.Put, Bucket: b, Key: fmt.Sprintf("%02d", i*3), Value: make([]byte, 300)}
				written[string(b)+"\x00"+op.Key+"\x00"+string(op.Value)] = true
				ops = append(ops, op)
			}
		}
		ops = append(ops, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "1", To: "3"})
		if err := s.Commit(ctx, ops); err != nil {
			t.Errorf("a file that was opened cannot be written to: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := check(path); err != nil {
			t.Errorf("bolt finds the file damaged: %v", err)
		}
	}
}

// check lets bolt look for damage that this package has let through. It cannot
// do that where the headers of the meta pages are wrong, which nobody else reads.
func check(path string) error {
	data, err := os.ReadFile(path)
	if page := os.Getpagesize(); err != nil || string(data[:12]) != "\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00" ||
		string(data[page:page+12]) != "\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00" {
		return err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		var errs []error
		for err := range tx.Check() {
			if !strings.Contains(err.Error(), "unreachable unfreed") { // lost, but no harm
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
}

func clone(m map[string]bool) map[string]bool {
	c := make(map[string]bool, len(m))
	for k := range m {
		c[k] = true
	}
	return c
}

// FuzzOpen opens anything.
func FuzzOpen(f *testing.F) {
	data, written := small(f)
	page := os.Getpagesize()
	f.Add(data)
	f.Add(data[:3*page])
	f.Add(data[:len(data)-1])
	f.Add(data[:10])
	f.Add([]byte{})
	f.Add(edited(data, []byte{0x80, 3, 8, 0, 0xff}))
	f.Add(edited(data, []byte{3, 3, 0, 0, 4}))
	f.Add(edited(data, []byte{3, 0, 0, 0, 1}))
	f.Fuzz(func(t *testing.T, data []byte) { try(t, data, clone(written)) })
}

// FuzzOpenDamaged opens a store in which something was changed. It gets deeper
// than bytes drawn by chance: the checksums of meta pages are made right again.
func FuzzOpenDamaged(f *testing.F) {
	data, written := small(f)
	for op := range 8 {
		f.Add([]byte{byte(op), 3, 8, 0, 2})
		f.Add([]byte{byte(op) | 0x80, 4, 10, 0, 0xff, byte(op), 7, 16, 0, 1})
	}
	f.Fuzz(func(t *testing.T, script []byte) { try(t, edited(data, script), clone(written)) })
}
