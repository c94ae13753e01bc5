package task

import (
	"maps"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// journal is the append-only sequence of a task's events; the first has
// sequence 1. Appending costs the same however long it is and however many
// read it: a reader keeps its own place and waits for a broadcast when it has
// caught up, so nobody's slowness reaches the writer.
//
// Readers see what is committed, which is a little less than what is written.
// It is guarded by the mutex of its task. What a reader has taken out (see
// since) is never written again and is read without the lock.
type journal struct {
	records   []record
	text      strings.Builder // the text of the reply, all of it
	opened    uint64          // sequence of the record that began the reply; 0 before
	committed uint64          // sequence of the last record that is in the store
	rest      bool            // nothing follows the last record unless a caller sends something
	ended     bool            // the last record is the last there will be
	left      error           // no more of it will be seen here; nil while it goes on
	wake      chan struct{}   // closed when more is committed; nil while nobody waits
}

// record is one event. A chunk of the reply's text, by far the most frequent
// one, is kept as a range of the text and made into an event when it is read.
type record struct {
	event a2a.Event // nil: the text from the previous record's end to this one's
	input *input    // the caller's message that brought the event about; nil for most
	end   int       // length of the reply's text after this record
}

// last is the sequence of the newest record, 0 before the first.
func (j *journal) last() uint64 { return uint64(len(j.records)) }

// append adds an event. A nil event stands for what was written to the text
// since the previous record.
func (j *journal) append(event a2a.Event, in *input) {
	j.records = append(j.records, record{event: event, input: in, end: j.text.Len()})
}

// commit lets readers see what is in the store and wakes those who wait.
func (j *journal) commit(seq uint64) {
	j.committed = seq
	j.broadcast()
}

// leave ends the waiting of all readers: what follows happens elsewhere.
func (j *journal) leave(why error) {
	j.left = why
	j.broadcast()
}

func (j *journal) broadcast() {
	if j.wake != nil {
		close(j.wake)
		j.wake = nil
	}
}

// changed is closed by the next broadcast.
func (j *journal) changed() <-chan struct{} {
	if j.wake == nil {
		j.wake = make(chan struct{})
	}
	return j.wake
}

// atRest reports whether readers have all there is until a caller sends
// something.
func (j *journal) atRest() bool { return j.rest && j.committed == j.last() }

// since returns what follows a sequence. When that is nothing and more may
// come, wait is closed by the next broadcast.
func (j *journal) since(seq uint64) (b batch, wait <-chan struct{}) {
	b = batch{first: seq + 1, opened: j.opened, text: j.text.String(), rest: j.atRest()}
	if seq < j.committed {
		b.records = j.records[seq:j.committed]
	}
	if seq > 0 {
		b.from = j.records[seq-1].end
	}
	if len(b.records) > 0 || b.rest || j.left != nil {
		b.left = j.left
		return b, nil
	}
	return b, j.changed()
}

// batch is a stretch of a journal in the hands of a reader.
type batch struct {
	first   uint64   // sequence of the first record
	opened  uint64   // as in the journal
	from    int      // where the text of the first record begins
	records []record // shared with the journal, read only
	text    string   // shared with the journal, longer than the records say at most
	rest    bool     // nothing follows the last record for now
	left    error    // as in the journal
}

// each calls yield with the sequence and the event of every record until
// yield returns false, and reports whether it never did. The events are the
// reader's own down to messages and parts.
func (b *batch) each(info a2a.TaskInfo, yield func(seq uint64, ev a2a.Event) bool) bool {
	from := b.from
	for i, r := range b.records {
		seq := b.first + uint64(i)
		var ev a2a.Event
		if r.event != nil {
			ev = ownEvent(r.event)
		} else {
			ev = newChunk(info, b.text[from:r.end], seq > b.opened)
		}
		from = r.end
		if !yield(seq, ev) {
			return false
		}
	}
	return true
}

// newChunk makes the event of a chunk of the reply's text, in one piece of
// memory because there are so many of them.
func newChunk(info a2a.TaskInfo, text string, follows bool) *a2a.TaskArtifactUpdateEvent {
	c := &struct {
		update   a2a.TaskArtifactUpdateEvent
		artifact a2a.Artifact
		part     a2a.Part
		parts    [1]*a2a.Part
	}{}
	c.part.Content = a2a.Text(text)
	c.parts[0] = &c.part
	c.artifact.ID = ReplyArtifactID
	c.artifact.Parts = c.parts[:]
	c.update.TaskID, c.update.ContextID = info.TaskID, info.ContextID
	c.update.Append = follows
	c.update.Artifact = &c.artifact
	return &c.update
}

// ownEvent copies what a reader may want to change: interceptors add metadata
// to what passes them.
func ownEvent(ev a2a.Event) a2a.Event {
	switch ev := ev.(type) {
	case *a2a.Task:
		c := *ev
		c.History = ownMessages(ev.History)
		c.Metadata = maps.Clone(ev.Metadata)
		return &c
	case *a2a.TaskStatusUpdateEvent:
		c := *ev
		c.Status.Message = ownMessage(ev.Status.Message)
		c.Metadata = maps.Clone(ev.Metadata)
		return &c
	case *a2a.TaskArtifactUpdateEvent:
		c := *ev
		c.Artifact = ownArtifact(ev.Artifact)
		c.Metadata = maps.Clone(ev.Metadata)
		return &c
	}
	return ev
}

func ownArtifact(a *a2a.Artifact) *a2a.Artifact {
	c := *a
	c.Parts = slices.Clone(a.Parts)
	c.Metadata = maps.Clone(a.Metadata)
	return &c
}

func ownMessage(m *a2a.Message) *a2a.Message {
	if m == nil {
		return nil
	}
	c := *m
	c.Parts = slices.Clone(m.Parts)
	c.Metadata = maps.Clone(m.Metadata)
	return &c
}

func ownMessages(messages []*a2a.Message) []*a2a.Message {
	if messages == nil {
		return nil
	}
	own := make([]*a2a.Message, len(messages))
	for i, m := range messages {
		own[i] = ownMessage(m)
	}
	return own
}
