//go:build unix

package pgstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

const (
	sharedChunks = 150
	sharedLease  = time.Second
)

// slowly writes chunks that tell when they were written, going on where an
// earlier attempt has ended.
func slowly(ctx context.Context, x *task.Execution) error {
	for n := strings.Count(x.Written(), ";"); n < sharedChunks; n++ {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := fmt.Fprintf(textOf{x}, "%d %d;", n, time.Now().UnixNano()); err != nil {
			return err
		}
	}
	return nil
}

// textOf is an execution as an io.Writer.
type textOf struct{ x *task.Execution }

func (w textOf) Write(p []byte) (int, error) { return w.x.WriteText(p) }

func openShared(t *testing.T, s task.Store) *task.Engine {
	t.Helper()
	e, err := task.Open(context.Background(), s, slowly, task.WithShared(sharedLease), task.WithResume(0))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// answerUntilKilled is the body of a process that runs a turn.
func answerUntilKilled(t *testing.T, s task.Store) {
	e := openShared(t, s)
	res, err := e.SendMessage(context.Background(), &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hi")),
		Config:  &a2a.SendMessageConfig{ReturnImmediately: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("task", res.(*a2a.Task).ID)
	select {} // until it is killed
}

// TestAnotherProcessFinishesAndStreamsOn: two processes on one database; one is
// killed in the middle of a turn at a random moment, and who streams from the
// other misses nothing.
func TestAnotherProcessFinishesAndStreamsOn(t *testing.T) {
	dsn := server(t)
	var lags, gaps []time.Duration
	for range 4 {
		name := workspace()
		e := openShared(t, open(t, with(t, dsn, "application_name", name+"-parent"), name))
		cmd, out := child(t, "engine", name)
		var id a2a.TaskID
		for out.Scan() {
			if text, ok := strings.CutPrefix(out.Text(), "task "); ok {
				id = a2a.TaskID(text)
				break
			}
		}
		after := rand.IntN(sharedChunks/2) + 5
		var killed time.Time
		var numbers []string
		last := uint64(1)
		err := e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, 1, func(seq uint64, ev a2a.Event) bool {
			if seq != last+1 {
				t.Errorf("event %d follows event %d", seq, last)
			}
			last = seq
			up, ok := ev.(*a2a.TaskArtifactUpdateEvent)
			if !ok {
				return true
			}
			number, at, _ := strings.Cut(strings.TrimSuffix(up.Artifact.Parts[0].Text(), ";"), " ")
			numbers = append(numbers, number)
			written, _ := strconv.ParseInt(at, 10, 64)
			switch {
			case killed.IsZero():
				lags = append(lags, time.Since(time.Unix(0, written)))
			case time.Unix(0, written).After(killed):
				gaps = append(gaps, time.Since(killed))
				killed = time.Now().Add(time.Hour)
			}
			if len(numbers) == after {
				killed = time.Now()
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				_ = cmd.Wait()
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, number := range numbers {
			if number != strconv.Itoa(i) {
				t.Fatalf("chunk %s comes at place %d", number, i)
			}
		}
		if len(numbers) != sharedChunks {
			t.Errorf("%d chunks, want %d", len(numbers), sharedChunks)
		}
		if err := e.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		e.Close()
	}
	if len(gaps) == 0 || len(lags) == 0 {
		t.Fatal("no chunk was seen, before or after the kill")
	}
	slices.Sort(lags)
	slices.Sort(gaps)
	t.Logf("a chunk is seen by the other process after %v (median), %v (worst); with a lease of %v the stream goes on %v to %v after the kill",
		lags[len(lags)/2], lags[len(lags)-1], sharedLease, gaps[0], gaps[len(gaps)-1])
}
