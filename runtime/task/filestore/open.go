package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const (
	fileMode = 0o600 // what tasks say is nobody else's business
	dirMode  = 0o700

	// growBy is how much the file grows at a time; what is not written yet
	// takes no room on the disk.
	growBy = 1 << 20
)

// mapSize is how much of the address space is set aside for the file. Beyond it
// the map has to move, for which a commit waits until nobody reads. It is not
// memory: only what is read of the file is, as long as there is room for it.
const mapSize = 1 << (20 + strconv.IntSize/32*5) // 1 GiB, with 32 bits 32 MiB

// The store's own bucket in the file. What it says has the same form in every
// version: the number of the layout, sealed as any value is.
const (
	layoutBucket = "filestore"
	layoutKey    = "layout"
	layout       = 1
)

// Open opens the store in a file, and makes the file, with mode 0600, when it is
// missing or empty, and its directory, with mode 0700, when that is missing. The
// structure of the whole file is read and checked before it is used.
//
// The error wraps [ErrLocked] when somebody else has the file open for longer
// than [WithLockWait], [ErrCorrupt] when it is damaged, [ErrFormat] when it is
// not of this version of the package, and else what the operating system says.
// The file is not changed then.
func Open(path string, opts ...Option) (*Store, error) {
	s, _, err := open(path, newConfig(opts))
	return s, err
}

// open also returns which file it was that the error is about.
func open(path string, c config) (*Store, fs.FileInfo, error) {
	dir := filepath.Dir(path)
	_, missing := os.Stat(dir)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, nil, explain(path, err)
	}
	f, info, err := openLocked(path, os.O_RDWR|os.O_CREATE, c.lockWait)
	if err != nil {
		return nil, nil, err
	}
	s, err := openFile(path, f, info.Size(), c)
	if err != nil {
		f.Close() // mostly done by bolt; again it does no harm
		return nil, info, err
	}
	// What is in a file is durable only with its name.
	if info.Size() == 0 {
		err = syncDir(path)
	}
	if err == nil && missing != nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, info, errors.Join(explain(path, err), s.Close())
	}
	return s, info, nil
}

// openLocked opens a file and takes its lock.
func openLocked(path string, flag int, wait time.Duration) (*os.File, fs.FileInfo, error) {
	for {
		f, err := os.OpenFile(path, flag, fileMode)
		if err != nil {
			return nil, nil, explain(path, err)
		}
		info, err := f.Stat()
		switch {
		case err != nil:
			f.Close()
			return nil, nil, explain(path, err)
		case !info.Mode().IsRegular():
			f.Close()
			return nil, nil, fmt.Errorf("filestore: %s is no regular file: %v", path, info.Mode().Type())
		}
		if err := lock(f, wait); err != nil {
			f.Close()
			if errors.Is(err, ErrLocked) {
				return nil, nil, locked(path)
			}
			return nil, nil, explain(path, err)
		}
		// Whoever had the lock may have moved the file aside meanwhile, or
		// may have written to it.
		now, err := os.Stat(path)
		if err == nil && os.SameFile(info, now) {
			return f, now, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, explain(path, err)
		}
	}
}

func locked(path string) error {
	return fmt.Errorf("%w: %s: stop the process that has it open (or close the other store, if it is this one), or give each process a file of its own", ErrLocked, path)
}

// openFile opens the store in a file that is locked.
func openFile(path string, f *os.File, size int64, c config) (*Store, error) {
	if size > 0 {
		if err := verify(f, size); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	s := newStore(path, f)
	panicked, err := guard(func() (err error) {
		s.db, err = bolt.Open(path, fileMode, &bolt.Options{
			Timeout:         max(c.lockWait, time.Nanosecond),
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			FreelistType:    bolt.FreelistMapType,
			NoFreelistSync:  false, // else bolt walks through the file once more, in a goroutine that may panic
			InitialMmapSize: mapSize,
		})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, locked(path)
	case panicked:
		return nil, fmt.Errorf("%s: %w", path, err)
	case err != nil:
		return nil, explain(path, err)
	}
	s.db.AllocSize = growBy
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare checks the layout and makes the buckets that are missing.
func (s *Store) prepare() error {
	complete := false
	err := s.view(func(tx *bolt.Tx) (err error) {
		complete, err = s.inspect(tx)
		return err
	})
	if err != nil || complete {
		return err
	}
	return s.update(func(tx *bolt.Tx) (bool, error) {
		b, err := tx.CreateBucketIfNotExists([]byte(layoutBucket))
		if err != nil {
			return false, err
		}
		for _, name := range task.Buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return false, err
			}
		}
		key := fileKey(layoutKey)
		return true, b.Put(key, seal(seed(layoutBucket), key, []byte(strconv.Itoa(layout))))
	})
}

// inspect says whether everything is there that is in a file of this layout.
func (s *Store) inspect(tx *bolt.Tx) (complete bool, err error) {
	b := tx.Bucket([]byte(layoutBucket))
	if b == nil {
		if first, _ := tx.Cursor().First(); first != nil {
			return false, fmt.Errorf("%w: %s: another program has made it, with a bucket %s", ErrFormat, s.path, quote(first))
		}
		return false, nil // made, but not filled
	}
	key := fileKey(layoutKey)
	value, ok := unseal(seed(layoutBucket), key, b.Get(key))
	number, err := strconv.Atoi(string(value))
	switch {
	case !ok || err != nil || number < 1:
		return false, corrupt("%s: bucket %s, key %q: the value is not what was written", s.path, layoutBucket, layoutKey)
	case number > layout:
		return false, fmt.Errorf("%w: %s: it has layout %d, this version knows layout %d: use the version that has written it, or another file",
			ErrFormat, s.path, number, layout)
	}
	for _, name := range task.Buckets() {
		if tx.Bucket([]byte(name)) == nil {
			return false, nil
		}
	}
	return true, nil
}
