package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const (
	// tries is how often a call is tried before the caller hears of it.
	tries = 3

	// lastWord is how long the answer to a commit is waited for when the
	// caller's context has ended: without it nobody knows what has happened.
	lastWord = time.Second
)

// Commit implements [task.Store]. When it returns nil the server has committed
// the operations, with whatever durability it is set to. It is one round trip on
// a connection that has made a commit before.
//
// The error wraps [ErrUnknown] when the connection was lost while the server may
// have been committing and could not be had again. Commit with the same
// operations then finds that out: it makes them if their conditions hold, and if
// they do not, it returns nil when that is because the first one was made after
// all. Once any later commit of this Store has been answered, one that was
// unknown until then is not made any more.
//
// A context that ends while the server works leaves it a second for its answer.
func (s *Store) Commit(ctx context.Context, ops []task.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := newPlan(ops)
	if err != nil || len(ops) == 0 {
		return err
	}
	c := s.ledger.begin(ops)
	sent := false // and not answered
	for try := 1; ; try++ {
		answer, mayHaveArrived, err := s.try(ctx, c, p)
		sent = sent || mayHaveArrived
		switch {
		case err == nil:
			s.ledger.answered(c, sent)
			if !answer.made {
				return s.conflict(answer.at, p)
			}
			s.notify(ops)
			return nil
		case try < tries && ctx.Err() == nil && (lost(err) || again(err)):
			pause(ctx, try)
		case sent:
			s.ledger.unknown(c, ops)
			return fmt.Errorf("%w: %w", ErrUnknown, s.explain(ctx, err))
		default:
			s.ledger.failed(c)
			return s.explain(ctx, err)
		}
	}
}

// answer is what the server says to a commit.
type answer struct {
	made bool
	at   int64 // which condition did not hold, from 1; 0: nobody knows any more
}

// try sends a commit once. With an error, mayHaveArrived says whether the server
// may make it all the same.
func (s *Store) try(ctx context.Context, c *commit, p *plan) (a answer, mayHaveArrived bool, err error) {
	waiting, cancel := s.within(ctx)
	conn, err := s.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return a, false, err
	}
	defer conn.Release()
	late, done := linger(ctx)
	defer done()
	ctx, cancel = s.within(late)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(beginSQL)
	b.Queue(lockSQL, s.lock)
	b.Queue(commitSQL, s.workspace, s.writer, c.number, c.same, c.void, c.spent,
		p.expect.buckets, p.expect.keys, p.expect.values,
		p.remove.buckets, p.remove.keys, p.remove.values,
		p.set.buckets, p.set.keys, p.set.values,
	).QueryRow(func(row pgx.Row) error { return row.Scan(&a.made, &a.at) })
	b.Queue(doneSQL)
	err = conn.SendBatch(ctx, b).Close()
	return a, err != nil && !refused(err), err
}

// linger is a context that ends a little after another one.
func linger(ctx context.Context) (late context.Context, done context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(lastWord, func() { cancel(context.Cause(ctx)) })
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}

// conflict says which condition did not hold.
func (s *Store) conflict(at int64, p *plan) error {
	i := int(at) - 1
	if i < 0 || i >= len(p.expect.keys) {
		return fmt.Errorf("%w: the commit had been refused when its answer was lost", task.ErrConflict)
	}
	return fmt.Errorf("%w: %s %s", task.ErrConflict, p.expect.buckets[i], quote(p.expect.keys[i]))
}
