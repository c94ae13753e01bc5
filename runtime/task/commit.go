package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// What the committer does while the store fails.
const (
	minCommitRetry = 10 * time.Millisecond // then twice as long each time
	maxCommitRetry = time.Second
	patience       = 5 * time.Second // until those who wait for a commit are told
	commitTries    = 9               // of a commit, 2.5 s, until it is looked whether the store takes another
	splitTries     = 3               // of a part of one that it did not take
)

// saved is what a task has in the store. It is guarded by the task's mutex.
type saved struct {
	marked bool   // the committer knows that there is something to write
	asked  uint64 // how often there was
	stored uint64 // how much of that is in the store
	upTo   uint64 // sequence of the last event handed to the store
	row    []byte // as it was handed to the store; nil before the first time
	listed string // key in BucketListed; empty before the first time
	open   bool   // it is in BucketOpen
	host   string // under which process; empty before the first time, and where there is no other
	kept   string // key in BucketFinished; empty while it is not at rest there
	space  int64  // what is said there of its size
	ops    []Op   // what else belongs to the next commit
	size   int64  // size of what is in the store
}

// committer writes to the store what has happened, in commits that take
// everything that came together during the one before: none is delayed while
// nothing else is going on, and thousands of chunks make one commit when the
// agent is fast. Its goroutine lives as long as there is something to write.
type committer struct {
	e    *Engine
	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu    sync.Mutex // taken after all others
	dirty []*task
	busy  bool
	quiet chan struct{} // closed when the goroutine ends; nil while nobody waits
	alarm chan struct{} // closed while the store has failed for longer than patience
	err   error         // what the store says while it fails
}

// flush is one task in a commit.
type flush struct {
	t           *task
	ops         []Op
	asked, upTo uint64
	size        int64
	rest        bool
	settled     bool  // it has come to rest in this commit
	kept        int   // how many more there are in BucketFinished
	keptBytes   int64 // and how much larger these are
}

// mark notes that a task has something to write. Its mutex is held.
func (c *committer) mark(t *task) {
	t.saved.asked++
	if t.saved.marked {
		return
	}
	t.saved.marked = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = append(c.dirty, t)
	if !c.busy {
		c.busy = true
		go c.work()
	}
}

// done is closed when everything is written, or the committer was stopped.
func (c *committer) done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy {
		return closed
	}
	if c.quiet == nil {
		c.quiet = make(chan struct{})
	}
	return c.quiet
}

// work commits until there is nothing to commit.
func (c *committer) work() {
	var batch []*task
	var ops []Op
	var flushes []flush
	for {
		c.mu.Lock()
		if len(c.dirty) == 0 {
			c.busy = false
			if c.quiet != nil {
				close(c.quiet)
				c.quiet = nil
			}
			c.mu.Unlock()
			return
		}
		batch, c.dirty = c.dirty, batch[:0]
		c.mu.Unlock()

		ops, flushes = ops[:0], flushes[:0]
		for _, t := range batch {
			begin := len(ops)
			var f flush
			ops, f = c.collect(t, ops)
			f.ops = ops[begin:len(ops):len(ops)]
			flushes = append(flushes, f)
		}
		c.write(ops, flushes, commitTries)
		clear(ops)
		clear(flushes)
		clear(batch)
	}
}

// write commits what was collected and tells those who wait for it.
func (c *committer) write(ops []Op, flushes []flush, tries int) {
	err := c.try(ops, tries)
	refused := errors.Is(err, errRefused)
	if (refused || errors.Is(err, ErrConflict)) && len(flushes) > 1 {
		// One of them belongs to another process by now, or is what the store
		// does not take; the others do not suffer from it.
		for i := range flushes {
			c.write(flushes[i].ops, flushes[i:i+1], splitTries)
		}
		return
	}
	settled := false
	for i := range flushes {
		f := &flushes[i]
		switch {
		case err == nil:
			c.e.committed(f)
			c.e.outbox.send(f.ops)
			settled = settled || f.settled
		case errors.Is(err, ErrConflict):
			c.e.disown(f.t, err)
		case refused:
			c.e.giveUp(f.t, err)
		default:
			c.e.leave(f.t, ErrShutdown)
		}
	}
	if settled {
		c.e.prune(c.ctx)
	}
}

