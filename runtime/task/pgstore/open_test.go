package pgstore_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

// with returns a connection string with one more setting.
func with(tb testing.TB, dsn, name, value string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		tb.Fatalf("%s is to be a URL", serverVariable)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// emptySchema makes a schema of its own and returns a connection string with it
// in the search_path.
func emptySchema(t *testing.T) string {
	t.Helper()
	dsn := server(t)
	name := "test_" + strings.ToLower(strings.TrimPrefix(workspace(), "test-"))
	runSQL(t, dsn, `CREATE SCHEMA `+name)
	t.Cleanup(func() { runSQL(t, dsn, `DROP SCHEMA `+name+` CASCADE`) })
	return with(t, dsn, "search_path", name)
}

func runSQL(tb testing.TB, dsn, sql string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		tb.Fatal(err)
	}
}

// Many processes start on an empty database at once.
func TestFirstStartsAtOnce(t *testing.T) {
	dsn, name := emptySchema(t), workspace()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := pgstore.Open(t.Context(), dsn, name)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Commit(t.Context(), []task.Op{put("k", "v")}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	holds(t, open(t, dsn, name), "k", "v")
}

func TestNewerLayout(t *testing.T) {
	dsn, name := emptySchema(t), workspace()
	mustCommit(t, open(t, dsn, name), put("k", "v"))
	runSQL(t, dsn, `UPDATE workspace_runtime_layout SET layout = 99`)
	_, err := pgstore.Open(t.Context(), dsn, name)
	if !errors.Is(err, pgstore.ErrFormat) || !strings.Contains(err.Error(), "99") {
		t.Errorf("Open = %v, want pgstore.ErrFormat", err)
	}
}

// A user that may only read and write rows can use tables that are there.
func TestUnprivilegedUser(t *testing.T) {
	dsn, name := emptySchema(t), workspace()
	open(t, dsn, name)
	u, _ := url.Parse(dsn)
	schema := u.Query().Get("search_path")
	role := schema + "_role"
	runSQL(t, dsn, `CREATE ROLE `+role+` LOGIN`)
	t.Cleanup(func() { runSQL(t, dsn, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	limited := with(t, dsn, "options", "-c role="+role)
	_, err := pgstore.Open(t.Context(), limited, name)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "3F000" && pg.Code != "42501" || !strings.Contains(err.Error(), "schema") {
		t.Errorf("Open = %v, want an error about the schema", err)
	}
	runSQL(t, dsn, `GRANT USAGE ON SCHEMA `+schema+` TO `+role+`; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+schema+` TO `+role)
	s := open(t, limited, name)
	mustCommit(t, s, put("k", "v"))
	holds(t, s, "k", "v")
}

// Workspaces see nothing of each other.
func TestWorkspacesAreApart(t *testing.T) {
	dsn, name := server(t), workspace()
	a, b, again := open(t, dsn, name), open(t, dsn, name+"x"), open(t, dsn, name)
	mustCommit(t, a, create("k", "a"))
	mustCommit(t, b, create("k", "b"))
	holds(t, again, "k", "a")
	mustCommit(t, b, task.Op{Kind: task.DeleteRange, Bucket: here, To: "\xff"})
	holds(t, a, "k", "a")
	holds(t, b, "k", "")
}

func TestWorkspaceNames(t *testing.T) {
	for _, name := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 201)} {
		if _, err := pgstore.Open(t.Context(), "postgres://nobody@127.0.0.1:1/x", name); err == nil || !strings.Contains(err.Error(), "workspace") {
			t.Errorf("Open(%q) = %v, want an error about the workspace", name, err)
		}
	}
	s := open(t, server(t), `"Ünïcode'; DROP TABLE x --`)
	mustCommit(t, s, put("k", "v"))
	holds(t, s, "k", "v")
}

const password = "s3cr3t-pass"

// Errors name the server and never the password.
func TestErrorsShowNoPassword(t *testing.T) {
	refusing := refusingServer(t)
	for name, tc := range map[string]struct{ dsn, want string }{
		"nobody there":    {"postgres://agent:" + password + "@127.0.0.1:1/tasks", "127.0.0.1:1/tasks"},
		"words":           {"host=127.0.0.1 port=1 user=agent dbname=tasks password=" + password, "127.0.0.1:1/tasks"},
		"refused":         {"postgres://agent:" + password + "@" + refusing + "/tasks?sslmode=disable", "check the user and the password"},
		"not encoded":     {"postgres://agent:" + password + "/@127.0.0.1/tasks", "%XX"},
		"not encoded 2":   {"postgres://agent:%" + password + "@127.0.0.1/tasks", "%XX"},
		"bad port":        {"postgres://agent:" + password + "@127.0.0.1:port/tasks", "connection string"},
		"bad setting":     {"postgres://agent:" + password + "@127.0.0.1/tasks?sslmode=" + password, "connection string"},
		"words, broken":   {"host=127.0.0.1 password='" + password, "connection string"},
		"only a password": {password, "connection string"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pgstore.Open(t.Context(), tc.dsn, "w")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open = %v, want something with %q", err, tc.want)
			}
			for e := range chain(err) {
				if strings.Contains(e.Error(), password) {
					t.Errorf("an error has the password: %T: %v", e, e)
				}
				if c, ok := e.(*pgconn.ConnectError); ok && c.Config.Password != "" {
					t.Error("an error has the configuration with the password")
				}
			}
		})
	}
}

// chain yields an error and all that it wraps.
func chain(err error) func(yield func(error) bool) {
	return func(yield func(error) bool) {
		for todo := []error{err}; len(todo) > 0; {
			e := todo[0]
			todo = todo[1:]
			if !yield(e) {
				return
			}
			switch u := e.(type) {
			case interface{ Unwrap() error }:
				if inner := u.Unwrap(); inner != nil {
					todo = append(todo, inner)
				}
			case interface{ Unwrap() []error }:
				todo = slices.Concat(todo, u.Unwrap())
			}
		}
	}
}

// refusingServer is a server that knows nobody.
func refusingServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28P01", Message: `password authentication failed for user "agent"`})
				_ = backend.Flush()
			}
			conn.Close()
		}
	})
	return l.Addr().String()
}

