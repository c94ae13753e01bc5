package task

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// DefaultLease is how long a process may be silent before others take over what
// it was doing.
const DefaultLease = 10 * time.Second

const (
	beatsPerLease = 10
	recountEvery  = 30 * time.Second
	partTimeout   = 2 * time.Second
)

// WithShared lets several processes use one store at the same time, such as the
// replicas of a workspace on one database; each is an engine that was opened
// with this option. A caller may talk to any of them:
//
//   - a message that reaches two of them makes one task;
//   - who waits for a task, reads or streams it gets what another process
//     writes, a little later than there; a store that is a [Watcher] makes it
//     less;
//   - a task is canceled wherever it runs: it is at its end at once, and the
//     process that runs it ends its turn when it next writes, or within a tenth
//     of the lease;
//   - each process says in the store that it is alive. When it has not for the
//     time of lease (0: [DefaultLease]), or was closed, the others take over
//     what it was doing, as [Open] does after a crash. The clocks of the
//     processes need not agree.
//
// Whatever happens, one process alone can write to a task: who was taken for dead
// and is not has lost it, and its turn ends with [ErrElsewhere]. [Limits] on what
// runs are for each process, those on what is kept for the store. Push
// notifications come from the process in which the turn runs, to the targets that
// it knew of when it began. Turns of one conversation are in order within one
// process. Default: the store belongs to one engine.
func WithShared(lease time.Duration) Option {
	orDefault(&lease, DefaultLease)
	return optionFunc(func(c *config) { c.lease = lease })
}

// hosts is what a process knows of those it shares the store with.
type hosts struct {
	id    string                    // of this one; empty where nobody else writes to the store
	turns atomic.Uint64             // it has had
	said  atomic.Pointer[time.Time] // when the last sign of life was sent that arrived; nil before
	work  sync.WaitGroup
	beat  uint64 // of stayAlive
	// Of keepUp.
	seen   map[string]sighting
	placed map[a2a.TaskID]placedAgain // whose turns no living process waits for
	strays map[a2a.TaskID]int         // how often they were taken up again
}

// placedAgain is when a turn is placed once more, unless it has come back, and
// how long after that.
type placedAgain struct {
	next  time.Time
	pause time.Duration
}

// sighting is when a process was seen to be alive. Its clock does not matter:
// what counts is how long its sign of life has been the same.
type sighting struct {
	life  string
	since time.Time
	lease time.Duration
}

// life is the value in BucketHosts.
type life struct {
	Beat  uint64        `json:"beat"`
	Lease time.Duration `json:"lease"`
}

func (e *Engine) shared() bool { return e.cfg.lease > 0 }

// fenced reports whether other processes may write to the tasks of this one.
func (e *Engine) fenced() bool { return e.shared() || e.cfg.dispatcher != nil }

// holder is a new name for who has a turn. Two processes that take a task up at
// the same moment do the same with it; by the name its row differs all the same,
// so that one of them fails.
func (h *hosts) holder() string {
	if h.id == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", h.id, h.turns.Add(1))
}

// join makes this process known and takes up what others have left.
func (e *Engine) join(ctx context.Context) error {
	h := &e.hosts
	h.seen, h.placed, h.strays = map[string]sighting{}, map[a2a.TaskID]placedAgain{}, map[a2a.TaskID]int{}
	if err := e.beat(ctx); err != nil {
		return err
	}
	h.work.Go(e.stayAlive)
	if err := e.sweep(ctx); err != nil {
		return err
	}
	h.work.Go(e.keepUp)
	return nil
}

// part takes this process out of the store, so that the others need not wait.
func (e *Engine) part() {
	e.hosts.work.Wait()
	if e.hosts.seen == nil { // it has never joined
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), partTimeout)
	defer cancel()
	_ = e.store.Commit(ctx, []Op{{Kind: Delete, Bucket: BucketHosts, Key: e.hosts.id}}) // else the lease ends by itself
}

