package task

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// ReplyArtifactID is the id of the artifact that holds the reply. An artifact
// id has to be unique within its task only.
const ReplyArtifactID a2a.ArtifactID = "reply"

// Keys of a task's metadata, as the platform names them.
const (
	MetadataUsage     = "usage"      // {"input_tokens": n, "output_tokens": n}
	MetadataToolTrace = "tool_trace" // [{"tool": ..., "input": ..., "output_preview": ...}]
)

// What is kept of a tool trace: it is a trail, not a log.
const (
	maxTraceEntries = 200
	maxTraceInput   = 500 // characters
	maxTraceOutput  = 300 // characters
)

// Execution is one turn: the message to answer and the reply to write. All
// methods are safe for concurrent use.
//
// What is written reaches whoever reads the task's events in the order of the
// writes, and is there for who comes later. A write returns at once however
// slow the readers are. After the end of the turn's context it fails with the
// context's cause, after the end of the turn with [ErrEnded]. One that would make
// the task larger than Limits.MaxReplyBytes fails with [ErrReplyTooLarge] and ends
// the turn: nothing of it is written, the context ends, and the task fails.
type Execution struct {
	e        *Engine
	t        *task
	message  *a2a.Message
	metadata map[string]any
	attempt  int
	before   []*a2a.Message // what was said in the task before the message
	written  string
	onces    onces
	decode   sync.Once // of history
	history  []*a2a.Message
}

// TaskID is the id of the task the turn belongs to.
func (x *Execution) TaskID() a2a.TaskID { return x.t.info.TaskID }

// ContextID is the id of the conversation, made up when the caller gave none.
func (x *Execution) ContextID() string { return x.t.info.ContextID }

// Message is the message to answer, with the ids of its task and context. It
// must not be modified.
func (x *Execution) Message() *a2a.Message { return x.message }

// Metadata is what the caller sent beside the message (params.metadata), nil
// when nothing. It must not be modified.
func (x *Execution) Metadata() map[string]any { return x.metadata }

// Attempt is 1 for a turn that was never interrupted, 2 when the process ended
// in the middle of it once, and so on; see [WithResume].
func (x *Execution) Attempt() int { return x.attempt }

// Written is the text of the reply that is there before the turn begins: what
// earlier attempts have written, and earlier turns of a task that has asked its
// caller for more. Readers have it; what is written now goes behind it.
func (x *Execution) Written() string { return x.written }

// History is what was said before, oldest first: as far as the caller sent it
// along, as params.metadata.history, where the platform puts it, or else as
// message.metadata.history, and then what was said in this task, if the message
// answers a question of it. Both forms of parts are read, 0.3 and 1.0. What
// cannot be understood is left out. It must not be modified.
func (x *Execution) History() []*a2a.Message {
	x.decode.Do(func() { x.history = append(decodeHistory(x.metadata, x.message.Metadata), x.before...) })
	return x.history
}

// Question is the question of this task that the message answers, nil when it
// answers none. Unlike the history it has nothing that a caller has sent along.
// It must not be modified.
func (x *Execution) Question() *a2a.Message {
	if n := len(x.before); n > 0 && x.before[n-1].Role == a2a.MessageRoleAgent {
		return x.before[n-1]
	}
	return nil
}

// WriteText appends text to the reply: one event for each call, and one text
// part in the task for all that is not separated by other parts. It has the
// contract of [io.Writer], so it does not keep text. An incomplete character
// at the end of text is held back until its rest comes or the reply ends;
// bytes that are no UTF-8 become U+FFFD.
func (x *Execution) WriteText(text []byte) (int, error) {
	err := x.write(int64(len(text)), func(t *task) { t.writeText(text) })
	if err != nil {
		return 0, err
	}
	return len(text), nil
}

// WriteParts appends parts to the reply, such as files and data, in one event.
// Data and metadata may be anything that encoding/json can encode; they are
// kept in the form they have as JSON, so that nothing the agent does to them
// later is seen. Raw bytes are not copied and must not be modified. A part
// without content, or with something that JSON cannot carry, is an error and
// nothing is written.
func (x *Execution) WriteParts(parts ...*a2a.Part) error {
	if len(parts) == 0 {
		return nil
	}
	own, err := freezeParts(parts)
	if err != nil {
		return fmt.Errorf("task: %w", err)
	}
	return x.write(sizeOfParts(own), func(t *task) { t.writeParts(own) })
}

