package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := filestore.Open(filepath.Join(dir, "tasks.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	create := []task.Op{{Kind: task.Create, Bucket: task.BucketTasks, Key: "task-1", Value: []byte("submitted")}}
	fmt.Println(store.Commit(ctx, create))
	fmt.Println(errors.Is(store.Commit(ctx, create), task.ErrConflict))
	value, err := store.Get(ctx, task.BucketTasks, "task-1")
	fmt.Println(string(value), err)
	// Output:
	// <nil>
	// true
	// submitted <nil>
}

// An agent rather starts without its old tasks than not at all, and says so.
func ExampleOpenOrReplace() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tasks.db")
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	store, replaced, err := filestore.OpenOrReplace(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	if replaced != nil {
		_, err := os.Stat(replaced.Path)
		fmt.Println("tasks are lost:", errors.Is(replaced.Cause, filestore.ErrCorrupt), err)
	}
	// Output: tasks are lost: true <nil>
}

// A second process has to do without the file.
func ExampleWithLockWait() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tasks.db")
	store, err := filestore.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	_, err = filestore.Open(path, filestore.WithLockWait(0))
	fmt.Println(errors.Is(err, filestore.ErrLocked))
	// Output: true
}
