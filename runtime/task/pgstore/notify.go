package pgstore

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const (
	// notifyEvery is how much time there is at least between notifications: what
	// happens meanwhile goes into one. PostgreSQL wakes every listener of the
	// database for each.
	notifyEvery = 10 * time.Millisecond

	// maxPayload is how many marks fit into the 8,000 bytes of a notification.
	maxPayload = 400

	everything = "*" // the payload when they do not
)

// notifier tells other processes which tasks were committed. It does so after
// the commit, not in it: a transaction that notifies holds a lock of the whole
// server until it is on the disk. Its goroutine lives as long as there is
// something to tell.
type notifier struct {
	mu      sync.Mutex
	pending map[mark]bool
	busy    bool
	closed  bool
	closing chan struct{}
	work    sync.WaitGroup
}

// mark stands for a task in a notification. Two tasks with the same one are
// woken together, which does no harm.
type mark uint64

func markOf(id string) mark {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return mark(h.Sum64())
}

// notify tells of operations that were committed.
func (s *Store) notify(ops []task.Op) {
	n := &s.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, op := range ops {
		id := op.Key
		switch {
		case op.Kind == task.Expect:
			continue
		case op.Bucket == task.BucketEvents: // ID:SEQUENCE
			id, _, _ = strings.Cut(op.Key, ":")
		case op.Bucket != task.BucketTasks:
			continue
		}
		n.pending[markOf(id)] = true
	}
	if len(n.pending) == 0 || n.busy || n.closed {
		return
	}
	n.busy = true
	n.work.Go(s.tell)
}

// tell notifies until there is nothing to tell.
func (s *Store) tell() {
	n := &s.notifier
	for {
		n.mu.Lock()
		if len(n.pending) == 0 {
			n.busy = false
			n.mu.Unlock()
			return
		}
		payload := payloadOf(n.pending)
		clear(n.pending)
		n.mu.Unlock()
		// What is lost here is seen later: followers also look by themselves.
		ctx, cancel := context.WithTimeout(context.Background(), lastWord)
		_, _ = s.pool.Exec(ctx, notifySQL, s.channel, payload)
		cancel()
		timer := time.NewTimer(notifyEvery)
		select {
		case <-timer.C:
		case <-n.closing:
			timer.Stop()
		}
	}
}

func payloadOf(marks map[mark]bool) string {
	if len(marks) > maxPayload {
		return everything
	}
	var b strings.Builder
	for _, m := range slices.Sorted(maps.Keys(marks)) {
		b.WriteString(strconv.FormatUint(uint64(m), 16))
		b.WriteByte(' ')
	}
	return b.String()
}

// close tells what is left to tell, and waits for it.
func (n *notifier) close() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.closing)
	}
	n.mu.Unlock()
	n.work.Wait()
}
