package filestore_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// child commits numbers and prints each one when its commit has returned.
func child() {
	s, err := filestore.Open(os.Getenv("FILESTORE_CHILD"), filestore.WithLockTimeout(5*time.Second))
	if err != nil {
		fmt.Println("error", err)
		return
	}
	found, err := s.Scan(context.Background(), task.Range{Bucket: task.BucketEvents})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	for n := len(found); ; n++ {
		if err := s.Commit(context.Background(), []task.Op{put(fmt.Sprintf("%08d", n), strings.Repeat("x", n%500))}); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println(n)
	}
}

// TestKilledWhileCommitting kills a real process at random moments: what it has
// said to be committed is there.
func TestKilledWhileCommitting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	cycles := 25
	if testing.Short() {
		cycles = 5
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	last := -1
	for range cycles {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "FILESTORE_CHILD="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stop := 1 + rnd.IntN(40)
		for range stop {
			if !lines.Scan() {
				break
			}
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it was killed counts
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		_ = cmd.Wait()
		s, err := filestore.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Scan(t.Context(), task.Range{Bucket: task.BucketEvents})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) < last+1 {
			t.Fatalf("%d commits were acknowledged, %d are there", last+1, len(found))
		}
		for i, e := range found {
			if e.Key != fmt.Sprintf("%08d", i) || len(e.Value) != i%500 {
				t.Fatalf("entry %d is %q with %d bytes", i, e.Key, len(e.Value))
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
