package task

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Bounds of [Execution.Once], in bytes.
const (
	MaxOnceKey    = 128
	MaxOnceResult = 1 << 20
)

// ErrUnknownOutcome is in the error of [Execution.Once] when an effect was begun
// and nobody knows whether it was made.
var ErrUnknownOutcome = errors.New("task: it is not known whether the side effect was made")

// What is kept of an effect, before its result.
const (
	onceBegun = '?'
	onceMade  = '='
)

// onceKey is the key of an effect; onceEnd is behind all of a task.
func onceKey(id a2a.TaskID, key string) string { return string(id) + ":" + key }
func onceEnd(id a2a.TaskID) string             { return string(id) + ";" }

// onces is the effects that are being made.
type onces struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed when the call has returned
}

// Once makes a side effect at most once in a task, such as an order that is
// placed or a letter that is sent: do is called, and what it returns is kept
// with the task and returned. A later call with the same key returns that and
// calls nothing, also in a later attempt, in another process, or in another turn
// of the task. Calls at the same time make one call of do.
//
// That do is about to be called is in the store before it is, and its result
// before Once returns. When neither is known, because the process ended in
// between, the error is [ErrUnknownOutcome], for this and every later call: the
// agent alone can find out, by asking whoever it has asked for the effect, and
// goes on under another key or without it.
//
// An error that do returns says that the effect was not made: Once returns it
// and forgets the call, so that the next one tries again. If do cannot know, as
// when a request was sent and no answer came, it returns an error with
// ErrUnknownOutcome in it, and that is remembered. An error of do after the end
// of ctx, and a panic, count as not knowing too.
//
// ctx is the turn's, or one made from it, and is passed to do; its end does not
// lose a result. key has 1 to [MaxOnceKey] bytes; a result has [MaxOnceResult]
// at most, nil and empty being the same, and one that is longer is not kept, with
// ErrUnknownOutcome as the error. The result must not be modified. What is kept
// goes when the task is forgotten.
func (x *Execution) Once(ctx context.Context, key string, do func(ctx context.Context) ([]byte, error)) ([]byte, error) {
	if key == "" || len(key) > MaxOnceKey {
		return nil, fmt.Errorf("task: the key of a side effect has 1 to %d bytes, this one %d", MaxOnceKey, len(key))
	}
	release, err := x.onces.hold(ctx, key)
	if err != nil {
		return nil, err
	}
	defer release()
	name := onceKey(x.t.info.TaskID, key)
	value, err := x.e.store.Get(ctx, BucketOnce, name)
	switch {
	case err == nil && len(value) > 0 && value[0] == onceMade:
		return value[1:], nil
	case err == nil:
		return nil, fmt.Errorf("%w: %q was begun and has not come to an end", ErrUnknownOutcome, key)
	case !errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("task: side effect %q cannot be looked up: %w", key, err)
	}
	if err := x.intend(ctx, name); err != nil {
		return nil, err
	}
	result, err := do(ctx)
	switch {
	case err == nil && len(result) > MaxOnceResult:
		return nil, fmt.Errorf("%w: the result of %q has %d bytes, %d can be kept", ErrUnknownOutcome, key, len(result), MaxOnceResult)
	case err == nil:
		value := append([]byte{onceMade}, result...)
		if err := x.keep(Op{Kind: Put, Bucket: BucketOnce, Key: name, Value: value}); err != nil {
			return nil, fmt.Errorf("%w: the result of %q is not kept: %w", ErrUnknownOutcome, key, err)
		}
		return value[1:], nil
	case isUnknown(err):
		return nil, err
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	if lost := x.keep(Op{Kind: Delete, Bucket: BucketOnce, Key: name}); lost != nil {
		return nil, fmt.Errorf("%w: that it was not made is not kept: %w", err, lost)
	}
	return nil, err
}

// isUnknown calls methods of a foreign error; see publicText.
func isUnknown(err error) (unknown bool) {
	defer func() {
		if recover() != nil {
			unknown = true
		}
	}()
	return errors.Is(err, ErrUnknownOutcome)
}

// hold lets one call at a time make an effect.
func (o *onces) hold(ctx context.Context, key string) (release func(), err error) {
	mine := make(chan struct{})
	for {
		o.mu.Lock()
		other := o.busy[key]
		if other == nil {
			if o.busy == nil {
				o.busy = map[string]chan struct{}{}
			}
			o.busy[key] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				delete(o.busy, key)
				o.mu.Unlock()
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// intend puts into the store that an effect is about to be made. It belongs to
// a commit of the task, so that a process which has lost the task to another one
// makes none.
func (x *Execution) intend(ctx context.Context, name string) error {
	t := x.t
	t.mu.Lock()
	if t.turn.refuse != nil {
		defer t.mu.Unlock()
		return t.turn.refuse
	}
	t.saved.ops = append(t.saved.ops, Op{Kind: Put, Bucket: BucketOnce, Key: name, Value: []byte{onceBegun}})
	x.e.commits.mark(t)
	t.mu.Unlock()
	err := t.awaitStored(ctx)
	if err != nil && ctx.Err() != nil { // nothing was begun
		_ = x.keep(Op{Kind: Delete, Bucket: BucketOnce, Key: name})
	}
	return err
}

// keep puts into the store what has come of an effect. It waits for that also
// when the turn's context has ended.
func (x *Execution) keep(op Op) error {
	t := x.t
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved.ops = append(t.saved.ops, op)
	x.e.commits.mark(t)
	for asked := t.saved.asked; t.saved.stored < asked; {
		switch t.journal.left { //nolint:errorlint // set by us, never wrapped
		case ErrElsewhere, errRefused:
			return t.journal.left // with ErrShutdown it is still to come
		}
		changed := t.journal.changed()
		t.mu.Unlock()
		select {
		case <-changed:
		case <-x.e.commits.ctx.Done():
		}
		t.mu.Lock()
		if x.e.commits.ctx.Err() != nil && t.saved.stored < asked {
			return ErrShutdown
		}
	}
	return nil
}
