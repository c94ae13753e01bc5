package jsonrpc

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Sequencer is an optional ability of the a2asrv.RequestHandler given to
// [NewHandler]: its events are numbered, 1 and up, within their task.
//
// With it the number is the id of each server-sent event, and a caller that
// lost its connection goes on where it was: it subscribes to the task again
// with the last id it saw in the header Last-Event-ID. Without it the events of
// each stream are numbered from 1 on, and a new subscription begins with the
// task as it is.
type Sequencer interface {
	// StreamMessage is SendStreamingMessage with numbers. It returns when the
	// turn is over, when yield has returned false, or with an error.
	StreamMessage(ctx context.Context, req *a2a.SendMessageRequest, yield func(seq uint64, ev a2a.Event) bool) error

	// StreamTask is SubscribeToTask with numbers. It begins with the event
	// after the given number, or with the task as it is when after is 0.
	StreamTask(ctx context.Context, req *a2a.SubscribeToTaskRequest, after uint64, yield func(seq uint64, ev a2a.Event) bool) error
}
