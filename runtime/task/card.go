package task

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// GetExtendedAgentCard returns a2a.ErrExtendedCardNotConfigured: there is one
// card, and everybody may read it.
func (e *Engine) GetExtendedAgentCard(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	return nil, refused(a2a.ErrExtendedCardNotConfigured, "this agent has no extended card: its public one says everything")
}
