package task

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// task is one A2A task: its journal, and what the journal adds up to. The
// methods that change it are used for what happens and for what is read back
// from a store, so that both come to the same.
type task struct {
	info  a2a.TaskInfo
	owner string // whose it is; see WithOwner

	mu        sync.Mutex // guards the rest; taken after the engine's, never before
	journal   journal
	status    a2a.TaskStatus
	metadata  map[string]any
	input     *input         // the caller's latest message
	history   []*a2a.Message // what was said, but not the status message
	reply     []replyPart
	artifacts []*a2a.Artifact // those beside the reply
	replyAt   int             // how many of them came before it
	size      int64           // bytes held, roughly
	written   int64           // of these, what the agent has written
	tail      textTail
	inTokens  int64
	outTokens int64
	trace     []any
	counted   bool   // something was counted that is not in the store
	attempt   int    // of the turn, from 1; 0 before it has begun
	canceled  bool   // a caller wants it to end: it cannot complete any more
	refused   bool   // by the store, once
	placed    bool   // the dispatcher decides where the turn runs
	inputAt   uint64 // sequence of the event that the turn answers

	turn  turnState
	saved saved
	keys  []messageKey // under which the engine finds it by message while it is live
}

// turnState is what is known of a task's turn while it waits or runs.
type turnState struct {
	refuse  error         // what a write gets; nil while the turn may write
	lost    bool          // a write was refused because of a shutdown
	grace   *time.Timer   // ends the patience with a turn that has to return
	done    chan struct{} // closed when the task has come to rest and that is committed
	holder  string        // nobody else writes it into the task's row; empty where there is nobody else
	writes  uint64        // how often something was written, for the silence timeout
	wrote   time.Time     // and when, if there is such a timeout
	expired error         // which timeout, or bound on the reply, has cut it off
	chunks  uint64        // how many of the writes were pieces of the reply
	span    *turnSpan     // what is told of it; nil before it has begun

	// Of a turn that may be dispatched; the channels are nil without a dispatcher.
	x       *Execution    // nil before the turn has its slot
	begun   chan struct{} // closed when it has
	claimed chan struct{} // closed when somebody runs it
	adopted bool          // it was sent for, so it need not be placed
	again   bool          // an earlier life has placed it

	// cancel ends the turn's context. It is nil before the turn has begun and
	// once it has returned: it holds the request that brought the message, and
	// the task may be read for long.
	cancel context.CancelCauseFunc
	ctx    context.Context // the turn's; nil as cancel
}

// input is a message of the caller and what came beside it.
type input struct {
	message  *a2a.Message
	metadata map[string]any
}

// replyPart is one part of the reply: a part as it was written, or, when that
// is nil, a run of text.
type replyPart struct {
	part     *a2a.Part
	from, to int // range in the journal's text
}

// submit makes the first event.
func (t *task) submit(in *input, at int64) {
	t.journal.records = make([]record, 0, 8) // enough for a short reply
	t.input = in
	t.history = []*a2a.Message{in.message}
	t.size = taskOverhead + sizeOfMessage(in.message) + sizeOfValue(in.metadata)
	t.status = a2a.TaskStatus{State: a2a.TaskStateSubmitted, Timestamp: moment(at)}
	t.append(&a2a.Task{
		ID:        t.info.TaskID,
		ContextID: t.info.ContextID,
		Status:    t.status,
		History:   []*a2a.Message{in.message},
	}, in)
	t.inputAt = t.journal.last()
}

// now is the present in Unix milliseconds, which is as precise as A2A is
// (specification 5.6.1).
func now() int64 { return time.Now().UnixMilli() }

// append adds an event to the journal.
func (t *task) append(ev a2a.Event, in *input) {
	t.journal.append(ev, in)
	t.size += recordSize
}

// statusChange is a new status.
type statusChange struct {
	state    a2a.TaskState
	at       int64
	message  *a2a.Message
	metadata map[string]any // what the turn has counted; of a status at rest
	input    *input         // the caller's message that brought it about
}

// setStatus gives the task a new status, now. What the turn has counted goes
// along when it comes to rest, so that who folds the events has all that a
// reader of the task has.
func (t *task) setStatus(state a2a.TaskState, message *a2a.Message, in *input) {
	c := statusChange{state: state, at: now(), message: message, input: in}
	if rests(state) {
		c.metadata = t.accounts()
	}
	t.applyStatus(c)
}

func (t *task) applyStatus(c statusChange) {
	if c.input != nil {
		if t.status.Message != nil {
			t.history = append(t.history, t.status.Message)
		}
		t.history = append(t.history, c.input.message)
		t.input = c.input
		t.size += sizeOfMessage(c.input.message) + sizeOfValue(c.input.metadata)
	}
	t.status = a2a.TaskStatus{State: c.state, Message: c.message, Timestamp: moment(c.at)}
	if c.message != nil {
		t.size += sizeOfMessage(c.message)
	}
	t.journal.rest = rests(c.state)
	t.journal.ended = c.state.Terminal()
	if t.journal.rest {
		t.metadata = c.metadata
		t.size += sizeOfValue(c.metadata)
	}
	t.append(&a2a.TaskStatusUpdateEvent{
		TaskID:    t.info.TaskID,
		ContextID: t.info.ContextID,
		Status:    t.status,
		Metadata:  c.metadata,
	}, c.input)
	if c.input != nil {
		t.inputAt = t.journal.last()
	}
}

// rests reports whether nothing happens to a task in a state unless a caller
// sends something.
func rests(s a2a.TaskState) bool { return s.Terminal() || s == a2a.TaskStateInputRequired }

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
		m[MetadataToolTrace] = slices.Clone(t.trace)
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
	t.written += int64(to-from) + recordSize
	t.append(nil, nil)
}

// writeParts appends parts to the reply, in one event.
func (t *task) writeParts(parts []*a2a.Part) {
	t.flushText()
	t.addParts(parts)
}

func (t *task) addParts(parts []*a2a.Part) {
	follows := t.openReply()
	for _, p := range parts {
		t.reply = append(t.reply, replyPart{part: p})
	}
	t.size += sizeOfParts(parts)
	t.written += sizeOfParts(parts) + recordSize
	t.append(&a2a.TaskArtifactUpdateEvent{
		TaskID:    t.info.TaskID,
		ContextID: t.info.ContextID,
		Append:    follows,
		Artifact:  &a2a.Artifact{ID: ReplyArtifactID, Parts: parts},
	}, nil)
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
	t.size += sizeOfArtifact(a)
	t.written += sizeOfArtifact(a) + recordSize
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
	}, nil)
}

// addUsage counts up to what the platform can store, 32 bits.
func (t *task) addUsage(input, output int) {
	bounded := func(n int64) int64 { return min(max(n, 0), math.MaxInt32) }
	t.inTokens = bounded(t.inTokens + bounded(int64(input)))
	t.outTokens = bounded(t.outTokens + bounded(int64(output)))
	t.counted = true
}

func (t *task) addTrace(entry map[string]any) {
	if len(t.trace) < maxTraceEntries {
		t.trace = append(t.trace, entry)
		t.counted = true
	}
}

// said is what was said in the task before its latest message.
func (t *task) said() []*a2a.Message {
	n := len(t.history)
	return slices.Clone(t.history[:n-1])
}
