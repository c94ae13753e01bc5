package task

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// sent is what has become of a message.
type sent struct {
	t     *task
	done  <-chan struct{} // closed when its turn has come to rest
	after uint64          // the sequence its stream begins behind; [fromNow] for the task as it is
}

// fromNow, in place of a sequence, begins a stream with the task as it is.
const fromNow = ^uint64(0)

// submit returns the task of a message, which is a new one unless the message
// was seen before or answers what a task asks for.
func (e *Engine) submit(ctx context.Context, req *a2a.SendMessageRequest) (sent, error) {
	if err := checkSend(req); err != nil {
		return sent{}, err
	}
	for again := 0; ; again++ {
		s, made, err := e.take(ctx, req)
		if err != nil || !made || !e.shared() || again == maxReads || !e.conflicts(ctx, s.t) {
			return s, err
		}
		// Another process has taken the message, or an answer to the same
		// question, at the same moment.
	}
}

// take is submit; made says that the task is one of this process, which may not
// be in the store yet.
func (e *Engine) take(ctx context.Context, req *a2a.SendMessageRequest) (s sent, made bool, err error) {
	m := req.Message
	owner := e.cfg.owner(ctx)
	key := keyOfMessage(owner, m.ContextID, m.ID)
	t, arrived, err := e.arrive(ctx, key)
	if err != nil {
		return sent{}, false, err
	}
	if t != nil {
		s, err = e.repeated(ctx, t, m, digest(t.saidAs(m.ID)))
		return s, true, err
	}
	defer arrived()
	switch value, err := e.store.Get(ctx, BucketMessages, string(key)); {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		e.log.LogAttrs(ctx, slog.LevelError, "a message cannot be looked up in the store", slog.String("message_id", m.ID), slog.Any("error", err))
		return sent{}, false, errStore()
	default:
		s, err = e.remembered(ctx, owner, m, value)
		return s, false, err
	}
	if m.TaskID != "" {
		s, err = e.answer(ctx, owner, key, req)
	} else {
		s, err = e.admit(ctx, owner, key, req)
	}
	return s, true, err
}

// arrive finds the live task of a message or, when there is none, makes those
// wait who bring the same message until arrived is called.
func (e *Engine) arrive(ctx context.Context, key messageKey) (t *task, arrived func(), err error) {
	for {
		e.mu.Lock()
		if t := e.messages[key]; t != nil {
			e.mu.Unlock()
			return t, nil, nil
		}
		other := e.arriving[key]
		if other == nil {
			mine := make(chan struct{})
			e.arriving[key] = mine
			e.mu.Unlock()
			return nil, func() {
				e.mu.Lock()
				delete(e.arriving, key)
				e.mu.Unlock()
				close(mine)
			}, nil
		}
		e.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// remembered is what becomes of a message that the store knows.
func (e *Engine) remembered(ctx context.Context, owner string, m *a2a.Message, value []byte) (sent, error) {
	known, err := decodeSeen(value)
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "what the store remembers of a message is damaged", slog.String("message_id", m.ID), slog.Any("error", err))
		return sent{}, refused(a2a.ErrInternalError, "the agent's record of message %.64q is damaged: send it under a new id", m.ID)
	}
	t, err := e.find(ctx, owner, known.Task)
	if errors.Is(err, a2a.ErrTaskNotFound) {
		return sent{}, refused(a2a.ErrTaskNotFound, "message %.64q was answered before, by task %s, which is forgotten by now: send it under a new id to have it answered again", m.ID, known.Task)
	}
	if err != nil {
		return sent{}, err
	}
	return e.repeated(ctx, t, m, known.Says)
}

// repeated is what becomes of a message that came before.
func (e *Engine) repeated(ctx context.Context, t *task, m *a2a.Message, said string) (sent, error) {
	if m.TaskID != "" && m.TaskID != t.info.TaskID {
		return sent{}, refused(a2a.ErrInvalidParams, "message.messageId was used in task %s: give each message an id of its own, such as a UUID", t.info.TaskID)
	}
	same := said == digest(m)
	e.noteRepeat(ctx, t, m, same)
	if !same && m.ContextID == "" {
		// Without a conversation nothing says that both came from one sender:
		// the answer to one must not be handed to the other.
		return sent{}, refused(a2a.ErrInvalidParams, "message.messageId was used for another message: give each message an id of its own, such as a UUID")
	}
	return sent{t: t, done: t.doneChannel()}, nil
}

