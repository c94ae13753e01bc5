package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// commit is a caller's operations on their way to the file.
type commit struct {
	ops  []task.Op
	err  error
	done chan struct{} // closed when err is final
}

// Commit implements [task.Store]. When it returns nil the operations are on the
// disk. A context that ends while it waits for another commit takes it back; one
// that ends later changes nothing.
//
// When the disk is full or a limit of the file's size is reached, the error says
// so and nothing has changed; later commits try again. After any other error of
// writing nobody knows what the disk holds, so that every later commit is
// refused with it until the file is opened anew.
func (s *Store) Commit(ctx context.Context, ops []task.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.check(ops); err != nil || len(ops) == 0 {
		return err
	}
	c := &commit{ops: ops, done: make(chan struct{})}
	s.mu.Lock()
	s.queue = append(s.queue, c)
	s.mu.Unlock()
	select {
	case s.writer <- struct{}{}:
		s.writeQueue()
		<-s.writer
	case <-c.done:
	case <-ctx.Done():
		if s.takeBack(c) {
			return ctx.Err()
		}
	}
	<-c.done
	return c.err
}

// takeBack removes a commit from the queue, if it is still in it.
func (s *Store) takeBack(c *commit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, c)
	if i < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	return true
}

// writeQueue writes all commits that wait. Only the writer calls it.
func (s *Store) writeQueue() {
	s.mu.Lock()
	batch := s.queue
	s.queue = nil
	s.mu.Unlock()
	if len(batch) == 0 {
		return // another writer has had it
	}
	err := s.update(func(tx *bolt.Tx) (changed bool, err error) {
		for _, c := range batch {
			// What is wrong with one of them is found before it changes
			// anything, so it is no matter to the others.
			if c.err = s.allow(tx, c.ops); c.err != nil {
				continue
			}
			for _, op := range c.ops {
				if op.Kind == task.Expect {
					continue
				}
				if err := s.apply(tx, op); err != nil {
					return false, err
				}
				changed = true
			}
		}
		return changed, nil
	})
	for _, c := range batch {
		if err != nil {
			c.err = err // also where it was refused because of one that was not written
		}
		close(c.done)
	}
}

// update calls f with a transaction that writes, and commits it when f has
// changed something and returns no error. Only the writer calls it.
func (s *Store) update(f func(*bolt.Tx) (changed bool, err error)) error {
	if s.failed != nil {
		return s.failed
	}
	tx, err := s.begin(true)
	if err != nil {
		return err
	}
	panicked, err := guard(func() error {
		changed, err := f(tx)
		if err != nil || !changed {
			return err
		}
		return tx.Commit()
	})
	// After a commit this does nothing.
	if stuck, _ := guard(tx.Rollback); stuck {
		s.begins.Lock()
		s.stuck = err
		s.begins.Unlock()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCorrupt):
		err = fmt.Errorf("%s: %w", s.path, err)
	default:
		err = explain(s.path, err)
	}
	if panicked || !full(err) {
		s.failed = err
	}
	return err
}

// full says whether an error means that there was no room, in which case bolt
// has written at most pages that were free.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// check finds operations that cannot be done whatever the file holds.
func (s *Store) check(ops []task.Op) error {
	for _, op := range ops {
		if _, err := s.bucket(op.Bucket); err != nil {
			return err
		}
		switch {
		case op.Kind < task.Put || op.Kind > task.DeleteRange:
			return fmt.Errorf("filestore: there is no operation of kind %d", op.Kind)
		case len(op.Key) >= bolt.MaxKeySize:
			return fmt.Errorf("filestore: a key of %d bytes in bucket %s, %d is the most", len(op.Key), op.Bucket, bolt.MaxKeySize-1)
		case len(op.Value) > bolt.MaxValueSize-sealSize:
			return fmt.Errorf("filestore: a value of %d bytes in bucket %s, %d is the most", len(op.Value), op.Bucket, bolt.MaxValueSize-sealSize)
		}
	}
	return nil
}

// allow finds out whether what the operations expect is there.
func (s *Store) allow(tx *bolt.Tx, ops []task.Op) error {
	for _, op := range ops {
		if op.Kind != task.Create && op.Kind != task.Expect {
			continue
		}
		known := s.buckets[op.Bucket]
		entries, err := s.entries(tx, known)
		if err != nil {
			return err
		}
		value, found, err := s.read(entries, known, fileKey(op.Key))
		if err != nil {
			return err
		}
		if op.Kind == task.Create && found ||
			op.Kind == task.Expect && (found != (op.Value != nil) || !bytes.Equal(value, op.Value)) {
			return fmt.Errorf("%w: %s %s", task.ErrConflict, op.Bucket, quote([]byte(op.Key)))
		}
	}
	return nil
}

// apply does an operation that changes something.
func (s *Store) apply(tx *bolt.Tx, op task.Op) error {
	known := s.buckets[op.Bucket]
	entries, err := s.entries(tx, known)
	if err != nil {
		return err
	}
	key := fileKey(op.Key)
	switch op.Kind {
	case task.Put, task.Create:
		return entries.Put(key, seal(known.seed, key, op.Value))
	case task.Delete:
		return entries.Delete(key)
	case task.DeleteRange:
		return deleteRange(entries, key, fileKey(op.To))
	case task.Expect:
	}
	return nil
}

// deleteRange removes keys some at a time: a cursor is lost when something is
// removed under it.
func deleteRange(entries *bolt.Bucket, from, to []byte) error {
	const some = 256
	for c := entries.Cursor(); ; {
		var keys [][]byte
		for k, _ := c.Seek(from); k != nil && bytes.Compare(k, to) < 0 && len(keys) < some; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		for _, k := range keys {
			if err := entries.Delete(k); err != nil {
				return err
			}
		}
		if len(keys) < some {
			return nil
		}
	}
}
