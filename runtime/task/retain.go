package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// kept counts what is in the store, for the bounds on it. It is guarded by the
// engine's mutex. Where several processes share a store each counts what it has
// seen, and counts again now and then.
type kept struct {
	finished int   // tasks at rest: those that have ended, and those that wait for their caller
	bytes    int64 // of these tasks, roughly
	messages int   // ids that are remembered
}

// pruneBatch is how many tasks or messages one commit removes at most.
const pruneBatch = 256

// slack is how far a bound may be passed before something is removed, so that
// not every finished task costs a commit of its own.
func slack(bound int) int { return bound / 16 }

// prune removes what is beyond the bounds, the oldest first.
func (e *Engine) prune(ctx context.Context) {
	e.pruning.Lock()
	defer e.pruning.Unlock()
	for e.pruneTasks(ctx) && ctx.Err() == nil {
	}
	for e.pruneMessages(ctx) && ctx.Err() == nil {
	}
}

// How often it is looked for what is too old: a sixteenth of the age, within
// these.
const (
	minAging = time.Second
	maxAging = time.Hour
)

// startAging removes what is too old also while nothing happens, until Close.
func (e *Engine) startAging() {
	every := maxAging
	for _, age := range []time.Duration{e.cfg.limits.MaxAge, e.cfg.limits.MaxMessageAge} {
		if age > 0 {
			every = min(every, max(age/16, minAging))
		}
	}
	if e.cfg.limits.MaxAge <= 0 && e.cfg.limits.MaxMessageAge <= 0 {
		return
	}
	e.aging.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				e.prune(e.commits.ctx)
			case <-e.commits.ctx.Done():
				return
			}
		}
	})
}

// pruneTasks removes tasks at rest, and reports whether there may be more.
func (e *Engine) pruneTasks(ctx context.Context) (more bool) {
	l := e.cfg.limits
	k := e.counted()
	if k.finished-l.MaxFinished <= slack(l.MaxFinished) && k.bytes <= l.MaxFinishedBytes && l.MaxAge <= 0 {
		return false
	}
	oldest, err := e.oldest(ctx, BucketFinished)
	if err != nil {
		e.notePrune(ctx, err)
		return false
	}
	k = e.counted()
	over := k.finished - l.MaxFinished
	var ops []Op
	n, bytes := 0, int64(0)
	for _, entry := range oldest {
		kept := decodeKept(entry.Value)
		tooOld := l.MaxAge > 0 && time.Since(time.UnixMilli(timeOf(entry.Key))) > l.MaxAge
		tooMany := over > n && over > slack(l.MaxFinished)
		tooBig := k.bytes-bytes > l.MaxFinishedBytes && k.finished-n > 1
		if len(entry.Key) <= 8 || !tooOld && !tooMany && !tooBig {
			break
		}
		if kept.waits {
			as, release, ok := e.holdWaiting(ctx, entry.Key)
			if !ok {
				continue // its answer has just come
			}
			defer release()
			ops = append(ops, as)
		}
		ops = append(ops, e.removal(entry.Key, kept.owner)...)
		n++
		bytes += kept.size
	}
	if n == 0 || e.commits.commit(e.unlessRemoved(ops, BucketFinished, oldest[0])) != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept.finished -= n
	e.kept.bytes -= bytes
	return n == pruneBatch
}

// holdWaiting lets a task that waits for its caller be forgotten: nobody can
// answer it before release, and the operation holds it to be as it is where
// somebody can elsewhere.
func (e *Engine) holdWaiting(ctx context.Context, key string) (as Op, release func(), ok bool) {
	id := key[8:]
	release, ok = e.tryHold(a2a.TaskID(id))
	if !ok {
		return Op{}, nil, false
	}
	value, err := e.store.Get(ctx, BucketTasks, id)
	if err == nil {
		var r row
		r, err = decodeRow(value)
		ok = err == nil && r.State == string(a2a.TaskStateInputRequired) && timeKey(r.At, id) == key
	}
	if err != nil || !ok {
		release()
		return Op{}, nil, false
	}
	return Op{Kind: Expect, Bucket: BucketTasks, Key: id, Value: value}, release, true
}

