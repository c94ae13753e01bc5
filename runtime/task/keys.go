package task

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// format is the version of what is in a store, under formatKey in BucketMeta.
const (
	formatKey = "format"
	format    = "1"
)

// waitingKey in BucketMeta says that tasks which wait for their caller are in
// BucketFinished.
const waitingKey = "waiting"

// row is what is known of a task without its journal.
type row struct {
	Owner    string `json:"owner,omitempty"`
	Context  string `json:"context"`
	State    string `json:"state"`
	At       int64  `json:"at"`                 // of the last change of status, Unix milliseconds
	Attempt  int    `json:"attempt,omitempty"`  // of the turn, from 1
	Canceled bool   `json:"canceled,omitempty"` // a caller wants it to end
	Placed   bool   `json:"placed,omitempty"`   // the dispatcher decides where the turn runs
	Size     int64  `json:"size,omitempty"`     // roughly, once it is at rest
	Holder   string `json:"holder,omitempty"`   // who has the turn; empty where nobody else could
}

func decodeRow(value []byte) (r row, err error) {
	if err := json.Unmarshal(value, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !known(a2a.TaskState(r.State)) {
		return r, fmt.Errorf("%w: there is no state %q", errDamaged, r.State)
	}
	return r, nil
}

// eventsFrom is the key of a task's frame that begins with an event; eventsEnd
// is behind the last.
func eventsFrom(id a2a.TaskID, first uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte(id+":"), first))
}

func eventsEnd(id a2a.TaskID) string { return string(id) + ";" }

// listedKey orders the tasks of an owner by the time of their last change and,
// within a millisecond, by id, which begins with the time it was made.
func listedKey(owner string, at int64, id a2a.TaskID) string {
	return string(binary.BigEndian.AppendUint64([]byte(ownerKey(owner)), uint64(at))) + string(id)
}

// ownerKey is an owner's name in a fixed length.
func ownerKey(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return string(sum[:ownerKeySize])
}

const ownerKeySize = 16

// ownerEnd is behind all keys of an owner.
func ownerEnd(owner string) string {
	b := []byte(ownerKey(owner))
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return string(b[:i+1])
		}
	}
	return ""
}

// listed is the value under a listedKey: what a list can be filtered by.
type listed struct {
	at      int64
	id      a2a.TaskID
	state   a2a.TaskState
	context string
}

func (l listed) value() []byte { return []byte(string(l.state) + "\x00" + l.context) }

func decodeListed(e Entry) (l listed, err error) {
	const head = ownerKeySize + 8
	if len(e.Key) <= head {
		return l, errDamaged
	}
	l.at = int64(binary.BigEndian.Uint64([]byte(e.Key[ownerKeySize:head])))
	l.id = a2a.TaskID(e.Key[head:])
	for i, c := range e.Value {
		if c == 0 {
			l.state, l.context = a2a.TaskState(e.Value[:i]), string(e.Value[i+1:])
			return l, nil
		}
	}
	return l, errDamaged
}

// timeKey orders by time.
func timeKey(at int64, id string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(at))) + id
}

// keptTask is the value in BucketFinished, under a timeKey.
type keptTask struct {
	size  int64
	owner string // ownerKey
	waits bool   // for the caller: it has not ended
}

const waitsMark = "w"

func keptValue(size int64, owner string, waits bool) []byte {
	b := append(binary.AppendUvarint(nil, uint64(size)), owner...)
	if waits {
		b = append(b, waitsMark...)
	}
	return b
}

func decodeKept(value []byte) (k keptTask) {
	size, rest, _ := uvarint(value)
	k.size, k.owner = int64(size), string(rest)
	if len(k.owner) > ownerKeySize {
		k.owner, k.waits = k.owner[:ownerKeySize], k.owner[ownerKeySize:] == waitsMark
	}
	return k
}

func timeOf(key string) int64 {
	if len(key) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64([]byte(key[:8])))
}

// messageKey finds the task a message has made: whose it is, the context the
// caller named, and its id, in a fixed length.
type messageKey string

const messageKeySize = 24

func keyOfMessage(owner, context, id string) messageKey {
	h := sha256.New()
	for _, s := range []string{owner, context, id} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return messageKey(h.Sum(nil)[:messageKeySize])
}

// seen is the value under a messageKey: the task the message has made, what it
// said, and when.
type seen struct {
	Task a2a.TaskID `json:"task"`
	Says string     `json:"says"` // digest of its parts
	At   int64      `json:"at"`
}

func decodeSeen(value []byte) (s seen, err error) {
	if err := json.Unmarshal(value, &s); err != nil {
		return s, err
	}
	if s.Task == "" {
		return s, errors.New("it names no task")
	}
	return s, nil
}

// mustJSON is for types that cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
