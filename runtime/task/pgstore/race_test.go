package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Of two stores that expect the same, one wins each time, and no change is lost.
func TestTwoStoresRace(t *testing.T) {
	dsn, name := server(t), workspace()
	race(t, []task.Store{open(t, dsn, name), open(t, dsn, name)}, 200)
}

// race lets stores of one workspace race for rounds.
func race(t *testing.T, stores []task.Store, rounds int) {
	t.Helper()
	ctx := context.Background()
	const callers = 2 // of each store
	mustCommit(t, stores[0], put("counter", "0"))
	var mu sync.Mutex
	wins := map[int]int{}
	added := 0
	var wg sync.WaitGroup
	for i, s := range stores {
		for c := range callers {
			wg.Go(func() {
				for round := range rounds {
					err := s.Commit(ctx, []task.Op{create(fmt.Sprint("round-", round), fmt.Sprint(i, c))})
					if err != nil && !errors.Is(err, task.ErrConflict) {
						t.Error(err)
						return
					}
					mu.Lock()
					if err == nil {
						wins[round]++
					}
					mu.Unlock()
					value, err := s.Get(ctx, here, "counter")
					if err != nil {
						t.Error(err)
						return
					}
					n, _ := strconv.Atoi(string(value))
					err = s.Commit(ctx, []task.Op{expect("counter", string(value)), put("counter", strconv.Itoa(n+1))})
					if err != nil && !errors.Is(err, task.ErrConflict) {
						t.Error(err)
						return
					}
					mu.Lock()
					if err == nil {
						added++
					}
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	for round := range rounds {
		if wins[round] != 1 {
			t.Errorf("round %d has %d winners, want 1", round, wins[round])
		}
	}
	holds(t, stores[0], "counter", strconv.Itoa(added))
	if added < rounds {
		t.Errorf("%d commits were made in %d rounds", added, rounds)
	}
}

// The server may always answer that it has to be asked again.
func TestSerializationFailures(t *testing.T) {
	dsn := emptySchema(t)
	s := open(t, dsn, workspace())
	for _, code := range []string{"40001", "40P01"} {
		// The sequence counts on when the transaction is rolled back.
		runSQL(t, dsn, `
			CREATE SEQUENCE failures;
			CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF nextval('failures') % 3 <> 0 THEN RAISE EXCEPTION 'again' USING ERRCODE = '`+code+`'; END IF;
				RETURN NEW;
			END $$;
			CREATE TRIGGER fail BEFORE INSERT ON workspace_runtime_commits FOR EACH STATEMENT EXECUTE FUNCTION fail()`)
		for i := range 5 {
			mustCommit(t, s, create(fmt.Sprint(code, i), "v"))
		}
		runSQL(t, dsn, `DROP FUNCTION fail CASCADE; DROP SEQUENCE failures`)
	}
	if found, err := s.Scan(t.Context(), task.Range{Bucket: here}); err != nil || len(found) != 10 {
		t.Errorf("Scan = %d entries, %v; want 10", len(found), err)
	}
}

// Keys are in the order of their bytes, whatever the language of the database.
func TestOrderOfBytes(t *testing.T) {
	s := open(t, server(t), workspace())
	var ops []task.Op
	var want []string
	for b := range 256 {
		want = append(want, string([]byte{byte(b)}))
		if b == 'A' {
			want = append(want, "A\x00", "Aa", "Apfel")
		}
		if b == 'a' {
			want = append(want, "ab", "apfel", "apfel\x80")
		}
		if b == 0xc3 {
			want = append(want, "Äpfel", "ß", "äpfel")
		}
	}
	for i := len(want) - 1; i >= 0; i-- {
		ops = append(ops, put(want[i], "\x00"+want[i]+"\x00"))
	}
	mustCommit(t, s, ops...)
	found, err := s.Scan(t.Context(), task.Range{Bucket: here})
	if err != nil || len(found) != len(want) {
		t.Fatalf("Scan = %d entries, %v; want %d", len(found), err, len(want))
	}
	for i, e := range found {
		if e.Key != want[i] || string(e.Value) != "\x00"+want[i]+"\x00" {
			t.Errorf("entry %d is %q with %q, want %q", i, e.Key, e.Value, want[i])
		}
	}
}
