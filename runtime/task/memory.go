package task

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/tidwall/btree"
)

// Memory is a [Store] that ends with the process. Make it with [NewMemory].
type Memory struct {
	mu      sync.RWMutex
	buckets map[Bucket]*btree.Map[string, []byte]
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store in memory.
func NewMemory() *Memory {
	m := &Memory{buckets: map[Bucket]*btree.Map[string, []byte]{}}
	for _, b := range Buckets() {
		m.buckets[b] = btree.NewMap[string, []byte](0)
	}
	return m
}

// Commit implements [Store].
func (m *Memory) Commit(_ context.Context, ops []Op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(ops); err != nil {
		return err
	}
	for _, op := range ops {
		b := m.buckets[op.Bucket]
		switch op.Kind {
		case Put, Create:
			b.Set(op.Key, bytes.Clone(op.Value))
		case Delete:
			b.Delete(op.Key)
		case DeleteRange:
			var keys []string
			b.Ascend(op.Key, func(key string, _ []byte) bool {
				if key >= op.To {
					return false
				}
				keys = append(keys, key)
				return true
			})
			for _, key := range keys {
				b.Delete(key)
			}
		case Expect:
		}
	}
	return nil
}

// check finds out whether a commit can be made before anything is changed. What
// a commit expects is what was there before it.
func (m *Memory) check(ops []Op) error {
	for _, op := range ops {
		b, ok := m.buckets[op.Bucket]
		if !ok {
			return fmt.Errorf("task: there is no bucket %q", op.Bucket)
		}
		if op.Kind != Create && op.Kind != Expect {
			continue
		}
		value, found := b.Get(op.Key)
		if op.Kind == Create && found ||
			op.Kind == Expect && (found != (op.Value != nil) || !bytes.Equal(value, op.Value)) {
			return fmt.Errorf("%w: %s %q", ErrConflict, op.Bucket, op.Key)
		}
	}
	return nil
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, b Bucket, key string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if bucket, ok := m.buckets[b]; ok {
		if value, ok := bucket.Get(key); ok {
			return value, nil
		}
	}
	return nil, ErrNotFound
}

// Scan implements [Store].
func (m *Memory) Scan(_ context.Context, r Range) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.buckets[r.Bucket]
	if !ok {
		return nil, fmt.Errorf("task: there is no bucket %q", r.Bucket)
	}
	var found []Entry
	full := func() bool { return r.Limit > 0 && len(found) == r.Limit }
	take := func(key string, value []byte) bool {
		found = append(found, Entry{key, value})
		return !full()
	}
	switch {
	case !r.Reverse:
		b.Ascend(r.From, func(key string, value []byte) bool {
			return (r.To == "" || key < r.To) && take(key, value)
		})
	case r.To == "":
		b.Reverse(func(key string, value []byte) bool { return key >= r.From && take(key, value) })
	default:
		b.Descend(r.To, func(key string, value []byte) bool {
			return key >= r.From && (key == r.To || take(key, value))
		})
	}
	return found, nil
}

// Close implements [Store].
func (m *Memory) Close() error { return nil }
