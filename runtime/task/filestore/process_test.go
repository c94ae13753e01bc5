//go:build unix

package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// What the process of TestChild is told.
const (
	childRole = "FILESTORE_CHILD"
	childFile = "FILESTORE_FILE"
)

// TestChild is the body of the processes that other tests start.
func TestChild(t *testing.T) {
	path := os.Getenv(childFile)
	switch os.Getenv(childRole) {
	case "":
		t.Skip("runs in processes that other tests start")
	case "commit": // until it is killed
		s, err := filestore.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := count(t, s); ; i++ {
			commit(t, s, pair(i)...)
			fmt.Printf("committed %d\n", i)
		}
	case "full":
		tooLarge(t, path)
	}
}

// pair is a commit whose two halves tell whether all of it is there.
func pair(i int) []task.Op {
	key, value := fmt.Sprintf("%08d", i), make([]byte, i%3000)
	return []task.Op{
		{Kind: task.Create, Bucket: task.BucketEvents, Key: key, Value: value},
		{Kind: task.Create, Bucket: task.BucketTasks, Key: key, Value: value},
	}
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childRole+"="+role, childFile+"="+path)
	return cmd
}

// What a process says it has committed is there after kill -9, and nothing is
// there by half.
func TestKilledProcessesLoseNothing(t *testing.T) {
	const kills = 50
	path := filepath.Join(t.TempDir(), "tasks.db")
	r := rand.New(rand.NewPCG(1, kills))
	known := 0
	for round := range kills {
		last := killed(t, path, 1+r.IntN(60))
		s := open(t, path)
		n := count(t, s)
		// One more may have been committed when it could not say so any more.
		if n < last+1 {
			t.Fatalf("round %d: %d commits are there, %d were acknowledged", round, n, last+1)
		}
		if n < known {
			t.Fatalf("round %d: %d commits are there, there were %d before", round, n, known)
		}
		known = n
		for i, b := range []task.Bucket{task.BucketEvents, task.BucketTasks} {
			found, err := s.Scan(context.Background(), task.Range{Bucket: b})
			if err != nil || len(found) != n {
				t.Fatalf("round %d: %s has %d entries, %v; want %d", round, b, len(found), err, n)
			}
			for j, e := range found {
				if want := pair(j)[i]; e.Key != want.Key || len(e.Value) != len(want.Value) {
					t.Fatalf("round %d: %s has %q with %d bytes, want %q with %d", round, b, e.Key, len(e.Value), want.Key, len(want.Value))
				}
			}
		}
		closed(t, s)
	}
}

// killed lets a process commit and kills it after some acknowledgements. It
// returns the last commit that was acknowledged.
func killed(t *testing.T, path string, after int) (last int) {
	t.Helper()
	cmd := child(t, "commit", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = -1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "committed %d", &n); err != nil {
			continue
		}
		last = n
		if after--; after == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 || last < 0 {
		t.Fatalf("the process was not killed while it committed: %v, last commit %d", err, last)
	}
	return last
}

func TestAnotherProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	cmd := child(t, "commit", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "committed 0" {
	}
	// Its output is read on, so that it goes on writing all the time.
	drained := make(chan error, 1)
	go func() { drained <- second(io.Copy(io.Discard, out)) }()
	for range 20 {
		if _, replaced, err := filestore.OpenOrReplace(path, filestore.WithLockWait(0)); !errors.Is(err, filestore.ErrLocked) || replaced != nil {
			t.Errorf("OpenOrReplace = %v, %v; want filestore.ErrLocked", replaced, err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-drained
	_ = cmd.Wait()
	closed(t, open(t, path))
}

// A file that may not grow stands for a full disk: what fits is kept, and what
// does not changes nothing.
func TestNoRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	if out, err := child(t, "full", path).CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	s := open(t, path)
	if n, err := strconv.Atoi(string(value(t, s, "n"))); err != nil || n == 0 || n != count(t, s) {
		t.Errorf("%d events after opening anew, the process has committed %d, %v", count(t, s), n, err)
	}
}

func value(t *testing.T, s *filestore.Store, key string) []byte {
	t.Helper()
	v, err := s.Get(context.Background(), task.BucketTasks, key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tooLarge commits until there is no room, makes some and goes on.
func tooLarge(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 3 << 20, Max: 3 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	s := open(t, path)
	commit(t, s, task.Op{Kind: task.Put, Bucket: task.BucketTasks, Key: "n", Value: []byte("0")})
	add := func(i, size int) error {
		return s.Commit(context.Background(), []task.Op{
			{Kind: task.Create, Bucket: task.BucketEvents, Key: fmt.Sprintf("%04d", i), Value: make([]byte, size)},
			{Kind: task.Put, Bucket: task.BucketTasks, Key: "n", Value: []byte(strconv.Itoa(i + 1))},
		})
	}
	n := 0
	for ; n < 1000; n++ {
		if err := add(n, 50_000); errors.Is(err, syscall.EFBIG) {
			break
		} else if err != nil {
			t.Fatalf("Commit = %v, want syscall.EFBIG in the end", err)
		}
	}
	if n == 0 || n == 1000 || count(t, s) != n || string(value(t, s, "n")) != strconv.Itoa(n) {
		t.Fatalf("%d events after %d commits and one for which there was no room", count(t, s), n)
	}
	for i := range 10 {
		if err := add(n, 500_000); !errors.Is(err, syscall.EFBIG) {
			t.Fatalf("try %d of a commit without room = %v", i, err)
		}
	}
	// What is removed makes room.
	commit(t, s, task.Op{Kind: task.DeleteRange, Bucket: task.BucketEvents, Key: fmt.Sprintf("%04d", n-5), To: "9"},
		task.Op{Kind: task.Put, Bucket: task.BucketTasks, Key: "n", Value: []byte(strconv.Itoa(n - 5))})
	for i := n - 5; i < n; i++ {
		if err := add(i, 100); err != nil {
			t.Fatalf("Commit after room was made: %v", err)
		}
	}
}
