package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxWorkspace is how long a workspace's name may be.
const maxWorkspace = 200

// migrateLock is the lock of those who make the tables.
const migrateLock = 0x776f726b73706163 // "workspac"

// Open connects to a server and opens the store of a workspace there; it makes
// the tables when they are missing, whoever else is doing the same. Processes
// that give the same workspace share what is in it, and those of other
// workspaces see nothing of it. The workspace's id is the name to use: 1 to 200
// bytes of UTF-8.
//
// The connection string is libpq's, a URL or KEY=VALUE words, with the pool_*
// settings of pgxpool; what it leaves out comes from the PG* environment
// variables and ~/.pgpass. See the package documentation for settings that
// matter.
//
// Open does not wait for a server that is not there. The error wraps [ErrFormat]
// when the tables are of a newer version, and else what the server or the network
// says. It never shows the connection string.
func Open(ctx context.Context, dsn, workspace string, opts ...Option) (*Store, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN(dsn)
	}
	if params := c.ConnConfig.RuntimeParams; params["application_name"] == "" {
		params["application_name"] = "workspace-runtime"
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, explain(ctx, address(c.ConnConfig), err)
	}
	s, err := OpenPool(ctx, pool, workspace, opts...)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.owned = true
	return s, nil
}

// OpenPool is [Open] with a pool that the program has already. It stays the
// caller's, who closes it after the store.
func OpenPool(ctx context.Context, pool *pgxpool.Pool, workspace string, opts ...Option) (*Store, error) {
	if workspace == "" || len(workspace) > maxWorkspace || !utf8.ValidString(workspace) || strings.ContainsRune(workspace, 0) {
		return nil, fmt.Errorf("pgstore: %.40q cannot name a workspace: use its id, 1 to %d bytes of UTF-8 without NUL", workspace, maxWorkspace)
	}
	s := newStore(pool, workspace, newConfig(opts))
	if err := s.prepare(ctx); err != nil {
		if errors.Is(err, ErrFormat) {
			return nil, err
		}
		return nil, s.explain(ctx, err)
	}
	return s, nil
}

// writing is a transaction as a commit is one, whatever the server's defaults.
var writing = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// prepare makes or checks the tables.
func (s *Store) prepare(ctx context.Context) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		found, err := s.findLayout(ctx, conn.Conn())
		if err == nil && found == 0 {
			err = s.migrate(ctx, conn.Conn())
		}
		if err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, conn, writing, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, forgetSQL, s.workspace)
			return err
		})
	})
}

// findLayout returns the version of the tables, 0 when there are none.
func (s *Store) findLayout(ctx context.Context, conn querier) (found int, err error) {
	exists := false
	if err := conn.QueryRow(ctx, findLayoutSQL).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	if err := conn.QueryRow(ctx, getLayoutSQL).Scan(&found); err != nil {
		return 0, err
	}
	if found > layout {
		return 0, fmt.Errorf("%w: %s: they have layout %d, this version knows layout %d: use the version that has made them, or another schema",
			ErrFormat, s.server, found, layout)
	}
	return found, nil
}

// migrate brings the tables up to date, one process at a time.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginTxFunc(ctx, conn, writing, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockSQL, int64(migrateLock)); err != nil {
			return err
		}
		found, err := s.findLayout(ctx, tx) // somebody else may have been first
		if err != nil || found == layout {
			return err
		}
		if _, err := tx.Exec(ctx, createSQL); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, setLayoutSQL, layout)
		return err
	})
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