// removal is what removes a task, by its key in BucketFinished and its owner's.
func (e *Engine) removal(finished, owner string) []Op {
	id := finished[8:]
	taskID := a2a.TaskID(id)
	return append(e.outbox.forget(taskID), []Op{
		{Kind: Delete, Bucket: BucketFinished, Key: finished},
		{Kind: Delete, Bucket: BucketTasks, Key: id},
		{Kind: DeleteRange, Bucket: BucketEvents, Key: eventsFrom(taskID, 0), To: eventsEnd(taskID)},
		{Kind: DeleteRange, Bucket: BucketOnce, Key: onceKey(taskID, ""), To: onceEnd(taskID)},
		{Kind: Delete, Bucket: BucketListed, Key: owner + finished},
	}...)
}

// pruneMessages removes the ids of messages, and reports whether there may be
// more. The message of a task that is not at rest is remembered by the task.
func (e *Engine) pruneMessages(ctx context.Context) (more bool) {
	l := e.cfg.limits
	if e.counted().messages-l.MaxMessages <= slack(l.MaxMessages) && l.MaxMessageAge <= 0 {
		return false
	}
	oldest, err := e.oldest(ctx, BucketSeen)
	if err != nil {
		e.notePrune(ctx, err)
		return false
	}
	over := e.counted().messages - l.MaxMessages
	var ops []Op
	n := 0
	for _, entry := range oldest {
		tooOld := l.MaxMessageAge > 0 && time.Since(time.UnixMilli(timeOf(entry.Key))) > l.MaxMessageAge
		tooMany := over > n && over > slack(l.MaxMessages)
		if len(entry.Key) <= 8 || !tooOld && !tooMany {
			break
		}
		ops = append(ops, Op{Kind: Delete, Bucket: BucketSeen, Key: entry.Key})
		for keys := entry.Value; len(keys) >= messageKeySize; keys = keys[messageKeySize:] {
			ops = append(ops, Op{Kind: Delete, Bucket: BucketMessages, Key: string(keys[:messageKeySize])})
		}
		n++
	}
	if n == 0 || e.commits.commit(e.unlessRemoved(ops, BucketSeen, oldest[0])) != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept.messages -= n
	return n == pruneBatch
}

func (e *Engine) counted() kept {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kept
}

// oldest returns what may be removed. Where other processes finish and remove as
// well it counts again: by the same look, so that none removes what another one
// just has.
func (e *Engine) oldest(ctx context.Context, b Bucket) ([]Entry, error) {
	if !e.shared() {
		return e.store.Scan(ctx, Range{Bucket: b, Limit: pruneBatch})
	}
	all, err := e.store.Scan(ctx, Range{Bucket: b})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b == BucketSeen {
		e.kept.messages = len(all)
	} else {
		e.kept.countFinished(all)
	}
	return all[:min(len(all), pruneBatch)], nil
}

func (k *kept) countFinished(all []Entry) {
	k.finished, k.bytes = len(all), 0
	for _, entry := range all {
		k.bytes += decodeKept(entry.Value).size
	}
}

// unlessRemoved makes a removal depend on nobody else having made it.
func (e *Engine) unlessRemoved(ops []Op, b Bucket, first Entry) []Op {
	if !e.shared() {
		return ops
	}
	return append(ops, Op{Kind: Expect, Bucket: b, Key: first.Key, Value: first.Value})
}

func (e *Engine) notePrune(ctx context.Context, err error) {
	if !errors.Is(err, context.Canceled) {
		e.log.LogAttrs(ctx, slog.LevelError, "old tasks cannot be looked up in the store to remove them", slog.Any("error", err))
	}
}