// commit writes to the store until it succeeds, the store refuses, or the
// committer is stopped. What has happened is kept meanwhile, and nobody sees it.
func (c *committer) commit(ops []Op) error { return c.try(ops, commitTries) }

// try is commit. A store that takes nothing is waited for however long it takes
// nothing; one that has failed so many times with this commit, takes another one
// and fails with this one again refuses it, which is [errRefused]. It may have
// come back between the two, so that the other one alone proves nothing.
func (c *committer) try(ops []Op, tries int) error {
	if len(ops) == 0 {
		return nil
	}
	var since time.Time
	well := false // it has just taken another one
	for wait, n := minCommitRetry, 0; ; wait, n = min(2*wait, maxCommitRetry), n+1 {
		err := c.ctx.Err()
		if err == nil {
			begin := time.Now()
			err = c.e.store.Commit(c.ctx, ops)
			c.e.tell.commit(c.ctx, begin, err)
		}
		if err == nil || errors.Is(err, ErrConflict) || c.ctx.Err() != nil {
			if n > 0 {
				c.recovered(time.Since(since))
			}
			return err
		}
		if n == 0 {
			since = time.Now()
		}
		c.failed(err, n, time.Since(since))
		if n+1 >= tries && c.takesOther() {
			if well {
				c.calm()
				return fmt.Errorf("%w: %w", errRefused, err)
			}
			well = true
			continue
		}
		well = false
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
		}
	}
}

// commitFor commits what a call asks for, and waits for it no longer than the
// call does.
func (c *committer) commitFor(ctx context.Context, ops []Op) error {
	if _, err := c.trouble(); err != nil {
		return errStore()
	}
	if err := c.e.store.Commit(ctx, ops); err != nil {
		c.e.log.LogAttrs(ctx, slog.LevelError, "the task store cannot be written to", slog.Any("error", err))
		return errStore()
	}
	return nil
}

// failed notes that the store fails.
func (c *committer) failed(err error, n int, lasts time.Duration) {
	if n%20 == 0 {
		c.e.log.LogAttrs(c.ctx, slog.LevelError, "the task store cannot be written to, nothing new is answered until it can",
			slog.Any("error", err), slog.Duration("since", lasts))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err = err; lasts < patience {
		return
	}
	select {
	case <-c.alarm:
	default:
		close(c.alarm)
	}
}

// calm takes failed back.
func (c *committer) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = nil
	select {
	case <-c.alarm:
		c.alarm = make(chan struct{})
	default:
	}
}

func (c *committer) recovered(lasted time.Duration) {
	c.calm()
	c.e.log.LogAttrs(c.ctx, slog.LevelWarn, "the task store can be written to again", slog.Duration("lasted", lasted))
}

// trouble is a channel that is closed when the store has failed for so long
// that there is no point in waiting, and what the store says while it fails.
func (c *committer) trouble() (alarm <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alarm, c.err
}

// collect takes what a task has to write.
func (c *committer) collect(t *task, ops []Op) ([]Op, flush) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.saved
	s.marked = false
	id := string(t.info.TaskID)
	last := t.journal.last()
	f := flush{t: t, asked: s.asked, upTo: last, size: t.size, rest: t.journal.rest, settled: t.journal.rest && s.upTo < last}

	value := mustJSON(row{
		Owner: t.owner, Context: t.info.ContextID, State: string(t.status.State), At: t.status.Timestamp.UnixMilli(),
		Attempt: t.attempt, Canceled: t.canceled, Placed: t.placed, Size: finalSize(t),
		Holder: t.turn.holder,
	})
	changed := string(s.row) != string(value)
	switch {
	case s.row == nil:
		ops = append(ops, Op{Kind: Create, Bucket: BucketTasks, Key: id, Value: value})
	case !changed:
		ops = append(ops, Op{Kind: Expect, Bucket: BucketTasks, Key: id, Value: value})
	default:
		ops = append(ops, Op{Kind: Expect, Bucket: BucketTasks, Key: id, Value: s.row},
			Op{Kind: Put, Bucket: BucketTasks, Key: id, Value: value})
	}
	s.row = value
	ops = c.e.collectEvents(ops, t)
	if changed {
		ops = t.collectListed(ops)
	}
	if open := !t.journal.rest; open != s.open || open && s.host != c.e.hosts.id {
		kind := Delete
		if open {
			kind = Put
		}
		ops = append(ops, Op{Kind: kind, Bucket: BucketOpen, Key: id, Value: []byte(c.e.hosts.id)})
		s.open, s.host = open, c.e.hosts.id
	}
	ops = t.collectKept(ops, &f)
	ops = append(ops, s.ops...)
	ops = c.e.outbox.collect(ops, t, s.upTo)
	s.ops, s.upTo = nil, last
	return ops, f
}

