package task

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// How deliveries are tried.
const (
	pushTimeout    = 15 * time.Second // for one
	minPushRetry   = time.Second      // then twice as long each time, with jitter
	maxPushRetry   = 5 * time.Minute
	maxPushFails   = 8   // in a row, then the target is told nothing more
	maxPushWorkers = 100 // targets that are told something at once
)

// outbox tells targets what has happened to tasks. What is to be told is put
// into the store by the commit that makes it happen, and removed once it is
// told. Each target gets it in order, and slow ones hold up nobody as long as they
// are fewer than maxPushWorkers. Its goroutines live as long as there is something
// to tell.
type outbox struct {
	e *Engine

	mu    sync.Mutex // taken after all others
	tasks map[a2a.TaskID]map[string]bool
	lines map[string]*pushLine // by target: those that are being told something
	gone  map[a2a.TaskID]int   // tasks that are forgotten, and how many of their lines are not empty yet
	slots chan struct{}
	work  sync.WaitGroup
}

// pushLine is what one target is still to be told: keys in BucketOutbox.
type pushLine struct {
	task a2a.TaskID
	id   string
	keys []string
}

func (o *outbox) add(task a2a.TaskID, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tasks[task] == nil {
		o.tasks[task] = map[string]bool{}
	}
	o.tasks[task][id] = true
}

func (o *outbox) remove(task a2a.TaskID, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.tasks[task], id)
	if len(o.tasks[task]) == 0 {
		delete(o.tasks, task)
	}
}

// forget lets go of a task that is being removed from the store. It returns what
// removes the rest of it: nothing as long as there is something to tell, which
// is then removed with the last of it.
func (o *outbox) forget(task a2a.TaskID) []Op {
	o.mu.Lock()
	defer o.mu.Unlock()
	owed := 0
	for id := range o.tasks[task] {
		if o.lines[pushKey(task, id)] != nil {
			owed++
		}
	}
	delete(o.tasks, task)
	if owed > 0 {
		o.gone[task] = owed
		return nil
	}
	return pushRemoval(task)
}

func pushRemoval(task a2a.TaskID) []Op {
	return []Op{
		{Kind: DeleteRange, Bucket: BucketPush, Key: pushKey(task, ""), To: pushEnd(task)},
		{Kind: DeleteRange, Bucket: BucketOutbox, Key: outboxKey(task, 0, ""), To: pushEnd(task)},
	}
}

// emptied ends a line. The outbox's mutex is held.
func (o *outbox) emptied(target string, line *pushLine) []Op {
	delete(o.lines, target)
	switch o.gone[line.task] {
	case 0:
		return nil
	case 1:
		delete(o.gone, line.task)
		return pushRemoval(line.task)
	}
	o.gone[line.task]--
	return nil
}

// targets returns the ids of a task's targets.
func (o *outbox) targets(task a2a.TaskID) map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.tasks[task])
}

// outboxKey orders what is to be told by task and sequence.
func outboxKey(task a2a.TaskID, seq uint64, id string) string {
	return string(binary.BigEndian.AppendUint64([]byte(task+":"), seq)) + id
}

func parseOutboxKey(key string) (task a2a.TaskID, id string, ok bool) {
	name, rest, found := strings.Cut(key, ":")
	if !found || len(rest) <= 8 {
		return "", "", false
	}
	return a2a.TaskID(name), rest[8:], true
}

// collect adds to a commit what it gives to tell: the new statuses of a task.
// The task's mutex is held.
func (o *outbox) collect(ops []Op, t *task, from uint64) []Op {
	targets := o.targets(t.info.TaskID)
	if len(targets) == 0 {
		return ops
	}
	for i, r := range t.journal.records[from:] {
		status, ok := r.event.(*a2a.TaskStatusUpdateEvent)
		if !ok {
			continue
		}
		body, err := json.Marshal(a2a.StreamResponse{Event: status})
		if err != nil {
			continue
		}
		for id := range targets {
			ops = append(ops, Op{Kind: Put, Bucket: BucketOutbox, Key: outboxKey(t.info.TaskID, from+uint64(i)+1, id), Value: body})
		}
	}
	return ops
}

// send tells targets what a commit has put into the store.
func (o *outbox) send(ops []Op) {
	if o.e.cfg.notifier == nil {
		return // it waits for a process that has one
	}
	for _, op := range ops {
		if op.Bucket == BucketOutbox && op.Kind == Put {
			o.enqueue(op.Key)
		}
	}
}

func (o *outbox) enqueue(key string) {
	task, id, ok := parseOutboxKey(key)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	target := pushKey(task, id)
	line := o.lines[target]
	if line != nil {
		line.keys = append(line.keys, key)
		return
	}
	line = &pushLine{task: task, id: id, keys: []string{key}}
	o.lines[target] = line
	o.work.Go(func() { o.tell(target, line) })
}

// recover takes up what an earlier process has left.
func (o *outbox) recover(ctx context.Context) error {
	configs, err := o.e.store.Scan(ctx, Range{Bucket: BucketPush})
	if err != nil {
		return err
	}
	for _, entry := range configs {
		var s storedPush
		task, id, _ := strings.Cut(entry.Key, ":")
		if json.Unmarshal(entry.Value, &s) == nil && s.Disabled == "" {
			o.add(a2a.TaskID(task), id)
		}
	}
	if o.e.cfg.notifier == nil {
		return nil // what is to be told waits for a process that does
	}
	left, err := o.e.store.Scan(ctx, Range{Bucket: BucketOutbox})
	if err != nil {
		return err
	}
	for _, entry := range left {
		o.enqueue(entry.Key)
	}
	return o.forgetRemoved(ctx, configs)
}

