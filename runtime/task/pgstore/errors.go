package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What is wrapped in the errors of this package, besides what the server
// (*pgconn.PgError) and the network say.
var (
	// ErrUnknown says that the connection was lost before the server had said
	// whether it made a commit. The same commit again finds it out.
	ErrUnknown = errors.New("pgstore: it is not known whether the commit was made")

	// ErrFormat says that the tables were made by a newer version of this
	// package. They are left as they are.
	ErrFormat = errors.New("pgstore: the tables have another layout")
)

// refused says whether it is certain that the server has not made, and will not
// make, what was sent.
func refused(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return severity(pg) == "ERROR"
	}
	return pgconn.SafeToRetry(err)
}

// severity is that of an error in English; a pooler says it only once.
func severity(pg *pgconn.PgError) string {
	if pg.SeverityUnlocalized != "" {
		return pg.SeverityUnlocalized
	}
	return pg.Severity
}

// lost says whether another connection may do better: this one has broken, or
// the server was going down or coming up. A call that has taken all its time is
// not tried again.
func lost(err error) bool {
	if pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")
	}
	return true
}

// again says whether the server wants to be asked again: a serialization
// failure or a deadlock.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "40")
}

// explain adds to an error where it happened and what to do. The context is the
// caller's.
func (s *Store) explain(ctx context.Context, err error) error {
	return explain(ctx, s.server, err)
}

func explain(ctx context.Context, server string, err error) error {
	// The configuration in this one has the password.
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		err = fmt.Errorf("%w: %w", end, err)
	}
	if what := remedy(err); what != "" {
		return fmt.Errorf("pgstore: %s: %w: %s", server, err, what)
	}
	return fmt.Errorf("pgstore: %s: %w", server, err)
}

// remedy is what to do about an error of the server.
func remedy(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	switch pg.Code {
	case "28P01", "28000":
		return "check the user and the password of the connection string, and the server's pg_hba.conf"
	case "3D000":
		return "make the database, or name another one in the connection string"
	case "3F000":
		return "make a schema that the user may write to, and name it with search_path=NAME in the connection string"
	case "42501":
		return "grant the user CREATE on the schema for the first start, and SELECT, INSERT, UPDATE and DELETE on the tables " + entriesTable + ", " + commitsTable + " and " + layoutTable
	case "42P01":
		return "somebody has removed the tables, or the connection has another search_path: they are made by Open"
	case "25006":
		return "this is a replica: name the primary, or all servers with target_session_attrs=read-write, in the connection string"
	case "53300":
		return "raise the server's max_connections, or lower pool_max_conns in the connection string"
	case "26000":
		return "a connection pooler in transaction mode is in between: connect to the server itself, or put default_query_exec_mode=exec into the connection string"
	}
	return ""
}

// address names the servers of a connection string for messages: no user, no
// password.
func address(c *pgx.ConnConfig) string {
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks {
		if h := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); h != hosts[len(hosts)-1] {
			hosts = append(hosts, h)
		}
	}
	return strings.Join(hosts, ",") + "/" + c.Database
}

// errDSN says what is wrong with a connection string without showing any of it,
// since nobody knows where in it a password begins.
func errDSN(dsn string) error {
	why := "check the names and values of its settings, and the files it names"
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		if _, err := url.Parse(dsn); err != nil {
			why = "it is no URL: special characters of the password are written as %XX"
		}
	}
	return fmt.Errorf("pgstore: the connection string cannot be read (it is not shown, since a password may be in it): %s; its form is postgres://USER:PASSWORD@HOST:5432/DATABASE", why)
}

// quote makes a key fit for an error message: shortened, and without a byte
// that a terminal or a log would take for something else.
func quote(key []byte) string {
	const most = 64
	if len(key) > most {
		return fmt.Sprintf("%q... (%d bytes)", key[:most], len(key))
	}
	return fmt.Sprintf("%q", key)
}
