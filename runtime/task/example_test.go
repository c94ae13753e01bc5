package task_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func Example() {
	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		for _, word := range []string{"You ", "said: ", x.Message().Parts[0].Text()} {
			if _, err := x.WriteText([]byte(word)); err != nil {
				return err
			}
		}
		return nil
	})
	defer engine.Drain(context.Background())

	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello"))
	result, err := engine.SendMessage(context.Background(), &a2a.SendMessageRequest{Message: message})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := result.(*a2a.Task)
	fmt.Println(answer.Status.State, answer.Artifacts[0].Parts[0].Text())
	// Output: TASK_STATE_COMPLETED You said: hello
}

// A reader that lost its stream comes back with the sequence of the last event
// it has seen.
func ExampleEngine_StreamTask() {
	ctx := context.Background()
	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		for _, word := range []string{"one ", "two ", "three"} {
			if _, err := x.WriteText([]byte(word)); err != nil {
				return err
			}
		}
		return nil
	})
	defer engine.Drain(ctx)

	var id a2a.TaskID
	var seen uint64
	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("count"))
	engine.StreamMessage(ctx, &a2a.SendMessageRequest{Message: message}, func(seq uint64, ev a2a.Event) bool {
		id, seen = ev.TaskInfo().TaskID, seq
		return seen < 3 // the connection breaks here
	})
	fmt.Println("seen", seen)
	engine.StreamTask(ctx, &a2a.SubscribeToTaskRequest{ID: id}, seen, func(seq uint64, ev a2a.Event) bool {
		switch ev := ev.(type) {
		case *a2a.TaskArtifactUpdateEvent:
			fmt.Printf("%d %q\n", seq, ev.Artifact.Parts[0].Text())
		case *a2a.TaskStatusUpdateEvent:
			fmt.Println(seq, ev.Status.State)
		}
		return true
	})
	// Output:
	// seen 3
	// 4 "two "
	// 5 "three"
	// 6 TASK_STATE_COMPLETED
}

func ExamplePublic() {
	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		err := errors.New("dial tcp 10.0.0.7:443: connection refused")
		return task.Public(err, "The model cannot be reached. Try again in a minute.")
	})
	defer engine.Drain(context.Background())

	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello"))
	result, _ := engine.SendMessage(context.Background(), &a2a.SendMessageRequest{Message: message})
	status := result.(*a2a.Task).Status
	fmt.Println(status.State, status.Message.Parts[0].Text())
	// Output: TASK_STATE_FAILED The model cannot be reached. Try again in a minute.
}

// An order is placed at most once, however often the turn is interrupted.
func ExampleExecution_Once() {
	ctx := context.Background()
	orders := 0
	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		for range 2 { // as if the turn were run again
			number, err := x.Once(ctx, "order", func(context.Context) ([]byte, error) {
				orders++
				return fmt.Appendf(nil, "order %d", orders), nil
			})
			switch {
			case errors.Is(err, task.ErrUnknownOutcome):
				return task.Public(err, "The order may have been placed. Please look before you order again.")
			case err != nil:
				return err
			}
			fmt.Println("placed:", string(number))
		}
		return nil
	})
	defer engine.Drain(ctx)

	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("order it"))
	if _, err := engine.SendMessage(ctx, &a2a.SendMessageRequest{Message: message}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// placed: order 1
	// placed: order 1
}
