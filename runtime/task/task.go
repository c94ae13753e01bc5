package task

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// task is one A2A task: its journal, and what the journal adds up to.
type task struct {
	info    a2a.TaskInfo
	message *a2a.Message
	keys    [2]messageKey // under which the engine finds it by message
	done    chan struct{} // closed when the task has reached its final state
	next    *task         // the one that finished after it; guarded by the engine's mutex

	mu        sync.Mutex // guards the rest; taken after the engine's, never before
	journal   journal
	status    a2a.TaskStatus
	metadata  map[string]any
	reply     []replyPart
	artifacts []*a2a.Artifact // those beside the reply
	replyAt   int             // how many of them came before it
	size      int64           // bytes held, roughly
	tail      textTail
	inTokens  int64
	outTokens int64
	trace     []any
	canceled  bool        // a caller wants it to end: it cannot complete any more
	refuse    error       // what a write gets; nil while the turn may write
	lost      bool        // a write was refused because of a shutdown
	grace     *time.Timer // ends the patience with a canceled turn

	// cancel ends the turn's context. It is nil once the turn has returned: it
	// holds the request that brought the message, and the task may be kept long.
	cancel context.CancelCauseFunc
}

// replyPart is one part of the reply: a part as it was written, or, when that
// is nil, a run of text.
type replyPart struct {
	part     *a2a.Part
	from, to int // range in the journal's text
}

// newTask makes a task that is submitted and at work: there is no queue, so
// both are true at once.
func newTask(info a2a.TaskInfo, message *a2a.Message) *task {
	t := &task{
		info:    info,
		message: message,
		done:    make(chan struct{}),
		size:    taskOverhead + sizeOfMessage(message),
	}
	t.journal.records = make([]record, 0, 8) // enough for a short reply
	t.status = a2a.TaskStatus{State: a2a.TaskStateSubmitted, Timestamp: now()}
	t.append(&a2a.Task{
		ID:        info.TaskID,
		ContextID: info.ContextID,
		Status:    t.status,
		History:   []*a2a.Message{message},
	})
	t.setStatus(a2a.TaskStateWorking, nil)
	return t
}

// now is the present in the form A2A wants: UTC, whole milliseconds
// (specification 5.6.1).
func now() *time.Time {
	at := time.Now().UTC().Truncate(time.Millisecond)
	return &at
}

// append adds an event to the journal.
func (t *task) append(ev a2a.Event) {
	t.journal.append(ev)
	t.size += recordSize
}

// setStatus adds the event of a new status. What the turn has counted goes
// along with the last one, so that who folds the events has all that a reader
// of the task has.
func (t *task) setStatus(state a2a.TaskState, message *a2a.Message) {
	t.status = a2a.TaskStatus{State: state, Message: message, Timestamp: now()}
	if message != nil {
		t.size += sizeOfMessage(message)
	}
	ev := &a2a.TaskStatusUpdateEvent{
		TaskID:    t.info.TaskID,
		ContextID: t.info.ContextID,
		Status:    t.status,
	}
	if state.Terminal() {
		t.metadata = t.accounts()
		t.size += sizeOfValue(t.metadata)
		ev.Metadata = t.metadata
		t.journal.ended = true
	}
	t.append(ev)
}

// accounts is what the turn has counted, as task metadata, nil when nothing.
// The types are those that JSON and a protobuf Struct both take.
func (t *task) accounts() map[string]any {
	if t.inTokens == 0 && t.outTokens == 0 && len(t.trace) == 0 {
		return nil
	}
	m := map[string]any{}
	if t.inTokens > 0 || t.outTokens > 0 {
		m[MetadataUsage] = map[string]any{"input_tokens": t.inTokens, "output_tokens": t.outTokens}
	}
	if len(t.trace) > 0 {
		m[MetadataToolTrace] = t.trace
	}
	return m
}

// writeText appends text to the reply; an event is made if a whole character
// has come together.
func (t *task) writeText(p []byte) {
	from := t.journal.text.Len()
	t.tail.write(&t.journal.text, p)
	t.addText(from)
}

// flushText ends a run of text: what is left of a character stands alone.
func (t *task) flushText() {
	from := t.journal.text.Len()
	t.tail.flush(&t.journal.text)
	t.addText(from)
}

