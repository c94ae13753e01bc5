package filestore_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("FILESTORE_CHILD") != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string, opts ...filestore.Option) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(key, value string) task.Op {
	return task.Op{Kind: task.Put, Bucket: task.BucketEvents, Key: key, Value: []byte(value)}
}

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) task.Store {
		s, err := filestore.Open(filepath.Join(t.TempDir(), "tasks.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".runtime", "tasks.db")
	s := open(t, path)
	if err := s.Commit(t.Context(), []task.Op{put("a", "1")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %v", name, info.Mode(), err, mode)
		}
	}
	v, err := open(t, path).Get(t.Context(), task.BucketEvents, "a")
	if err != nil || string(v) != "1" {
		t.Errorf("after reopening: %q, %v", v, err)
	}
}

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	rescued := filestore.WithRescue(func(string, error) { t.Error("a file in use was moved") })
	_, err := filestore.Open(path, filestore.WithLockTimeout(30*time.Millisecond), rescued)
	if !errors.Is(err, filestore.ErrLocked) {
		t.Errorf("a second store: %v, want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestLaterLayout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("filestore")).Put([]byte("layout"), []byte("99"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = filestore.Open(path, filestore.WithRescue(func(string, error) { t.Error("a later version's file was moved") }))
	if !errors.Is(err, filestore.ErrLayout) {
		t.Errorf("%v, want ErrLayout", err)
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := filestore.Open(filepath.Join(file, "tasks.db")); err == nil {
			t.Error("a file is a directory")
		}
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := filestore.Open(filepath.Join(dir, "tasks.db")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
}

// TestDamageIsFound flips bytes all over the file and cuts it at many places: opening says so, or what is read is what was written.
func TestDamageIsFound(t *testing.T) {
	whole, truth := sample(t)
	path := filepath.Join(t.TempDir(), "tasks.db")
	found := 0
	for at := 0; at < len(whole); at += len(whole)/400 + 1 {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x41
		found += holdAgainst(t, path, damaged, truth)
	}
	for size := 0; size < len(whole); size += 2048 {
		found += holdAgainst(t, path, whole[:size], truth)
	}
	if found == 0 {
		t.Error("no damage was found at all")
	}
}

// TestRescue: a damaged file is moved aside, a new one is begun, and neither
// the old one nor an earlier one is lost.
func TestRescue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	var moved []string
	for range 2 {
		if err := os.WriteFile(path, []byte("this is no database, but it is somebody's"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := filestore.Open(path); !errors.Is(err, filestore.ErrCorrupt) {
			t.Fatalf("%v, want ErrCorrupt", err)
		}
		s := open(t, path, filestore.WithRescue(func(to string, why error) {
			moved = append(moved, to)
			if !errors.Is(why, filestore.ErrCorrupt) {
				t.Errorf("moved because of %v", why)
			}
		}))
		if err := s.Commit(t.Context(), []task.Op{put("a", "1")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(moved) != 2 || moved[0] == moved[1] {
		t.Fatalf("moved to %q", moved)
	}
	for _, name := range moved {
		if text, err := os.ReadFile(name); err != nil || string(text) != "this is no database, but it is somebody's" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// TestChurnDoesNotGrow: pages of what was removed are used again.
func TestChurnDoesNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := open(t, path)
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var after int64
	for i := range 600 {
		ops := []task.Op{put(fmt.Sprintf("%06d", i), string(make([]byte, 2000)))}
		if i >= 50 {
			ops = append(ops, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: "", To: fmt.Sprintf("%06d", i-50)})
		}
		if err := s.Commit(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
		if i == 200 {
			after = size()
		}
	}
	if now := size(); now > 2*after {
		t.Errorf("the file has grown from %d to %d bytes", after, now)
	}
}
