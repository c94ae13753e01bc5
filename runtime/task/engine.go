package task

import (
	"context"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// RunFunc answers one message. What it writes to x is the reply; nil completes
// the task, an error fails it.
type RunFunc func(ctx context.Context, x *Execution) error

// Engine runs turns and keeps their tasks in memory.
type Engine struct {
	run RunFunc
	cfg config
}

var _ a2asrv.RequestHandler = (*Engine)(nil)

// NewEngine makes an Engine that answers with run.
func NewEngine(run RunFunc, opts ...Option) *Engine {
	e := &Engine{run: run}
	for _, o := range opts {
		o.apply(&e.cfg)
	}
	return e
}

// Drain refuses new turns and waits for running ones until ctx ends; then it
// cancels them with [ErrShutdown] and waits for them to stop, at most the
// cancel grace.
func (e *Engine) Drain(ctx context.Context) error { return nil }

// SendMessage begins a turn and waits for its end.
func (e *Engine) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	return nil, a2a.ErrUnsupportedOperation
}

// StreamMessage begins a turn and yields its events with their sequence.
func (e *Engine) StreamMessage(ctx context.Context, req *a2a.SendMessageRequest, yield func(seq uint64, ev a2a.Event) bool) error {
	return a2a.ErrUnsupportedOperation
}

// StreamTask yields the events of a task after a sequence.
func (e *Engine) StreamTask(ctx context.Context, req *a2a.SubscribeToTaskRequest, after uint64, yield func(seq uint64, ev a2a.Event) bool) error {
	return a2a.ErrUnsupportedOperation
}

// SendStreamingMessage is StreamMessage without the sequence.
func (e *Engine) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { yield(nil, a2a.ErrUnsupportedOperation) }
}

// SubscribeToTask is StreamTask from the present state on.
func (e *Engine) SubscribeToTask(ctx context.Context, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { yield(nil, a2a.ErrUnsupportedOperation) }
}

// GetTask returns a task.
func (e *Engine) GetTask(ctx context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	return nil, a2a.ErrTaskNotFound
}

// ListTasks returns tasks, the one that changed last first.
func (e *Engine) ListTasks(ctx context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	return nil, a2a.ErrUnsupportedOperation
}

// CancelTask cancels a running task.
func (e *Engine) CancelTask(ctx context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	return nil, a2a.ErrTaskNotFound
}

// GetTaskPushConfig says that push notifications are not supported.
func (e *Engine) GetTaskPushConfig(context.Context, *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	return nil, a2a.ErrPushNotificationNotSupported
}

// ListTaskPushConfigs says that push notifications are not supported.
func (e *Engine) ListTaskPushConfigs(context.Context, *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
	return nil, a2a.ErrPushNotificationNotSupported
}

// CreateTaskPushConfig says that push notifications are not supported.
func (e *Engine) CreateTaskPushConfig(context.Context, *a2a.PushConfig) (*a2a.PushConfig, error) {
	return nil, a2a.ErrPushNotificationNotSupported
}

// DeleteTaskPushConfig says that push notifications are not supported.
func (e *Engine) DeleteTaskPushConfig(context.Context, *a2a.DeleteTaskPushConfigRequest) error {
	return a2a.ErrPushNotificationNotSupported
}

// GetExtendedAgentCard says that there is no extended card.
func (e *Engine) GetExtendedAgentCard(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	return nil, a2a.ErrExtendedCardNotConfigured
}
