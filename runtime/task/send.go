package task

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"reflect"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxIDLength bounds the ids a caller may choose, in bytes; they are kept as
// long as the task.
const maxIDLength = 1024

// SendMessage begins a turn with a message and waits for its end; the result
// is always a *[a2a.Task]. With ReturnImmediately it does not wait. It stops
// waiting when ctx ends, but the turn goes on.
//
// A message that was sent before, with the same id in the same context, begins
// nothing: the result is the task it made then, at its end. A message that
// names a task is refused with a2a.ErrTaskNotFound if there is none, and with
// a2a.ErrUnsupportedOperation otherwise: a task takes one message, further ones
// of a conversation carry its context id. While too many turns are running the
// error has [ErrBusy], after Drain [ErrShutdown].
func (e *Engine) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	var history *int
	if req != nil && req.Config != nil {
		history = req.Config.HistoryLength
	}
	if err := checkHistoryLength(history); err != nil {
		return nil, err
	}
	t, err := e.submit(ctx, req)
	if err != nil {
		return nil, err
	}
	if wait := req.Config == nil || !req.Config.ReturnImmediately; wait && !t.await(ctx) {
		return nil, fmt.Errorf("task: the caller left before task %s ended, it goes on: %w", t.info.TaskID, context.Cause(ctx))
	}
	return t.snapshot(history, true), nil
}

// StreamMessage begins a turn as [Engine.SendMessage] does and yields its
// events with their sequence: first the task as it was submitted (sequence 1),
// then what happens to it, until its final status or until yield returns
// false. A message that was sent before gets the events of its task from the
// first one on. An error other than the end of ctx comes before any event.
func (e *Engine) StreamMessage(ctx context.Context, req *a2a.SendMessageRequest, yield func(seq uint64, ev a2a.Event) bool) error {
	t, err := e.submit(ctx, req)
	if err != nil {
		return err
	}
	return t.stream(ctx, 0, yield)
}

// SendStreamingMessage is [Engine.StreamMessage] without the sequence.
func (e *Engine) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	return events(func(yield func(uint64, a2a.Event) bool) error { return e.StreamMessage(ctx, req, yield) })
}

// submit returns the task of a message, which is a new one unless the message
// was seen before.
func (e *Engine) submit(ctx context.Context, req *a2a.SendMessageRequest) (*task, error) {
	if err := checkSend(req); err != nil {
		return nil, err
	}
	t, isNew, err := e.admit(ctx, req)
	if err != nil {
		return nil, err
	}
	if !isNew {
		same := reflect.DeepEqual(req.Message.Parts, t.message.Parts)
		e.noteRepeat(ctx, t, req.Message, same)
		if !same && req.Message.ContextID == "" {
			// Without a conversation nothing says that both came from one
			// sender: the answer to one must not be handed to the other.
			return nil, refused(a2a.ErrInvalidParams, "message.messageId was used for another message: give each message an id of its own, such as a UUID")
		}
	}
	return t, nil
}

// admit finds the task a message has made, or makes it and starts its turn.
func (e *Engine) admit(ctx context.Context, req *a2a.SendMessageRequest) (t *task, isNew bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := req.Message
	key := messageKey{context: m.ContextID, message: m.ID}
	if t := e.messages[key]; t != nil && (m.TaskID == "" || m.TaskID == t.info.TaskID) {
		return t, false, nil
	}
	switch {
	case m.TaskID != "":
		return nil, false, e.refuseFollowUp(m)
	case e.draining:
		return nil, false, refused(errors.Join(ErrShutdown, a2a.ErrServerError), "the agent is shutting down: send the message again later")
	case len(e.running) >= e.cfg.limits.MaxRunning:
		return nil, false, refused(errors.Join(ErrBusy, a2a.ErrServerError), "the agent is busy with %d other messages: send the message again later", len(e.running))
	}

	info := a2a.TaskInfo{TaskID: a2a.NewTaskID(), ContextID: m.ContextID}
	if info.ContextID == "" {
		info.ContextID = a2a.NewContextID()
	}
	own := ownMessage(m)
	own.TaskID, own.ContextID = info.TaskID, info.ContextID
	t = newTask(info, own)
	// A caller that sends again may or may not have learned the context id.
	t.keys = [2]messageKey{key, {context: info.ContextID, message: m.ID}}
	turn, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	t.cancel = cancel
	e.tasks[info.TaskID] = t
	e.running[info.TaskID] = t
	for _, key := range t.keys {
		e.messages[key] = t
	}
	x := &Execution{t: t, metadata: req.Metadata}
	e.turns.Go(func() { e.turn(turn, cancel, t, x) })
	return t, true, nil
}

// refuseFollowUp says why a message cannot join the task it names.
func (e *Engine) refuseFollowUp(m *a2a.Message) error {
	t := e.tasks[m.TaskID]
	switch {
	case t == nil:
		return errUnknown(m.TaskID)
	case m.ContextID != "" && m.ContextID != t.info.ContextID:
		return refused(a2a.ErrInvalidParams, "task %s belongs to context %q, not to %.64q: send one of the two ids, or both as the task has them", m.TaskID, t.info.ContextID, m.ContextID)
	case t.ended():
		return refused(a2a.ErrUnsupportedOperation, "task %s has ended and takes no more messages: leave the task id out and send context id %q to go on with the conversation", m.TaskID, t.info.ContextID)
	}
	return refused(a2a.ErrUnsupportedOperation, "task %s is at work and takes no more messages: wait for its end, or leave the task id out to begin another task in context %q", m.TaskID, t.info.ContextID)
}

// noteRepeat logs that a message came again; loudly if it is not the same one,
// because then its sender waits for an answer that will not come.
func (e *Engine) noteRepeat(ctx context.Context, t *task, m *a2a.Message, same bool) {
	level, text := slog.LevelDebug, "message seen before, its task is the answer"
	if !same {
		level, text = slog.LevelWarn, "message id seen before with another content: senders must give each message its own id"
	}
	e.log.LogAttrs(ctx, level, text, slog.String("task_id", string(t.info.TaskID)), slog.String("message_id", m.ID))
}

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
	for i, p := range m.Parts {
		if p == nil || p.Content == nil {
			return refused(a2a.ErrInvalidParams, "message.parts[%d] has no content", i)
		}
	}
	if req.Config != nil && req.Config.PushConfig != nil {
		return errNoPush()
	}
	return nil
}
