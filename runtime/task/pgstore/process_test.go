//go:build unix

package pgstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// What the process of TestChild is told.
const (
	childRole      = "PGSTORE_CHILD"
	childWorkspace = "PGSTORE_WORKSPACE"
)

// TestChild is the body of the processes that other tests start.
func TestChild(t *testing.T) {
	role := os.Getenv(childRole)
	if role == "" {
		t.Skip("runs in processes that other tests start")
	}
	name := os.Getenv(childWorkspace)
	s := open(t, with(t, server(t), "application_name", name), name)
	switch role {
	case "engine":
		answerUntilKilled(t, s)
	case "commit": // until it is killed
		for i := count(t, s); ; i++ {
			mustCommit(t, s, halves(0, i)...)
			fmt.Printf("committed %d\n", i)
		}
	case "race":
		for won := 0; ; {
			value, err := s.Get(context.Background(), here, "counter")
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(string(value))
			if err != nil {
				t.Fatal(err)
			}
			if n >= raceTo {
				fmt.Printf("won %d\n", won)
				return
			}
			err = s.Commit(context.Background(), []task.Op{expect("counter", string(value)), put("counter", strconv.Itoa(n+1))})
			switch {
			case err == nil:
				won++
			case !errors.Is(err, task.ErrConflict):
				t.Fatal(err)
			}
		}
	}
}

// raceTo is how far processes that race count.
const raceTo = 500

func child(t *testing.T, role, workspace string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childRole+"="+role, childWorkspace+"="+workspace)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// count returns how many events a store has.
func count(t *testing.T, s task.Store) int {
	t.Helper()
	found, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// Of two processes that expect the same, one wins: each step of the counter was
// made by exactly one of them.
func TestTwoProcessesRace(t *testing.T) {
	name := workspace()
	s := open(t, server(t), name)
	mustCommit(t, s, put("counter", "0"))
	sum := 0
	a, fromA := child(t, "race", name)
	b, fromB := child(t, "race", name)
	for _, lines := range []*bufio.Scanner{fromA, fromB} {
		for lines.Scan() {
			won := 0
			if _, err := fmt.Sscanf(lines.Text(), "won %d", &won); err == nil {
				t.Logf("a process won %d times", won)
				sum += won
			}
		}
	}
	for _, cmd := range []*exec.Cmd{a, b} {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	holds(t, s, "counter", strconv.Itoa(raceTo))
	if sum != raceTo {
		t.Errorf("the processes won %d times, want %d", sum, raceTo)
	}
}

// awaitGone waits until the server has done what a dead process has asked for.
func awaitGone(t *testing.T, name string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	deadline := time.Now().Add(time.Minute)
	for n := -1; n != 0; {
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the server keeps the connections of a process that is dead")
		}
	}
}

// What a process says it has committed is there after kill -9, and nothing is
// there by half.
func TestKilledProcessesLoseNothing(t *testing.T) {
	const kills = 20
	name := workspace()
	s := open(t, server(t), name)
	r := rand.New(rand.NewPCG(1, kills))
	for round := range kills {
		cmd, lines := child(t, "commit", name)
		last := -1
		for after := 1 + r.IntN(40); lines.Scan(); {
			if _, err := fmt.Sscanf(lines.Text(), "committed %d", &last); err != nil {
				continue
			}
			if after--; after == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 || last < 0 {
			t.Fatalf("round %d: the process was not killed while it committed: %v", round, err)
		}
		awaitGone(t, name)
		n := count(t, s)
		if n < last+1 {
			t.Fatalf("round %d: %d commits are there, %d were acknowledged", round, n, last+1)
		}
		tasks, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketTasks})
		if err != nil || len(tasks) != n {
			t.Fatalf("round %d: %d and %d halves are there, %v", round, n, len(tasks), err)
		}
		for i, e := range tasks {
			if want := halves(0, i)[1]; e.Key != want.Key || len(e.Value) != len(want.Value) {
				t.Fatalf("round %d: %q has %d bytes, want %q with %d", round, e.Key, len(e.Value), want.Key, len(want.Value))
			}
		}
	}
}
