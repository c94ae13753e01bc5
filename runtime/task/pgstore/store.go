package pgstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Store is a [task.Store] in a PostgreSQL database, for one workspace. Make it
// with [Open] or [OpenPool]. Methods are safe for concurrent use, also by Stores
// of other processes on the same workspace; readers wait for nobody, commits of
// one workspace for each other.
type Store struct {
	cfg       config
	pool      *pgxpool.Pool
	owned     bool   // the pool is closed with the store
	server    string // for messages
	workspace string
	lock      int64  // the workspace's among PostgreSQL's advisory locks
	writer    int64  // tells the commits of this Store apart from those of others
	channel   string // of the workspace's notifications
	ledger    ledger
	notifier  notifier
	watches   watches
}

var _ task.Store = (*Store)(nil)

func newStore(pool *pgxpool.Pool, workspace string, c config) *Store {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	sum := sha256.Sum256([]byte("workspace-runtime-go/runtime/task/pgstore\x00" + workspace))
	ctx, cancel := context.WithCancel(context.Background())
	return &Store{
		cfg:       c,
		pool:      pool,
		server:    address(pool.Config().ConnConfig),
		workspace: workspace,
		lock:      int64(binary.BigEndian.Uint64(sum[:])),
		writer:    int64(binary.BigEndian.Uint64(random[:])),
		channel:   fmt.Sprintf("workspace_runtime_%x", sum[8:24]),
		notifier:  notifier{pending: map[mark]bool{}, closing: make(chan struct{})},
		watches:   watches{watchers: map[mark]map[*watcher]bool{}, ctx: ctx, cancel: cancel},
	}
}

// Get implements [task.Store].
func (s *Store) Get(ctx context.Context, b task.Bucket, key string) ([]byte, error) {
	if err := known(b); err != nil {
		return nil, err
	}
	var value []byte
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, getSQL, s.workspace, string(b), []byte(key)).Scan(&value)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, task.ErrNotFound
	}
	return value, err
}

// Scan implements [task.Store]: one statement, so that all of it is of one
// moment.
func (s *Store) Scan(ctx context.Context, r task.Range) ([]task.Entry, error) {
	if err := known(r.Bucket); err != nil {
		return nil, err
	}
	sql, args := scanSQL, []any{s.workspace, string(r.Bucket), []byte(r.From)}
	if r.To != "" {
		sql += ` AND key < $4::bytea`
		args = append(args, []byte(r.To))
	}
	sql += ` ORDER BY key`
	if r.Reverse {
		sql += ` DESC`
	}
	if r.Limit > 0 {
		args = append(args, r.Limit)
		sql += fmt.Sprintf(` LIMIT $%d::bigint`, len(args))
	}
	var found []task.Entry
	err := s.read(ctx, func(ctx context.Context) error {
		found = nil
		rows, err := s.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, value []byte
			if err := rows.Scan(&key, &value); err != nil {
				return err
			}
			found = append(found, task.Entry{Key: string(key), Value: value})
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// read calls f, once more when the connection was lost: one that had rested in
// the pool may have been dead for long.
func (s *Store) read(ctx context.Context, f func(context.Context) error) error {
	for try := 1; ; try++ {
		err := func() error {
			ctx, cancel := s.within(ctx)
			defer cancel()
			return f(ctx)
		}()
		switch {
		case err == nil || errors.Is(err, pgx.ErrNoRows):
			return err
		case try < tries && ctx.Err() == nil && (lost(err) || again(err)):
			pause(ctx, try)
		default:
			return s.explain(ctx, err)
		}
	}
}

// within is a context for one try of a call.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.cfg.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.timeout)
}

// pause waits before the next try, a little longer each time.
func pause(ctx context.Context, try int) {
	timer := time.NewTimer(time.Duration(try*try) * 10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Close implements [task.Store]: it ends the watches, waits for the calls that
// are under way and closes the connections, except those of a pool that was given
// to [OpenPool].
func (s *Store) Close() error {
	s.notifier.close()
	s.watches.close()
	if s.owned {
		s.pool.Close()
	}
	return nil
}

// buckets are those of the contract.
var buckets = task.Buckets()

func known(b task.Bucket) error {
	if !slices.Contains(buckets, b) {
		return fmt.Errorf("pgstore: there is no bucket %q", b)
	}
	return nil
}

// next is the first key behind another one.
func next(key []byte) []byte { return append(bytes.Clone(key), 0) }
