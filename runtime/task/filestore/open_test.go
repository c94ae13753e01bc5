package filestore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

func TestOpenMakesAFileOfTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "tasks.db")
	open(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v; want one file", entries, err)
	}
}

func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	commit(t, s, put(1), put(2))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Commit": s.Commit(context.Background(), []task.Op{put(3)}),
		"Get":    second(s.Get(context.Background(), task.BucketEvents, "k")),
		"Scan":   second(s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})),
	} {
		if !errors.Is(err, filestore.ErrClosed) || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close = %v, want filestore.ErrClosed", name, err)
		}
	}
	s = open(t, path)
	if n := count(t, s); n != 2 {
		t.Errorf("%d events after opening again, want 2", n)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAnEmptyFileIsANewStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	commit(t, open(t, path), put(1))
}

func TestOneStoreAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	commit(t, s, put(1))
	for name, try := range map[string]func() error{
		"Open":          func() error { return second(filestore.Open(path, filestore.WithLockWait(0))) },
		"OpenOrReplace": func() error { _, _, err := filestore.OpenOrReplace(path, filestore.WithLockWait(0)); return err },
	} {
		err := try()
		if !errors.Is(err, filestore.ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "stop the process") {
			t.Errorf("%s of a file in use = %v, want filestore.ErrLocked, the file and what to do", name, err)
		}
	}
	start := time.Now()
	if _, err := filestore.Open(path, filestore.WithLockWait(60*time.Millisecond)); !errors.Is(err, filestore.ErrLocked) {
		t.Errorf("Open = %v, want filestore.ErrLocked", err)
	}
	if d := time.Since(start); d < 60*time.Millisecond {
		t.Errorf("Open gave up after %v, before it had waited", d)
	}
	commit(t, s, put(2)) // nothing has happened to the first one

	// Who waits gets the file when the other one lets go.
	opened := make(chan error, 1)
	go func() {
		second, err := filestore.Open(path, filestore.WithLockWait(time.Minute))
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("Open after Close of the other store: %v", err)
	}
}

// edit changes a file with bolt itself.
func edit(t *testing.T, path string, f func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// sealed is a value as the layout has it, computed here a second time.
func sealed(bucket, key, value string) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte(bucket+"\x00k"+key+value), table)
	return append(binary.LittleEndian.AppendUint32(nil, sum), value...)
}

func TestAnotherFormatStaysAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(*testing.T, string)
		want []string
	}{
		"newer layout": {func(t *testing.T, path string) {
			closed(t, open(t, path))
			edit(t, path, func(tx *bolt.Tx) error {
				return tx.Bucket([]byte("filestore")).Put([]byte("klayout"), sealed("filestore", "layout", "7"))
			})
		}, []string{"layout 7", "layout 1"}},
		"newer pages": {func(t *testing.T, path string) {
			closed(t, open(t, path))
			data := read(t, path)
			for _, at := range []int{0, os.Getpagesize()} {
				binary.NativeEndian.PutUint32(data[at+16+4:], 3)
				resum(data, at)
			}
			write(t, path, data)
		}, []string{"version 3", "known is 2"}},
		"another program": {func(t *testing.T, path string) {
			edit(t, path, func(tx *bolt.Tx) error { return second(tx.CreateBucket([]byte("theirs"))) })
		}, []string{"another program", `"theirs"`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tasks.db")
			tc.make(t, path)
			before := read(t, path)
			_, err := filestore.Open(path)
			_, replaced, err2 := filestore.OpenOrReplace(path)
			for _, err := range []error{err, err2} {
				if !errors.Is(err, filestore.ErrFormat) || errors.Is(err, filestore.ErrCorrupt) {
					t.Errorf("Open = %v, want filestore.ErrFormat", err)
				}
				for _, want := range append(tc.want, path) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error %q does not say %q", err, want)
					}
				}
			}
			if replaced != nil || string(read(t, path)) != string(before) {
				t.Errorf("the file was changed or put aside: %v", replaced)
			}
		})
	}
}

// A store of an older version may lack buckets of this one.
func TestMissingBucketsAreMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	commit(t, s, put(1))
	closed(t, s)
	edit(t, path, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(task.BucketOutbox)) })
	s = open(t, path)
	commit(t, s, task.Op{Kind: task.Create, Bucket: task.BucketOutbox, Key: "k"})
	if n := count(t, s); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), []byte("no directory"))
	if _, err := filestore.Open(filepath.Join(dir, "file", "tasks.db")); err == nil || !strings.Contains(err.Error(), "tasks.db") {
		t.Errorf("Open below a file = %v, want an error with the path", err)
	}
	for _, try := range []func() error{
		func() error { return second(filestore.Open(dir)) },
		func() error { _, _, err := filestore.OpenOrReplace(dir); return err },
	} {
		if err := try(); err == nil || errors.Is(err, filestore.ErrCorrupt) {
			t.Errorf("Open of a directory = %v, want an error other than filestore.ErrCorrupt", err)
		}
	}
}

func TestALimitOfKeys(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "tasks.db"))
	commit(t, s, task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: strings.Repeat("k", bolt.MaxKeySize-1)})
	for _, op := range []task.Op{
		{Kind: task.Put, Bucket: task.BucketEvents, Key: strings.Repeat("k", bolt.MaxKeySize)},
		{Kind: 99, Bucket: task.BucketEvents, Key: "k"},
	} {
		if err := s.Commit(t.Context(), []task.Op{put(1), op}); err == nil {
			t.Errorf("Commit of kind %d with a key of %d bytes: no error", op.Kind, len(op.Key))
		}
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}
