package pgstore

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const (
	spentBatch = 64   // rows of commits that are removed together
	maxUnknown = 1024 // unknown commits that are remembered
)

// ledger knows the commits of a Store whose rows in the database still matter.
type ledger struct {
	mu    sync.Mutex
	last  int64   // number that was given out
	spent []int64 // answered at once: nobody will ask for their rows
	lost  map[digest]*unknown
}

// digest is a fingerprint of operations.
type digest [sha256.Size]byte

// unknown are commits of the same operations of which nobody knows whether they
// were made.
type unknown struct {
	numbers []int64
	void    int // so many of them are not made any more, if they have not been
}

// commit is a commit on its way. What is in it is not changed while it is.
type commit struct {
	number int64
	same   []int64 // unknown commits of the same operations
	void   []int64 // unknown commits that are not to be made any more
	spent  []int64 // rows to remove
	key    digest  // only while something is unknown
}

func (l *ledger) begin(ops []task.Op) *commit {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	c := &commit{number: l.last}
	if len(l.spent) >= spentBatch {
		c.spent, l.spent = l.spent, nil
	}
	if len(l.lost) == 0 {
		return c
	}
	c.key = digestOf(ops)
	if u := l.lost[c.key]; u != nil {
		c.same = slices.Clone(u.numbers)
	}
	for _, u := range l.lost {
		c.void = append(c.void, u.numbers[u.void:]...)
	}
	return c
}

// answered notes that a commit is decided, and whether an earlier try of it may
// still be on its way.
func (l *ledger) answered(c *commit, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !sent {
		l.spent = append(l.spent, c.number)
	}
	if len(c.same) > 0 {
		delete(l.lost, c.key)
	}
	for _, u := range l.lost {
		for u.void < len(u.numbers) && slices.Contains(c.void, u.numbers[u.void]) {
			u.void++
		}
	}
}

// failed notes that a commit was not made.
func (l *ledger) failed(c *commit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent = append(l.spent, c.spent...)
}

// unknown notes that nobody knows.
func (l *ledger) unknown(c *commit, ops []task.Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent = append(l.spent, c.spent...)
	if l.lost == nil {
		l.lost = map[digest]*unknown{}
	}
	key := digestOf(ops)
	u := l.lost[key]
	if u == nil {
		u = &unknown{}
		l.lost[key] = u
	}
	u.numbers = append(u.numbers, c.number)
	if len(l.lost) > maxUnknown {
		l.dropOldest()
	}
}

func (l *ledger) dropOldest() {
	var oldest digest
	first := int64(math.MaxInt64)
	for key, u := range l.lost {
		if u.numbers[0] < first {
			oldest, first = key, u.numbers[0]
		}
	}
	delete(l.lost, oldest)
}

func digestOf(ops []task.Op) (d digest) {
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	for _, op := range ops {
		state := byte(0)
		if op.Value == nil {
			state = 1
		}
		h.Write([]byte{byte(op.Kind), state})
		write(string(op.Bucket))
		write(op.Key)
		write(op.To)
		write(string(op.Value))
	}
	h.Sum(d[:0])
	return d
}
