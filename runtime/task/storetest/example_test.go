package storetest_test

import (
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/storetest"
)

// In the tests of a store: func TestStore(t *testing.T) with this body.
func Example() {
	_ = func(t *testing.T) {
		storetest.Test(t, func(*testing.T) task.Store { return task.NewMemory() })
	}
	// Output:
}
