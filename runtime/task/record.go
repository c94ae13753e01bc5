package task

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// A frame is what is written down of a journal at once: a version, the sequence
// of its first event, and then records, each a kind, a length and a payload.
const frameVersion = 1

// recordKind says what a record in a frame holds.
type recordKind byte

const (
	textRecord      recordKind = 't' // a chunk of the reply's text, as it is
	submittedRecord recordKind = 's' // storedStatus: the task, with its first message
	statusRecord    recordKind = 'u' // storedStatus
	partsRecord     recordKind = 'p' // []storedPart of the reply
	artifactRecord  recordKind = 'a' // storedArtifact beside the reply
	countsRecord    recordKind = 'c' // storedCounts; no event, and no sequence
)

// errDamaged is in the error about a frame that is not one this version has
// written.
var errDamaged = errors.New("the record is damaged")

// appendFrame begins a frame.
func appendFrame(b []byte, first uint64) []byte {
	b = append(b, frameVersion)
	return binary.AppendUvarint(b, first)
}

func appendRecord(b []byte, kind recordKind, payload []byte) []byte {
	b = append(b, byte(kind))
	b = binary.AppendUvarint(b, uint64(len(payload)))
	return append(b, payload...)
}

func appendText(b []byte, text string) []byte {
	b = append(b, byte(textRecord))
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendJSON(b []byte, kind recordKind, v any) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return appendRecord(b, kind, payload), nil
}

// appendEvent writes one event of the journal of t down.
func appendEvent(b []byte, t *task, r record, text string) ([]byte, error) {
	if r.event == nil {
		return appendText(b, text), nil
	}
	switch ev := r.event.(type) {
	case *a2a.Task:
		s := storedStatus{State: string(ev.Status.State), At: ev.Status.Timestamp.UnixMilli()}
		var err error
		if s.Input, err = storeInput(r.input); err != nil {
			return b, err
		}
		return appendJSON(b, submittedRecord, &s)
	case *a2a.TaskStatusUpdateEvent:
		s := storedStatus{State: string(ev.Status.State), At: ev.Status.Timestamp.UnixMilli()}
		var err error
		if s.Metadata, err = storeMap(ev.Metadata); err != nil {
			return b, err
		}
		if m := ev.Status.Message; m != nil {
			stored, err := storeMessage(m)
			if err != nil {
				return b, err
			}
			s.Message = &stored
		}
		if r.input != nil {
			if s.Input, err = storeInput(r.input); err != nil {
				return b, err
			}
		}
		return appendJSON(b, statusRecord, &s)
	case *a2a.TaskArtifactUpdateEvent:
		if ev.Artifact.ID == ReplyArtifactID {
			parts, err := storeParts(ev.Artifact.Parts)
			if err != nil {
				return b, err
			}
			return appendJSON(b, partsRecord, parts)
		}
		a, err := storeArtifact(ev.Artifact)
		if err != nil {
			return b, err
		}
		return appendJSON(b, artifactRecord, &a)
	}
	return b, fmt.Errorf("an event of type %T is in task %s", r.event, t.info.TaskID)
}

// replay adds what a frame holds to a task. The task is as it was before the
// first record that is damaged.
func (t *task) replay(frame []byte) error {
	if len(frame) == 0 || frame[0] != frameVersion {
		return fmt.Errorf("%w: it does not begin with version %d", errDamaged, frameVersion)
	}
	first, rest, ok := uvarint(frame[1:])
	if !ok || first != t.journal.last()+1 {
		return fmt.Errorf("%w: it begins with event %d, want %d", errDamaged, first, t.journal.last()+1)
	}
	for len(rest) > 0 {
		kind := recordKind(rest[0])
		n, tail, ok := uvarint(rest[1:])
		if !ok || n > uint64(len(tail)) {
			return fmt.Errorf("%w: it is cut off", errDamaged)
		}
		if err := t.replayRecord(kind, tail[:n]); err != nil {
			return fmt.Errorf("%w: event %d: %w", errDamaged, t.journal.last()+1, err)
		}
		rest = tail[n:]
	}
	return nil
}

func (t *task) replayRecord(kind recordKind, payload []byte) error {
	if begun := t.journal.last() > 0; begun == (kind == submittedRecord) {
		return fmt.Errorf("a record of kind %q is out of place", kind)
	}
	if t.journal.ended && kind != countsRecord {
		return errors.New("it follows the end of the task")
	}
	switch kind {
	case textRecord:
		if len(payload) == 0 {
			return errors.New("a text is empty")
		}
		from := t.journal.text.Len()
		writeValid(&t.journal.text, payload)
		t.addText(from)
		return nil
	case submittedRecord, statusRecord:
		return t.replayStatus(kind, payload)
	case partsRecord:
		var stored []storedPart
		if err := json.Unmarshal(payload, &stored); err != nil {
			return err
		}
		parts, err := loadParts(stored)
		if err != nil || len(parts) == 0 {
			return errors.Join(err, errors.New("a reply without parts"))
		}
		t.addParts(parts)
		return nil
	case artifactRecord:
		var stored storedArtifact
		if err := json.Unmarshal(payload, &stored); err != nil {
			return err
		}
		a, err := stored.artifact()
		if err != nil || len(a.Parts) == 0 {
			return errors.Join(err, errors.New("an artifact without parts"))
		}
		t.addArtifact(a)
		return nil
	case countsRecord:
		return t.replayCounts(payload)
	}
	return fmt.Errorf("records of kind %q are unknown", kind)
}

func (t *task) replayStatus(kind recordKind, payload []byte) error {
	var s storedStatus
	if err := json.Unmarshal(payload, &s); err != nil {
		return err
	}
	if !known(a2a.TaskState(s.State)) {
		return fmt.Errorf("there is no state %q", s.State)
	}
	var in *input
	if s.Input != nil {
		var err error
		if in, err = s.Input.input(t.info); err != nil {
			return err
		}
	}
	if kind == submittedRecord {
		if in == nil {
			return errors.New("a task without a message")
		}
		t.submit(in, s.At)
		return nil
	}
	ev := statusChange{state: a2a.TaskState(s.State), at: s.At, input: in}
	if s.Message != nil {
		var err error
		if ev.message, err = s.Message.message(t.info); err != nil {
			return err
		}
	}
	var err error
	if ev.metadata, err = loadMap(s.Metadata); err != nil {
		return err
	}
	usage, _ := ev.metadata[MetadataUsage].(map[string]any)
	for k, v := range usage { // a protobuf Struct has no room for a json.Number
		if n, ok := v.(json.Number); ok {
			usage[k], _ = n.Int64()
		}
	}
	t.applyStatus(ev)
	return nil
}

func (t *task) replayCounts(payload []byte) error {
	var s storedCounts
	if err := json.Unmarshal(payload, &s); err != nil {
		return err
	}
	t.inTokens, t.outTokens = s.Input, s.Output
	t.trace = nil
	if s.Trace != nil {
		v, err := decodeValue(s.Trace)
		if err != nil {
			return err
		}
		t.trace, _ = v.([]any)
	}
	return nil
}

// known reports whether a task can be in a state here.
func known(s a2a.TaskState) bool {
	switch s {
	case a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateInputRequired,
		a2a.TaskStateCompleted, a2a.TaskStateFailed, a2a.TaskStateCanceled:
		return true
	}
	return false
}

func uvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
