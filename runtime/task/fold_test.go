package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// fold adds events up to a task, by the rules of A2A and without the engine's
// own ones: what a client does that keeps its own copy.
func fold(t testing.TB, sum *a2a.Task, ev a2a.Event) *a2a.Task {
	t.Helper()
	switch ev := ev.(type) {
	case *a2a.Task:
		return ev
	case *a2a.TaskStatusUpdateEvent:
		sum.Status = ev.Status
		for k, v := range ev.Metadata {
			sum.SetMeta(k, v)
		}
	case *a2a.TaskArtifactUpdateEvent:
		same := func(a *a2a.Artifact) bool { return a.ID == ev.Artifact.ID }
		i := slices.IndexFunc(sum.Artifacts, same)
		switch {
		case i < 0 && ev.Append:
			t.Errorf("event appends to the unknown artifact %q", ev.Artifact.ID)
		case i < 0:
			sum.Artifacts = append(sum.Artifacts, ev.Artifact)
		case ev.Append:
			sum.Artifacts[i].Parts = append(sum.Artifacts[i].Parts, ev.Artifact.Parts...)
		default:
			sum.Artifacts[i] = ev.Artifact
		}
	}
	return sum
}

// joined makes one text part of text parts that follow one another.
func joined(task *a2a.Task) *a2a.Task {
	for _, a := range task.Artifacts {
		var parts a2a.ContentParts
		for _, p := range a.Parts {
			text, isText := p.Content.(a2a.Text)
			if n := len(parts); n > 0 && isText {
				if before, ok := parts[n-1].Content.(a2a.Text); ok {
					parts[n-1] = a2a.NewTextPart(string(before + text))
					continue
				}
			}
			parts = append(parts, p)
		}
		a.Parts = parts
	}
	return task
}

// TestEventsAddUpToTheTask lets agents write at random and checks that readers
// of the events, from the start and from the middle, have in the end the task
// that GetTask returns.
func TestEventsAddUpToTheTask(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		subscribe := make(chan a2a.TaskID, 1)
		ready := make(chan struct{})
		e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
			for i := range random.IntN(30) {
				if i == 10 {
					subscribe <- x.TaskID()
					<-ready
				}
				if err := writeSomething(x, random); err != nil {
					return err
				}
			}
			if random.IntN(4) == 0 {
				return errors.New("no")
			}
			return nil
		})
		late := make(chan *a2a.Task, 1)
		go func() {
			var sum *a2a.Task
			if id, ok := <-subscribe; ok {
				for ev, err := range e.SubscribeToTask(context.Background(), &a2a.SubscribeToTaskRequest{ID: id}) {
					if err != nil {
						t.Error(err)
					}
					if sum == nil {
						close(ready)
					}
					sum = fold(t, sum, ev)
				}
			}
			late <- sum
		}()
		var sum *a2a.Task
		for ev, err := range e.SendStreamingMessage(t.Context(), send("hi")) {
			if err != nil {
				t.Fatal(err)
			}
			sum = fold(t, sum, ev)
		}
		close(subscribe)
		want := jsonOf(t, joined(get(t, e, sum.ID)))
		for who, got := range map[string]*a2a.Task{"from the start": sum, "from the middle": <-late} {
			if got == nil {
				continue
			}
			if diff := cmp.Diff(want, jsonOf(t, joined(got))); diff != "" {
				t.Errorf("seed %d, %s (-task +events):\n%s", seed, who, diff)
			}
		}
		drain(t, e)
	}
}

func writeSomething(x *task.Execution, random *rand.Rand) error {
	switch random.IntN(6) {
	case 0:
		return x.WriteParts(a2a.NewFileURLPart(a2a.URL(fmt.Sprint("http://f/", random.IntN(9))), "text/plain"))
	case 1:
		return x.AddArtifact(&a2a.Artifact{
			ID:       a2a.ArtifactID(fmt.Sprint("artifact ", random.IntN(3))),
			Parts:    a2a.ContentParts{a2a.NewDataPart(map[string]any{"n": random.IntN(9)})},
			Metadata: map[string]any{"k": random.IntN(9)},
		})
	case 2:
		x.AddUsage(random.IntN(9), random.IntN(9))
		x.AddToolTrace(task.ToolTrace{Tool: fmt.Sprint(random.IntN(9))})
		return nil
	}
	whole := []byte("a€😀é")
	from := random.IntN(len(whole))
	_, err := x.WriteText(whole[from : from+random.IntN(len(whole)-from)])
	return err
}
