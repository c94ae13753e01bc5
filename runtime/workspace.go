package runtime

import (
	"log/slog"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// Workspace is what an agent is given at set-up. It stays valid for as long as
// Run lasts and is safe for concurrent use.
type Workspace struct {
	ID        string           // the platform's id of this workspace
	ConfigDir string           // where config.yaml was looked for
	Config    *config.Config   // what it says; never nil
	Logger    *slog.Logger     // never nil
	Platform  *registry.Client // the platform, with the workspace's token
	State     *heartbeat.State // what the heartbeats say, for a wedge and for money spent

	announce func() error
	toolbox  *toolbox
}

// Announce says that the agent's description has changed: the card is made
// again, callers see it at once, and it is pushed to the platform. The error
// says what is wrong with the description; the old card stays then.
//
// On a Workspace that no Runtime has made, as in a test, it does nothing.
func (w *Workspace) Announce() error {
	if w.announce == nil {
		return nil
	}
	return w.announce()
}