// What a database is set to by default does not matter.
func TestOtherDefaults(t *testing.T) {
	for _, options := range []string{
		"-c default_transaction_isolation=serializable",
		"-c default_transaction_isolation=repeatable\\ read",
		"-c default_transaction_read_only=on",
		"-c enable_indexscan=off -c enable_bitmapscan=off",
		"-c bytea_output=escape -c standard_conforming_strings=off",
	} {
		dsn, name := server(t), workspace()
		open(t, dsn, name) // makes the tables
		dsn = with(t, dsn, "options", options)
		race(t, []task.Store{open(t, dsn, name), open(t, dsn, name)}, 30)
	}
}

// Poolers that do not keep prepared statements.
func TestWithoutPreparedStatements(t *testing.T) {
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
		s := open(t, with(t, server(t), "default_query_exec_mode", mode), workspace())
		mustCommit(t, s, put("k", "\x00v\xff"), create("l", ""))
		mustCommit(t, s, expect("k", "\x00v\xff"), put("k\x00", "w"), task.Op{Kind: task.Delete, Bucket: here, Key: "l"})
		holds(t, s, "k", "\x00v\xff")
		holds(t, s, "k\x00", "w")
		found, err := s.Scan(t.Context(), task.Range{Bucket: here, Reverse: true, To: "l", Limit: 1})
		if err != nil || len(found) != 1 || found[0].Key != "k\x00" || string(found[0].Value) != "w" {
			t.Errorf("%s: Scan = %q, %v; want what is under k and NUL", mode, found, err)
		}
		if err := s.Commit(t.Context(), []task.Op{create("k", "x")}); !errors.Is(err, task.ErrConflict) {
			t.Errorf("%s: Commit = %v, want task.ErrConflict", mode, err)
		}
	}
}