// collectEvents writes down what has happened since the last commit. A process
// that takes a task over has read it before, and what the other one has written
// since then must not be written over: the row alone does not show that.
func (e *Engine) collectEvents(ops []Op, t *task) []Op {
	key := eventsFrom(t.info.TaskID, t.saved.upTo+1)
	switch {
	case t.saved.upTo < t.journal.last() && e.fenced():
		return append(ops, Op{Kind: Create, Bucket: BucketEvents, Key: key, Value: e.commits.frame(t)})
	case t.saved.upTo < t.journal.last():
		return append(ops, Op{Kind: Put, Bucket: BucketEvents, Key: key, Value: e.commits.frame(t)})
	case e.fenced():
		return append(ops, Op{Kind: Expect, Bucket: BucketEvents, Key: key})
	}
	return ops
}

// collectListed moves the task to its new place in the listing.
func (t *task) collectListed(ops []Op) []Op {
	key := listedKey(t.owner, t.status.Timestamp.UnixMilli(), t.info.TaskID)
	if old := t.saved.listed; old != "" && old != key {
		ops = append(ops, Op{Kind: Delete, Bucket: BucketListed, Key: old})
	}
	t.saved.listed = key
	value := listed{state: t.status.State, context: t.info.ContextID}.value()
	return append(ops, Op{Kind: Put, Bucket: BucketListed, Key: key, Value: value})
}

// collectKept lists the task among those that are kept until they are too old or
// too many, or takes it out when its turn goes on.
func (t *task) collectKept(ops []Op, f *flush) []Op {
	s := &t.saved
	if s.upTo == t.journal.last() {
		return ops
	}
	if s.kept != "" {
		ops = append(ops, Op{Kind: Delete, Bucket: BucketFinished, Key: s.kept})
		f.kept--
		f.keptBytes -= s.space
		s.kept, s.space = "", 0
	}
	if t.journal.rest {
		s.kept, s.space = timeKey(t.status.Timestamp.UnixMilli(), string(t.info.TaskID)), t.size
		ops = append(ops, Op{Kind: Put, Bucket: BucketFinished, Key: s.kept, Value: keptValue(t.size, ownerKey(t.owner), !t.journal.ended)})
		f.kept++
		f.keptBytes += s.space
	}
	return ops
}

func finalSize(t *task) int64 {
	if t.journal.rest {
		return t.size
	}
	return 0
}

// frame writes down what has happened to a task since the last commit.
func (c *committer) frame(t *task) []byte {
	from := t.saved.upTo
	begin := 0
	if from > 0 {
		begin = t.journal.records[from-1].end
	}
	text := t.journal.text.String()
	b := make([]byte, 0, 256+len(text)-begin+4*int(t.journal.last()-from))
	b = appendFrame(b, from+1)
	for _, r := range t.journal.records[from:] {
		whole, err := appendEvent(b, t, r, text[begin:r.end])
		if err != nil {
			// What comes in and what agents write was held against JSON before.
			// An event that is missing would make the journal unreadable, so one
			// that says nothing takes its place.
			c.e.log.LogAttrs(c.ctx, slog.LevelError, "an event cannot be stored", slog.String("task_id", string(t.info.TaskID)), slog.Any("error", err))
			whole, _ = appendJSON(b, statusRecord, &storedStatus{State: string(a2a.TaskStateWorking), At: now()})
		}
		b, begin = whole, r.end
	}
	if t.counted {
		t.counted = false
		if trace, err := storeTrace(t.trace); err == nil {
			b, _ = appendJSON(b, countsRecord, &storedCounts{Input: t.inTokens, Output: t.outTokens, Trace: trace})
		}
	}
	return b
}
