package runtime

import "log/slog"

// Workspace is what an agent is given at set-up.
type Workspace struct {
	ID        string       // the platform's id of this workspace
	ConfigDir string       // where config.yaml was looked for
	URL       string       // where the platform reaches this workspace
	Logger    *slog.Logger // never nil
}

// Announce says that the agent's description has changed: the card is made
// again and pushed to the platform.
func (w *Workspace) Announce() {}
