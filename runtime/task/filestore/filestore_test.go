package filestore_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) task.Store {
		s, err := filestore.Open(filepath.Join(t.TempDir(), "tasks.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
