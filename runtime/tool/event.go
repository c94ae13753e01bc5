package tool

import (
	"context"
	"iter"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Events are the platform's, as [registry.Client.Events] and
// [registry.Client.PeerEvents] follow them: until ctx ends or there is nothing
// to follow, with an error for each interruption in which some may have been
// lost.
type Events func(ctx context.Context) iter.Seq2[registry.Event, error]
