package runtime_test

import (
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// A token that is kept elsewhere needs no directory that can be written to.
func TestWithATokenStoreTheConfigDirectoryMayBeReadOnly(t *testing.T) {
	b := lay(t, false, parrot, runtime.WithTokenStore(newPocket()), runtime.WithConfigDir("/proc/none"))
	b.run()
	b.alive()
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestAWorkspaceThatNoRuntimeMadeAnnouncesNothing(t *testing.T) {
	if err := (&runtime.Workspace{}).Announce(); err != nil {
		t.Error(err)
	}
}