func (t *task) addText(from int) {
	to := t.journal.text.Len()
	if to == from {
		return
	}
	t.openReply()
	if n := len(t.reply); n > 0 && t.reply[n-1].part == nil {
		t.reply[n-1].to = to
	} else {
		t.reply = append(t.reply, replyPart{from: from, to: to})
	}
	t.size += int64(to - from)
	t.append(nil)
}

// writeParts appends parts to the reply, in one event.
func (t *task) writeParts(parts []*a2a.Part) {
	t.flushText()
	follows := t.openReply()
	for _, p := range parts {
		t.reply = append(t.reply, replyPart{part: p})
		t.size += sizeOfPart(p)
	}
	t.append(&a2a.TaskArtifactUpdateEvent{
		TaskID:    t.info.TaskID,
		ContextID: t.info.ContextID,
		Append:    follows,
		Artifact:  &a2a.Artifact{ID: ReplyArtifactID, Parts: parts},
	})
}

// openReply notes that the next record belongs to the reply and reports
// whether it is a later one.
func (t *task) openReply() (follows bool) {
	if t.journal.opened > 0 {
		return true
	}
	t.journal.opened = t.journal.last() + 1
	t.replyAt = len(t.artifacts)
	return false
}

// addArtifact adds an artifact beside the reply, or puts it into the place of
// the one with its id.
func (t *task) addArtifact(a *a2a.Artifact) {
	t.size += int64(len(a.ID)+len(a.Name)+len(a.Description)) + sizeOfParts(a.Parts) + sizeOfValue(a.Metadata)
	same := func(b *a2a.Artifact) bool { return a.ID == b.ID }
	if i := slices.IndexFunc(t.artifacts, same); i >= 0 {
		t.artifacts[i] = a
	} else {
		t.artifacts = append(t.artifacts, a)
	}
	t.append(&a2a.TaskArtifactUpdateEvent{
		TaskID:    t.info.TaskID,
		ContextID: t.info.ContextID,
		LastChunk: true,
		Artifact:  a,
	})
}

// addUsage counts up to what the platform can store, 32 bits.
func (t *task) addUsage(input, output int) {
	bounded := func(n int64) int64 { return min(max(n, 0), math.MaxInt32) }
	t.inTokens = bounded(t.inTokens + bounded(int64(input)))
	t.outTokens = bounded(t.outTokens + bounded(int64(output)))
}

// snapshot is the task as it is now, down to messages and parts the caller's
// own. Its price does not depend on the length of the text: what is written
// later goes behind the text that was lent, not into it.
func (t *task) snapshot(history *int, withArtifacts bool) *a2a.Task {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshotLocked(history, withArtifacts)
}

func (t *task) snapshotLocked(history *int, withArtifacts bool) *a2a.Task {
	s := &a2a.Task{
		ID:        t.info.TaskID,
		ContextID: t.info.ContextID,
		Status:    t.status,
		Metadata:  maps.Clone(t.metadata),
	}
	s.Status.Message = ownMessage(t.status.Message)
	if history == nil || *history > 0 {
		s.History = []*a2a.Message{ownMessage(t.message)}
	}
	if withArtifacts {
		s.Artifacts = t.ownArtifacts()
	}
	return s
}

func (t *task) ownArtifacts() []*a2a.Artifact {
	replied := t.journal.opened > 0
	if !replied && len(t.artifacts) == 0 {
		return nil
	}
	list := make([]*a2a.Artifact, 0, len(t.artifacts)+1)
	for i, a := range t.artifacts {
		if replied && i == t.replyAt {
			list = append(list, t.replyArtifact())
		}
		list = append(list, ownArtifact(a))
	}
	if replied && t.replyAt == len(t.artifacts) {
		list = append(list, t.replyArtifact())
	}
	return list
}

// replyArtifact is the reply: one part for each run of text, whatever the
// chunks it came in.
func (t *task) replyArtifact() *a2a.Artifact {
	text := t.journal.text.String()
	parts := make(a2a.ContentParts, len(t.reply))
	for i, r := range t.reply {
		if r.part != nil {
			parts[i] = r.part
		} else {
			parts[i] = a2a.NewTextPart(text[r.from:r.to])
		}
	}
	return &a2a.Artifact{ID: ReplyArtifactID, Parts: parts}
}