// stayAlive says until Close that this process is alive, and does nothing else:
// what else there is to do may take longer than the lease.
func (e *Engine) stayAlive() {
	e.eachBeat(e.beat, "the shared store cannot be written to, other processes may take over what runs here")
}

// keepUp looks until Close whether the others are alive.
func (e *Engine) keepUp() {
	counted := time.Now()
	e.eachBeat(func(ctx context.Context) error {
		if !e.heard() {
			// It would take over what it cannot keep, and whoever it shares the
			// trouble with may not have been heard for as long: all of them get a
			// whole lease again once it is over.
			e.hosts.seen = map[string]sighting{}
			return nil
		}
		err := e.sweep(ctx)
		if err == nil && time.Since(counted) > recountEvery {
			counted = time.Now()
			if err = e.count(ctx); err == nil {
				e.prune(ctx)
			}
		}
		return err
	}, "the shared store cannot be used, what other processes have left is not taken over")
}

// eachBeat calls do a few times in each lease, until Close, and says when it
// begins to fail.
func (e *Engine) eachBeat(do func(ctx context.Context) error, failure string) {
	ctx := e.commits.ctx
	tick := time.NewTicker(max(e.cfg.lease/beatsPerLease, time.Millisecond))
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := do(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			e.log.LogAttrs(ctx, slog.LevelError, failure, slog.Any("error", err))
		}
		failing = err != nil
	}
}

func (e *Engine) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.lease)
	defer cancel()
	e.hosts.beat++
	now := time.Now()
	err := e.store.Commit(ctx, []Op{{Kind: Put, Bucket: BucketHosts, Key: e.hosts.id, Value: mustJSON(life{e.hosts.beat, e.cfg.lease})}})
	if err == nil {
		e.hosts.said.Store(&now)
	}
	return err
}

// heard reports whether this process has said that it is alive, well before the
// others take it for dead.
func (e *Engine) heard() bool {
	said := e.hosts.said.Load()
	return said != nil && time.Since(*said) < e.cfg.lease/2
}

// sweep looks through what is not at rest: what others have taken from here, and
// what is to be taken from those who are dead.
func (e *Engine) sweep(ctx context.Context) error {
	mine := e.settled()
	if err := e.look(ctx); err != nil {
		return err
	}
	open, err := e.store.Scan(ctx, Range{Bucket: BucketOpen})
	if err != nil {
		return err
	}
	var left []leftover
	ids := map[a2a.TaskID]bool{}
	for _, entry := range open {
		id, host := a2a.TaskID(entry.Key), string(entry.Value)
		ids[id] = true
		again, known := e.hosts.placed[id]
		busy := mine[id] != nil || e.alive(id) != nil
		if host == e.hosts.id {
			delete(mine, id)
		}
		switch {
		case busy, host != e.hosts.id && e.lives(host):
			e.found(id)
		case host == e.hosts.id && !e.isStray(id), known && time.Now().Before(again.next):
		default:
			left = append(left, leftover{id: id, host: host})
		}
	}
	for _, t := range mine {
		e.disownIfTaken(ctx, t)
	}
	for id := range e.hosts.placed {
		if !ids[id] {
			e.found(id)
		}
	}
	e.forgetStrays(ids)
	for i := range left {
		left[i].t, left[i].damaged, left[i].err = e.read(ctx, left[i].id)
	}
	slices.SortStableFunc(left, leftover.compare)
	for _, l := range left {
		e.adopt(ctx, l.id, l.host)
	}
	return nil
}

// found notes that a living process waits for a turn again, or that it is over.
func (e *Engine) found(id a2a.TaskID) {
	if _, ok := e.hosts.placed[id]; ok {
		delete(e.hosts.placed, id)
		e.lost.found(id)
	}
}

