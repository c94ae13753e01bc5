package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// DefaultLockTimeout is how long [Open] waits for another process to let go of
// the file.
const DefaultLockTimeout = time.Second

// What [Open] and the methods of a [Store] return, wrapped.
var (
	// ErrLocked says that another process, or another Store of this one, has
	// the file.
	ErrLocked = errors.New("filestore: the file is in use")

	// ErrCorrupt says that the file, or a value in it, is not what was written.
	ErrCorrupt = errors.New("filestore: the file is damaged")

	// ErrLayout says that a later version of this package has written the file.
	ErrLayout = errors.New("filestore: unknown layout of the file")
)

// The layout of the file: buckets as package task names them, and one of this
// package with its version.
const layout = "1"

var (
	layoutBucket = []byte("filestore")
	layoutKey    = []byte("layout")
)

// mmapSize is what is mapped from the beginning, so that a file that grows does
// not stall its readers again and again. It is addresses, not memory.
const mmapSize = 64 << 20

// Store is a [task.Store] in a file. Make it with [Open]; its methods are safe
// for concurrent use.
type Store struct {
	db   *bbolt.DB
	path string
}

var _ task.Store = (*Store)(nil)

// Option changes what [Open] does.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	wait   time.Duration
	rescue func(movedTo string, why error)
}

// WithLockTimeout sets how long to wait for another process to let go of the
// file. Default, and anything not above zero: [DefaultLockTimeout].
func WithLockTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.wait = d })
}

// WithRescue lets [Open] move a damaged file aside, next to where it was, and
// begin a new one; told is called with the file's new name and what is wrong
// with it. A file in use or of a later version is never moved.
func WithRescue(told func(movedTo string, why error)) Option {
	return optionFunc(func(c *config) { c.rescue = told })
}

// Open opens the file, which is made if there is none, mode 0600, as is its
// directory, mode 0700. The error is [ErrLocked], [ErrCorrupt] or [ErrLayout],
// or one of the file system.
func Open(path string, opts ...Option) (*Store, error) {
	c := config{wait: DefaultLockTimeout}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.wait <= 0 {
		c.wait = DefaultLockTimeout
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	s, err := open(path, c)
	if errors.Is(err, ErrCorrupt) && c.rescue != nil {
		moved, moveErr := moveAside(path)
		if moveErr != nil {
			return nil, fmt.Errorf("filestore: move the damaged file aside: %w", errors.Join(moveErr, err))
		}
		c.rescue(moved, err)
		s, err = open(path, c)
	}
	return s, err
}

func open(path string, c config) (s *Store, err error) {
	defer guard(path, &err)()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         c.wait,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mmapSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return openVerified(name, flag, mode, c.wait)
		},
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, lockedError(path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	case err != nil:
		return nil, fmt.Errorf("filestore: open %s: %w", path, err)
	}
	db.AllocSize = 1 << 20 // a workspace's tasks are few; bbolt's own step is 16 MB
	s = &Store{db: db, path: path}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openVerified opens the file for bbolt, and looks through it while nobody else
// has it.
func openVerified(name string, flag int, mode os.FileMode, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	if err := lock(f, wait); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := verify(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err), f.Close())
	}
	return f, nil
}

func lockedError(path string) error {
	return fmt.Errorf("%w: %s: stop the other process that runs this workspace, or give this one a directory of its own", ErrLocked, path)
}

// prepare makes the buckets, and looks at the version of the layout.
func (s *Store) prepare() error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		own, err := tx.CreateBucketIfNotExists(layoutBucket)
		if err != nil {
			return s.bucketError(string(layoutBucket), err)
		}
		switch v := own.Get(layoutKey); {
		case v == nil:
			if err := own.Put(layoutKey, []byte(layout)); err != nil {
				return err
			}
		case string(v) != layout:
			return fmt.Errorf("%w: %s has layout %.20q, and this program knows %q: use the program that has written it, or move it away", ErrLayout, s.path, v, layout)
		}
		for _, b := range task.Buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return s.bucketError(string(b), err)
			}
		}
		return nil
	})
}

func (s *Store) bucketError(name string, err error) error {
	if errors.Is(err, berrors.ErrIncompatibleValue) {
		return fmt.Errorf("%w: %s: %q is not a bucket", ErrCorrupt, s.path, name)
	}
	return fmt.Errorf("filestore: %s: bucket %q: %w", s.path, name, err)
}

