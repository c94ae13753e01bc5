package task

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

func errNoPush() error {
	return refused(a2a.ErrPushNotificationNotSupported, "this agent sends no push notifications: stream the task, or ask for it")
}

// GetTaskPushConfig returns a2a.ErrPushNotificationNotSupported.
func (e *Engine) GetTaskPushConfig(context.Context, *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	return nil, errNoPush()
}

// ListTaskPushConfigs returns a2a.ErrPushNotificationNotSupported.
func (e *Engine) ListTaskPushConfigs(context.Context, *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
	return nil, errNoPush()
}

// CreateTaskPushConfig returns a2a.ErrPushNotificationNotSupported.
func (e *Engine) CreateTaskPushConfig(context.Context, *a2a.PushConfig) (*a2a.PushConfig, error) {
	return nil, errNoPush()
}

// DeleteTaskPushConfig returns a2a.ErrPushNotificationNotSupported.
func (e *Engine) DeleteTaskPushConfig(context.Context, *a2a.DeleteTaskPushConfigRequest) error {
	return errNoPush()
}

// GetExtendedAgentCard returns a2a.ErrExtendedCardNotConfigured: there is one
// card, and everybody may read it.
func (e *Engine) GetExtendedAgentCard(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	return nil, refused(a2a.ErrExtendedCardNotConfigured, "this agent has no extended card: its public one says everything")
}