// admit makes the task of a new message and lets it have its turn.
func (e *Engine) admit(ctx context.Context, owner string, key messageKey, req *a2a.SendMessageRequest) (sent, error) {
	target, err := e.targetOf(req)
	if err != nil {
		return sent{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.open(owner); err != nil {
		return sent{}, err
	}
	m := req.Message
	info := a2a.TaskInfo{TaskID: a2a.NewTaskID(), ContextID: m.ContextID}
	if info.ContextID == "" {
		info.ContextID = a2a.NewContextID()
	}
	t := &task{info: info, owner: owner}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn = e.newTurn()
	t.submit(ownInput(req, info), now())
	e.live[info.TaskID] = t
	e.remember(t, m, key)
	if target != nil {
		e.subscribe(t, target)
	}
	e.enqueue(t, ctx, req.Metadata)
	return sent{t: t, done: t.turn.done}, nil
}

// open says why no message is taken, nil when one is.
func (e *Engine) open(owner string) error {
	if e.draining {
		return errDraining()
	}
	if _, err := e.commits.trouble(); err != nil {
		return errStore()
	}
	if err := e.gate(); err != nil {
		return err
	}
	return e.room(owner)
}

// answer gives a task the message that it asks for.
func (e *Engine) answer(ctx context.Context, owner string, key messageKey, req *a2a.SendMessageRequest) (sent, error) {
	m := req.Message
	target, err := e.targetOf(req)
	if err != nil {
		return sent{}, err
	}
	release, err := e.hold(ctx, m.TaskID)
	if err != nil {
		return sent{}, err
	}
	defer release()
	t, err := e.find(ctx, owner, m.TaskID)
	if err != nil {
		return sent{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if live := e.live[m.TaskID]; live != nil {
		t = live
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := refuseAnswer(t, m); err != nil {
		return sent{}, err
	}
	if err := e.open(owner); err != nil {
		return sent{}, err
	}
	if target != nil {
		if err := e.roomForTarget(m.TaskID, target.ID); err != nil {
			return sent{}, err
		}
	}
	in := ownInput(req, t.info)
	t.turn = e.newTurn()
	t.attempt, t.placed = 0, false
	t.setStatus(a2a.TaskStateWorking, nil, in)
	e.live[t.info.TaskID] = t
	e.remember(t, m, key)
	if target != nil {
		e.subscribe(t, target)
	}
	e.enqueue(t, ctx, req.Metadata)
	return sent{t: t, done: t.turn.done, after: fromNow}, nil
}

// refuseAnswer says why a message cannot join the task it names, nil when it
// can.
func refuseAnswer(t *task, m *a2a.Message) error {
	switch {
	case m.ContextID != "" && m.ContextID != t.info.ContextID:
		return refused(a2a.ErrInvalidParams, "task %s belongs to context %q, not to %.64q: send one of the two ids, or both as the task has them", m.TaskID, t.info.ContextID, m.ContextID)
	case t.journal.ended:
		return refused(a2a.ErrUnsupportedOperation, "task %s has ended and takes no more messages: leave the task id out and send context id %q to go on with the conversation", m.TaskID, t.info.ContextID)
	case t.journal.atRest() && !t.canceled:
		return nil
	}
	return refused(a2a.ErrUnsupportedOperation, "task %s is at work and takes no more messages: wait for its end, or leave the task id out to begin another task in context %q", m.TaskID, t.info.ContextID)
}

// remember lets the task be found by the message that came, also in later
// lives. A caller that sends again may or may not have learned the context id.
func (e *Engine) remember(t *task, m *a2a.Message, key messageKey) {
	keys := []messageKey{key}
	if other := keyOfMessage(t.owner, t.info.ContextID, m.ID); other != key {
		keys = append(keys, other)
	}
	e.know(t, keys...)
	at := now()
	value := mustJSON(seen{Task: t.info.TaskID, Says: digest(m), At: at})
	names := make([]byte, 0, 2*messageKeySize)
	kind := Put
	if e.shared() { // another process may be at it
		kind = Create
	}
	for _, k := range keys {
		t.saved.ops = append(t.saved.ops, Op{Kind: kind, Bucket: BucketMessages, Key: string(k), Value: value})
		names = append(names, k...)
	}
	t.saved.ops = append(t.saved.ops, Op{Kind: Put, Bucket: BucketSeen, Key: timeKey(at, string(key)), Value: names})
	e.kept.messages++
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

func ownInput(req *a2a.SendMessageRequest, info a2a.TaskInfo) *input {
	own := ownMessage(req.Message)
	own.TaskID, own.ContextID = info.TaskID, info.ContextID
	return &input{message: own, metadata: req.Metadata}
}

// digest tells messages apart by what they say.
func digest(m *a2a.Message) string {
	if m == nil {
		return ""
	}
	h := sha256.New()
	if len(m.Parts) == 1 {
		if text, ok := m.Parts[0].Content.(a2a.Text); ok {
			h.Write([]byte("text"))
			h.Write([]byte(text))
			return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
		}
	}
	parts, err := storeParts(m.Parts)
	if err != nil {
		return ""
	}
	_ = json.NewEncoder(h).Encode(parts)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// saidAs is a message of the caller by its id, nil when there is none.
func (t *task) saidAs(id string) *a2a.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.history {
		if m.ID == id {
			return m
		}
	}
	return nil
}

func (t *task) doneChannel() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turn.done
}
