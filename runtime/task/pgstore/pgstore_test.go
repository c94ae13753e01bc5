package pgstore_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serverVariable holds the connection string of a server to test against.
const serverVariable = "PGSTORE_DSN"

// server returns the connection string of a server that tests may write to.
func server(tb testing.TB) string {
	tb.Helper()
	dsn := os.Getenv(serverVariable)
	if dsn == "" {
		tb.Skip("needs a PostgreSQL server: `.ci/run postgres` starts one, or set " + serverVariable + " to its connection string")
	}
	return dsn
}

// open opens the store of a workspace, which is closed at the end of the test.
func open(tb testing.TB, dsn, workspace string, opts ...pgstore.Option) *pgstore.Store {
	tb.Helper()
	s, err := pgstore.Open(context.Background(), dsn, workspace, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// workspace is a name that nobody else has.
func workspace() string { return "test-" + rand.Text() }

func TestStore(t *testing.T) {
	dsn := server(t)
	storetest.Test(t, func(t *testing.T) task.Store {
		s, err := pgstore.Open(t.Context(), dsn, workspace())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