// look sees who is alive.
func (e *Engine) look(ctx context.Context) error {
	entries, err := e.store.Scan(ctx, Range{Bucket: BucketHosts})
	if err != nil {
		return err
	}
	seen := make(map[string]sighting, len(entries))
	for _, entry := range entries {
		s, known := e.hosts.seen[entry.Key]
		if sign := string(entry.Value); !known || s.life != sign {
			var l life
			_ = json.Unmarshal(entry.Value, &l)
			s = sighting{life: sign, since: time.Now(), lease: min(max(l.Lease, time.Millisecond), time.Hour)}
		}
		seen[entry.Key] = s
	}
	e.hosts.seen = seen
	return nil
}

// lives reports whether a process is to be taken for alive.
func (e *Engine) lives(host string) bool {
	s, ok := e.hosts.seen[host]
	return ok && time.Since(s.since) <= s.lease
}

// settled is the live tasks that are in the store as they are here.
func (e *Engine) settled() map[a2a.TaskID]*task {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := map[a2a.TaskID]*task{}
	for id, t := range e.live {
		t.mu.Lock()
		if t.isSettled() {
			found[id] = t
		}
		t.mu.Unlock()
	}
	return found
}

// isSettled reports whether nothing of a task is on its way to the store. Its
// mutex is held.
func (t *task) isSettled() bool {
	s := &t.saved
	return s.row != nil && !s.marked && s.stored == s.asked && !t.journal.rest && t.journal.left == nil
}

// disownIfTaken gives a task up if another process has changed it.
func (e *Engine) disownIfTaken(ctx context.Context, t *task) {
	t.mu.Lock()
	settled, row, asked := t.isSettled(), t.saved.row, t.saved.asked
	t.mu.Unlock()
	if !settled {
		return
	}
	value, err := e.store.Get(ctx, BucketTasks, string(t.info.TaskID))
	if err != nil && !errors.Is(err, ErrNotFound) || err == nil && bytes.Equal(value, row) {
		return
	}
	t.mu.Lock()
	same := t.isSettled() && t.saved.asked == asked
	t.mu.Unlock()
	if same { // else the commit that is on its way finds out
		e.disown(t, ErrElsewhere)
	}
}

// adopt takes up a task whose process, host, is dead, or has lost it. A placed turn
// is only placed again.
func (e *Engine) adopt(ctx context.Context, id a2a.TaskID, host string) {
	release, err := e.hold(ctx, id)
	if err != nil {
		return
	}
	defer release()
	e.mu.Lock()
	busy := e.live[id] != nil || e.running[id] != nil || e.draining
	e.mu.Unlock()
	if busy || !e.heard() || !e.isStill(ctx, id, host) {
		return
	}
	l := leftover{id: id, host: host}
	l.t, l.damaged, l.err = e.read(ctx, id)
	switch {
	case l.err != nil && !errors.Is(l.err, errDamaged):
		return // it is gone, or the store fails
	case l.err == nil && l.t.journal.rest:
		return // it has come to rest meanwhile
	case l.err == nil && l.t.placed && !l.t.canceled && e.cfg.dispatcher != nil:
		e.dispatchAgain(ctx, l.t)
		return
	}
	if host == e.hosts.id {
		e.hosts.strays[id]++
	}
	e.recoverTask(ctx, l)
}

// dispatchAgain places a turn that no living process waits for: the one that did
// may have died before it had placed it, and whoever has it may lose it.
func (e *Engine) dispatchAgain(ctx context.Context, t *task) {
	turn := t.dispatched()
	pause := max(e.hosts.placed[turn.TaskID].pause, minPlaceAgain)
	err := protect(ctx, dispatchTimeout, turn, e.cfg.dispatcher.Dispatch)
	if err != nil {
		e.noteLost(ctx, turn, err)
		e.hosts.placed[turn.TaskID] = placedAgain{time.Now(), pause}
		return
	}
	e.lost.found(turn.TaskID)
	e.hosts.placed[turn.TaskID] = placedAgain{time.Now().Add(pause), min(2*pause, maxPlaceAgain)}
}
