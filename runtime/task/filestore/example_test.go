package filestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// A task outlives the engine that ran it.
func Example() {
	dir, err := os.MkdirTemp("", "tasks")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	run := func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte("hello"))
		return err
	}
	life := func(do func(e *task.Engine)) {
		store, err := filestore.Open(filepath.Join(dir, "tasks.db"))
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		e, err := task.Open(ctx, store, run)
		if err != nil {
			log.Fatal(err)
		}
		defer e.Close()
		do(e)
	}
	var id a2a.TaskID
	life(func(e *task.Engine) {
		result, err := e.SendMessage(ctx, &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hi"))})
		if err != nil {
			log.Fatal(err)
		}
		id = result.(*a2a.Task).ID
	})
	life(func(e *task.Engine) {
		found, err := e.GetTask(ctx, &a2a.GetTaskRequest{ID: id})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(found.Status.State, found.Artifacts[0].Parts[0].Text())
	})
	// Output: TASK_STATE_COMPLETED hello
}