// forgetRemoved forgets the tasks that were removed before everything was told.
func (o *outbox) forgetRemoved(ctx context.Context, configs []Entry) error {
	for i, entry := range configs {
		name, _, _ := strings.Cut(entry.Key, ":")
		if i > 0 && strings.HasPrefix(configs[i-1].Key, name+":") {
			continue
		}
		_, err := o.e.store.Get(ctx, BucketTasks, name)
		if err == nil || !errors.Is(err, ErrNotFound) {
			continue
		}
		if ops := o.forget(a2a.TaskID(name)); ops != nil {
			if err := o.e.store.Commit(ctx, ops); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell tells one target everything, in order.
func (o *outbox) tell(target string, line *pushLine) {
	ctx := o.e.commits.ctx
	for fails := 0; ; {
		o.mu.Lock()
		if len(line.keys) == 0 {
			rest := o.emptied(target, line)
			o.mu.Unlock()
			_ = o.e.commits.commit(rest) // else the process ends, and the next one does it
			return
		}
		key := line.keys[0]
		o.mu.Unlock()
		pause, dead := o.try(ctx, line, key, &fails)
		if ctx.Err() != nil {
			return
		}
		if pause > 0 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			continue
		}
		o.told(line, dead)
	}
}

// try makes one delivery. It returns how long to wait before it is tried again,
// or 0 when it is done with, and whether the target is. A store that cannot be
// read is waited for: that is no failure of the target's.
func (o *outbox) try(ctx context.Context, line *pushLine, key string, fails *int) (pause time.Duration, dead bool) {
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-ctx.Done():
		return 0, false
	}
	body, err := o.e.store.Get(ctx, BucketOutbox, key)
	if err = asDamaged(err); err != nil && !isLost(err) {
		return minPushRetry, false
	}
	if err != nil {
		return 0, false
	}
	s, err := o.e.pushConfig(ctx, line.task, line.id)
	if err != nil && !isLost(err) {
		return minPushRetry, false
	}
	if err != nil || s.Disabled != "" {
		if errors.Is(err, errDamaged) {
			o.e.log.LogAttrs(ctx, slog.LevelError, "a push notification config cannot be read, its target is not told",
				slog.String("task_id", string(line.task)), slog.String("config_id", line.id), slog.Any("error", err))
		}
		return 0, true
	}
	sending, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	err = o.notify(sending, Notification{ID: notificationID(key), Config: s.config(line.task, line.id), Body: body})
	if err == nil {
		*fails = 0
		return 0, false
	}
	if ctx.Err() != nil {
		return 0, false
	}
	*fails++
	var verdict *NotifyError
	if errors.As(err, &verdict) && verdict.Permanent || *fails >= maxPushFails {
		o.disable(ctx, line, s, err)
		return 0, true
	}
	pause = min(minPushRetry<<(*fails-1), maxPushRetry)
	pause = pause/2 + rand.N(pause)/2
	if verdict != nil && verdict.RetryAfter > 0 {
		pause = min(verdict.RetryAfter, maxPushRetry)
	}
	return max(pause, time.Millisecond), false
}

// notify calls foreign code.
func (o *outbox) notify(ctx context.Context, n Notification) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("the notifier panicked")
			o.e.log.LogAttrs(ctx, slog.LevelError, "the notifier panicked", slog.Any("panic", v))
		}
	}()
	return o.e.cfg.notifier.Notify(ctx, n)
}

// notificationID is the id of a delivery: what the target can tell a repetition
// by.
func notificationID(key string) string {
	task, rest, _ := strings.Cut(key, ":")
	seq := binary.BigEndian.Uint64([]byte(rest[:8]))
	b, _ := json.Marshal(seq)
	return task + "-" + string(b)
}

// told takes what was told, or never will be, out of the store.
func (o *outbox) told(line *pushLine, dead bool) {
	o.mu.Lock()
	n := 1
	if dead {
		n = len(line.keys)
	}
	keys := line.keys[:n:n]
	line.keys = line.keys[n:]
	o.mu.Unlock()
	ops := make([]Op, len(keys))
	for i, key := range keys {
		ops[i] = Op{Kind: Delete, Bucket: BucketOutbox, Key: key}
	}
	_ = o.e.commits.commit(ops) // else the process ends, and it is told again
}

// disable tells a target nothing more.
func (o *outbox) disable(ctx context.Context, line *pushLine, s *storedPush, err error) {
	o.e.log.LogAttrs(ctx, slog.LevelWarn, "a push notification target is told nothing more",
		slog.String("task_id", string(line.task)), slog.String("config_id", line.id), slog.Any("error", err))
	o.remove(line.task, line.id)
	s.Disabled = err.Error()
	_ = o.e.commits.commit([]Op{{Kind: Put, Bucket: BucketPush, Key: pushKey(line.task, line.id), Value: mustJSON(s)}})
}
