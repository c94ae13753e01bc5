package filestore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// asNobody calls f as a user who may do little, where the test may do all.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	const nobody = 65534
	if os.Getuid() == 0 {
		goruntime.LockOSThread() // the user of one thread is changed
		defer goruntime.UnlockOSThread()
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	}
	f()
}

func TestPermissionErrors(t *testing.T) {
	dir, err := os.MkdirTemp("", "permission") // t.TempDir is below one that is closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tasks.db")
	closed(t, open(t, path))
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() { closed(t, open(t, path)) }) // nothing else is in the way
	for name, forbid := range map[string]func() error{
		"a file for others":             func() error { return os.Chmod(path, 0) },
		"a file that cannot be written": func() error { return os.Chmod(path, 0o444) },
		"a directory for others":        func() error { return os.Chmod(dir, 0) },
	} {
		if err := forbid(); err != nil {
			t.Fatal(err)
		}
		asNobody(t, func() {
			_, err := filestore.Open(path)
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, filestore.ErrCorrupt) {
				t.Errorf("Open of %s = %v, want fs.ErrPermission", name, err)
			}
			if _, replaced, err := filestore.OpenOrReplace(path); !errors.Is(err, fs.ErrPermission) || replaced != nil {
				t.Errorf("OpenOrReplace of %s = %v, %v; want fs.ErrPermission", name, replaced, err)
			}
		})
		if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(path, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	// A damaged file in a directory that may not be changed stays there.
	write(t, path, []byte("damaged"))
	if err := errors.Join(os.Chmod(path, 0o666), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	asNobody(t, func() {
		_, replaced, err := filestore.OpenOrReplace(path)
		if replaced != nil || !errors.Is(err, fs.ErrPermission) || !errors.Is(err, filestore.ErrCorrupt) {
			t.Errorf("OpenOrReplace = %v, %v; want fs.ErrPermission and filestore.ErrCorrupt", replaced, err)
		}
	})
}
