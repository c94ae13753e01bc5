package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Store is a [task.Store] in a file. Make it with [Open] or [OpenOrReplace].
// Methods are safe for concurrent use; readers wait for nobody, commits for each
// other: those that come while one is being written are written together, with
// one fsync.
type Store struct {
	path    string
	file    *os.File // bolt's, which has the lock
	db      *bolt.DB
	buckets map[task.Bucket]bucket // never changed

	writer chan struct{} // has a token while somebody writes
	mu     sync.Mutex
	queue  []*commit // waits for the writer
	failed error     // why nothing is written any more; of the writer

	// Bolt's locks stay taken when it panics at the begin of a transaction, so
	// there is not another one then.
	begins sync.Mutex
	stuck  error
}

var _ task.Store = (*Store)(nil)

// bucket is what is known of a bucket beforehand.
type bucket struct {
	name []byte
	seed uint32 // of its checksums
}

func newStore(path string, f *os.File) *Store {
	s := &Store{path: path, file: f, buckets: map[task.Bucket]bucket{}, writer: make(chan struct{}, 1)}
	for _, name := range task.Buckets() {
		s.buckets[name] = bucket{[]byte(name), seed(string(name))}
	}
	return s
}

// Get implements [task.Store]. The error wraps [ErrCorrupt] and [task.ErrDamaged]
// when the value is not what was written.
func (s *Store) Get(ctx context.Context, b task.Bucket, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	known, err := s.bucket(b)
	if err != nil {
		return nil, err
	}
	var value []byte
	err = s.view(func(tx *bolt.Tx) error {
		entries, err := s.entries(tx, known)
		if err != nil {
			return err
		}
		var found bool
		if value, found, err = s.read(entries, known, fileKey(key)); err == nil && !found {
			return task.ErrNotFound
		}
		value = append([]byte{}, value...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Scan implements [task.Store]. The error wraps [ErrCorrupt] and [task.ErrDamaged]
// when one of the values is not what was written; the entries before it are
// returned as well.
func (s *Store) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	known, err := s.bucket(r.Bucket)
	if err != nil {
		return nil, err
	}
	var found []task.Entry
	err = s.view(func(tx *bolt.Tx) error {
		entries, err := s.entries(tx, known)
		if err != nil {
			return err
		}
		for k, v := range scan(entries.Cursor(), r) {
			value, ok := unseal(known.seed, k, v)
			if !ok {
				return s.damaged(known, k)
			}
			found = append(found, task.Entry{Key: string(k[1:]), Value: append([]byte{}, value...)})
			if r.Limit > 0 && len(found) == r.Limit {
				break
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, task.ErrDamaged) {
		return nil, err
	}
	return found, err
}

// scan yields the entries of a range as they are in the file.
func scan(c *bolt.Cursor, r task.Range) func(yield func(k, v []byte) bool) {
	from, to := fileKey(r.From), fileKey(r.To)
	if r.To == "" {
		to = []byte{keyMark + 1}
	}
	return func(yield func(k, v []byte) bool) {
		k, v := c.Seek(from)
		next := c.Next
		if r.Reverse {
			next = c.Prev
			if k, _ = c.Seek(to); k == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		for k != nil && bytes.Compare(k, from) >= 0 && bytes.Compare(k, to) < 0 && yield(k, v) {
			k, v = next()
		}
	}
}

// Close implements [task.Store]: it waits for the calls that are under way and
// lets go of the file. Calls after it get an error that wraps [ErrClosed].
func (s *Store) Close() error {
	s.writer <- struct{}{}
	defer func() { <-s.writer }()
	s.begins.Lock()
	stuck := s.stuck
	if s.stuck == nil {
		s.stuck = fmt.Errorf("%w: %s", ErrClosed, s.path)
	}
	s.begins.Unlock()
	switch {
	case errors.Is(stuck, ErrClosed):
		return nil
	case stuck != nil:
		return errors.Join(unlock(s.file), s.file.Close()) // bolt would wait for its own locks
	}
	if err := s.db.Close(); err != nil {
		return explain(s.path, err)
	}
	return nil
}

// bucket finds a bucket by its name.
func (s *Store) bucket(name task.Bucket) (bucket, error) {
	b, ok := s.buckets[name]
	if !ok {
		return bucket{}, fmt.Errorf("filestore: there is no bucket %q", name)
	}
	return b, nil
}

// entries returns what a bucket holds.
func (s *Store) entries(tx *bolt.Tx, b bucket) (*bolt.Bucket, error) {
	entries := tx.Bucket(b.name)
	if entries == nil {
		return nil, corrupt("%s: bucket %s is not there any more", s.path, b.name)
	}
	return entries, nil
}

// read returns a value, which is good until the end of the transaction.
func (s *Store) read(entries *bolt.Bucket, b bucket, key []byte) (value []byte, found bool, err error) {
	sealed := entries.Get(key)
	if sealed == nil {
		return nil, false, nil
	}
	value, ok := unseal(b.seed, key, sealed)
	if !ok {
		return nil, true, s.damaged(b, key)
	}
	return value, true, nil
}

func (s *Store) damaged(b bucket, key []byte) error {
	return fmt.Errorf("%w: %s: bucket %s, key %s: %w", ErrCorrupt, s.path, b.name, quote(key[min(1, len(key)):]), task.ErrDamaged)
}

// begin begins a transaction, which is to be rolled back if it is not committed.
func (s *Store) begin(writable bool) (*bolt.Tx, error) {
	s.begins.Lock()
	defer s.begins.Unlock()
	if s.stuck != nil {
		return nil, s.stuck
	}
	var tx *bolt.Tx
	panicked, err := guard(func() (err error) {
		tx, err = s.db.Begin(writable)
		return err
	})
	switch {
	case panicked:
		s.stuck = fmt.Errorf("%s: %w", s.path, err)
		return nil, s.stuck
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return nil, fmt.Errorf("%w: %s", ErrClosed, s.path)
	case err != nil:
		return nil, explain(s.path, err)
	}
	return tx, nil
}

// view calls f with a transaction that reads.
func (s *Store) view(f func(*bolt.Tx) error) error {
	tx, err := s.begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // there is nothing it could say
	panicked, err := guard(func() error { return f(tx) })
	if panicked {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return err
}