// AddArtifact adds an artifact beside the reply, complete in one event. An
// artifact with the same id is replaced. An empty id is filled in; the id of
// the reply and an artifact without parts are errors. For the rest see
// [Execution.WriteParts].
func (x *Execution) AddArtifact(a *a2a.Artifact) error {
	switch {
	case a == nil || len(a.Parts) == 0:
		return errors.New("task: an artifact needs at least one part")
	case a.ID == ReplyArtifactID:
		return fmt.Errorf("task: the artifact id %q is the reply's: choose another one, or write to the reply", a.ID)
	}
	own := *a
	var err error
	if own.Parts, err = freezeParts(a.Parts); err != nil {
		return fmt.Errorf("task: artifact %q: %w", a.ID, err)
	}
	if own.Metadata, err = freezeMap(a.Metadata); err != nil {
		return fmt.Errorf("task: artifact %q: metadata: %w", a.ID, err)
	}
	if own.ID == "" {
		own.ID = a2a.NewArtifactID()
	}
	return x.write(sizeOfArtifact(&own), func(t *task) { t.addArtifact(&own) })
}

// AddUsage counts tokens a model has read and written; calls add up. The
// finished task carries them as metadata [MetadataUsage].
func (x *Execution) AddUsage(input, output int) {
	x.count(func(t *task) { t.addUsage(input, output) })
}

// ToolTrace is one use of a tool.
type ToolTrace struct {
	Tool          string // its name
	Input         string // what it was given; the first 500 characters are kept
	OutputPreview string // what it answered; the first 300 characters are kept
}

// AddToolTrace records one use of a tool, up to 200 of them. The finished task
// carries them as metadata [MetadataToolTrace].
func (x *Execution) AddToolTrace(entry ToolTrace) {
	kept := map[string]any{
		"tool":           preview(entry.Tool, maxTraceInput),
		"input":          preview(entry.Input, maxTraceInput),
		"output_preview": preview(entry.OutputPreview, maxTraceOutput),
	}
	x.count(func(t *task) { t.addTrace(kept) })
}

// maxPending is how much of a task may wait to be written to the store, in
// bytes; an agent that is faster than the store waits from then on.
const maxPending = 1 << 20

// write calls do with the locked task if the turn may still write so many bytes.
func (x *Execution) write(size int64, do func(*task)) error {
	t := x.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.turn.refuse == nil && t.size-t.saved.size > maxPending {
		x.awaitRoom()
	}
	if t.turn.refuse == nil {
		x.e.checkReply(t, size)
	}
	if t.turn.refuse != nil {
		t.turn.lost = true
		return t.turn.refuse
	}
	do(t)
	x.e.wrote(t)
	return nil
}

// checkReply ends a turn that wants to write more than a task may hold. The
// task's mutex is held.
func (e *Engine) checkReply(t *task, size int64) {
	limit := e.cfg.limits.MaxReplyBytes
	if limit < 0 || size+recordSize <= limit-t.written {
		return
	}
	why := &replyError{limit: limit}
	t.turn.refuse, t.turn.expired, t.turn.lost = why, why, true
	if t.turn.cancel != nil {
		e.bound(t, why)
		t.turn.cancel(why)
	}
}

// replyError says how large a reply may be.
type replyError struct{ limit int64 }

func (r *replyError) Error() string {
	return fmt.Sprintf("%v: it may have %d bytes: write less, or raise Limits.MaxReplyBytes", ErrReplyTooLarge, r.limit)
}

func (*replyError) Unwrap() error { return ErrReplyTooLarge }

// awaitRoom waits for the store, or for the end of the turn. The task is locked
// before and after, and free meanwhile.
func (x *Execution) awaitRoom() {
	t := x.t
	changed, ctx := t.journal.changed(), t.turn.ctx
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
		x.e.refuseWrites(t, context.Cause(ctx))
	}
}

// refuseWrites ends the writing of a turn whose context has ended.
func (e *Engine) refuseWrites(t *task, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn.refuse == nil {
		t.turn.refuse = why
	}
}

// wrote notes that a turn has written something.
func (e *Engine) wrote(t *task) {
	t.turn.writes++
	t.turn.chunks++
	if e.cfg.timeouts.Silence > 0 {
		t.turn.wrote = time.Now()
	}
	e.commits.mark(t)
}

// count calls do with the locked task unless it has ended. What a canceled
// turn has cost counts as well.
func (x *Execution) count(do func(*task)) {
	t := x.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.journal.rest {
		do(t)
		t.turn.writes++
		if x.e.cfg.timeouts.Silence > 0 {
			t.turn.wrote = time.Now()
		}
	}
}