// moveAside renames a file to a name that says when, and never over another.
func moveAside(path string) (string, error) {
	base := path + ".corrupt-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, os.Rename(path, name)
		}
	}
}

// Commit implements [task.Store].
func (s *Store) Commit(ctx context.Context, ops []task.Op) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer guard(s.path, &err)()
	return s.db.Update(func(tx *bbolt.Tx) error {
		for i := range ops {
			if err := s.check(tx, &ops[i]); err != nil {
				return err
			}
		}
		for i := range ops {
			if err := apply(tx, &ops[i]); err != nil {
				return fmt.Errorf("filestore: %s: %w", s.path, err)
			}
		}
		return nil
	})
}

// check refuses a commit for what is not as it has to be.
func (s *Store) check(tx *bbolt.Tx, op *task.Op) error {
	b := tx.Bucket([]byte(op.Bucket))
	if b == nil {
		return fmt.Errorf("filestore: %s: there is no bucket %q", s.path, op.Bucket)
	}
	if op.Kind != task.Create && op.Kind != task.Expect {
		return nil
	}
	sealed := b.Get([]byte(op.Key))
	conflict := op.Kind == task.Create && sealed != nil
	if op.Kind == task.Expect {
		if conflict = (sealed == nil) != (op.Value == nil); !conflict && sealed != nil {
			conflict = !bytes.Equal(sealed, seal(op.Bucket, op.Key, op.Value))
		}
	}
	if conflict {
		return fmt.Errorf("%w: %s %q", task.ErrConflict, op.Bucket, op.Key)
	}
	return nil
}

func apply(tx *bbolt.Tx, op *task.Op) error {
	b := tx.Bucket([]byte(op.Bucket))
	switch op.Kind {
	case task.Put, task.Create:
		if op.Bucket == task.BucketEvents {
			b.FillPercent = 0.9 // keys grow with time
		}
		return b.Put([]byte(op.Key), seal(op.Bucket, op.Key, op.Value))
	case task.Delete:
		return b.Delete([]byte(op.Key))
	case task.DeleteRange:
		var keys [][]byte
		c := b.Cursor()
		for k, _ := c.Seek([]byte(op.Key)); k != nil && string(k) < op.To; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		for _, k := range keys {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
	case task.Expect:
	}
	return nil
}

// Get implements [task.Store].
func (s *Store) Get(ctx context.Context, b task.Bucket, key string) (value []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer guard(s.path, &err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(b))
		if bucket == nil {
			return task.ErrNotFound
		}
		sealed := bucket.Get([]byte(key))
		if sealed == nil {
			return task.ErrNotFound
		}
		var err error
		value, err = s.unseal(b, key, sealed)
		return err
	})
	return value, err
}

// Scan implements [task.Store]. When a value is damaged, the entries before it
// come with the error.
func (s *Store) Scan(ctx context.Context, r task.Range) (found []task.Entry, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer guard(s.path, &err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(r.Bucket))
		if bucket == nil {
			return fmt.Errorf("filestore: %s: there is no bucket %q", s.path, r.Bucket)
		}
		c := bucket.Cursor()
		k, v := first(c, r)
		for k != nil && in(r, k) && (r.Limit <= 0 || len(found) < r.Limit) {
			key := string(k)
			value, err := s.unseal(r.Bucket, key, v)
			if err != nil {
				return err
			}
			found = append(found, task.Entry{Key: key, Value: value})
			if r.Reverse {
				k, v = c.Prev()
			} else {
				k, v = c.Next()
			}
		}
		return nil
	})
	return found, err
}

// first finds where a scan begins.
func first(c *bbolt.Cursor, r task.Range) (k, v []byte) {
	switch {
	case !r.Reverse:
		return c.Seek([]byte(r.From))
	case r.To == "":
		return c.Last()
	}
	if k, _ := c.Seek([]byte(r.To)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func in(r task.Range, k []byte) bool {
	return string(k) >= r.From && (r.To == "" || string(k) < r.To)
}

// Close gives the file back.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("filestore: close %s: %w", s.path, err)
	}
	return nil
}

// guard turns what bbolt does on a file that was damaged under its hands, a
// panic or a fault in the mapped memory, into an error.
func guard(path string, err *error) (done func()) {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if v := recover(); v != nil {
			*err = fmt.Errorf("%w: %s: %v", ErrCorrupt, path, v)
		}
	}
}
