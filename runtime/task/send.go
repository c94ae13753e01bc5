package task

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// SendMessage begins a turn with a message and waits until its task has ended
// or asks for more; the result is always a *[a2a.Task]. With ReturnImmediately
// it does not wait for more than the record of it. It stops waiting when ctx
// ends, but the turn goes on.
//
// A message that was sent before, with the same id in the same context and by
// the same caller, begins nothing: the result is the task it made then, at its
// end. A message that names a task answers what that task asks for; a task that
// asks for nothing takes no message (a2a.ErrUnsupportedOperation), and one that
// does not exist is a2a.ErrTaskNotFound. When too many turns are running and
// waiting the error is a [BusyError], after Drain it has [ErrShutdown], while
// the store fails [ErrStore].
func (e *Engine) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	var history *int
	if req != nil && req.Config != nil {
		history = req.Config.HistoryLength
	}
	if err := checkHistoryLength(history); err != nil {
		return nil, err
	}
	s, err := e.submit(ctx, req)
	if err != nil {
		return nil, err
	}
	noteTask(ctx, s.t)
	if wait := req.Config == nil || !req.Config.ReturnImmediately; wait {
		if s.t, err = e.await(ctx, s); err != nil {
			return nil, err
		}
	}
	task, err := e.present(ctx, s.t, history, true)
	if err != nil {
		return nil, err
	}
	noteState(ctx, task.Status.State)
	return task, nil
}

// await waits until the turn of a message has come to rest, and returns the task
// that has.
func (e *Engine) await(ctx context.Context, s sent) (*task, error) {
	if e.isElsewhere(s.t) {
		return e.awaitElsewhere(ctx, s.t.info.TaskID)
	}
	stuck, _ := e.commits.trouble()
	select {
	case <-s.done:
	case <-stuck:
		return nil, errStore()
	case <-ctx.Done():
		select {
		case <-s.done:
		default:
			return nil, fmt.Errorf("task: the caller left before task %s ended, it goes on: %w", s.t.info.TaskID, context.Cause(ctx))
		}
	}
	if e.isElsewhere(s.t) {
		return e.awaitElsewhere(ctx, s.t.info.TaskID)
	}
	return s.t, s.t.leftWhy()
}

// leftWhy is why the task is watched no longer although it is not at rest, nil
// otherwise.
func (t *task) leftWhy() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errLeft(t.info.TaskID, t.journal.left)
}

// errLeft makes of a reason why a task is watched no longer what a caller reads.
func errLeft(id a2a.TaskID, why error) error {
	switch why {
	case nil:
		return nil
	case ErrShutdown:
		return errDraining()
	case errRefused:
		return refused(errors.Join(ErrStore, a2a.ErrServerError), "the agent could not store what belongs to task %s, so it was given up; its log says why", id)
	}
	return fmt.Errorf("task: %s: %w", id, why)
}

// StreamMessage begins a turn as [Engine.SendMessage] does and yields its
// events with their sequence: first the task as it was submitted (sequence 1),
// then what happens to it, until it has ended or asks for more, or until yield
// returns false. A message that answers a question gets the task as it is
// first, and a message that was sent before the events of its task from the
// first one on. An error other than the end of ctx, that of the process and
// that of a store which refuses the task comes before any event.
func (e *Engine) StreamMessage(ctx context.Context, req *a2a.SendMessageRequest, yield func(seq uint64, ev a2a.Event) bool) error {
	s, err := e.submit(ctx, req)
	if err != nil {
		return err
	}
	return e.streamFrom(ctx, s.t, s.after, yield)
}

// SendStreamingMessage is [Engine.StreamMessage] without the sequence.
func (e *Engine) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	return events(func(yield func(uint64, a2a.Event) bool) error { return e.StreamMessage(ctx, req, yield) })
}

// maxIDLength bounds the ids a caller may choose, in bytes; they are kept as
// long as the task.
const maxIDLength = 1024

// checkSend finds what is wrong with a message before anything is done with
// it.
func checkSend(req *a2a.SendMessageRequest) error {
	if req == nil || req.Message == nil {
		return refused(a2a.ErrInvalidParams, "the message is missing")
	}
	m := req.Message
	switch {
	case m.ID == "":
		return refused(a2a.ErrInvalidParams, "message.messageId is missing: give each message an id of its own, such as a UUID")
	case len(m.ID) > maxIDLength, len(m.ContextID) > maxIDLength:
		return refused(a2a.ErrInvalidParams, "message.messageId and message.contextId may have %d bytes at most", maxIDLength)
	case m.Role != a2a.MessageRoleUser && m.Role != a2a.MessageRoleAgent:
		return refused(a2a.ErrInvalidParams, "message.role is %.64q: it must be %s or %s", string(m.Role), a2a.MessageRoleUser, a2a.MessageRoleAgent)
	case len(m.Parts) == 0:
		return refused(a2a.ErrInvalidParams, "message.parts is empty: a message needs at least one part")
	}
	plain := len(req.Metadata) == 0 && len(m.Metadata) == 0
	for i, p := range m.Parts {
		if p == nil || p.Content == nil {
			return refused(a2a.ErrInvalidParams, "message.parts[%d] has no content", i)
		}
		if _, text := p.Content.(a2a.Text); !text || len(p.Metadata) > 0 {
			plain = false
		}
	}
	if !plain {
		if _, err := storeInput(&input{message: m, metadata: req.Metadata}); err != nil {
			return refused(a2a.ErrInvalidParams, "the message has something in it that cannot be kept: %v", err)
		}
	}
	return nil
}
