package task

import (
	"maps"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// snapshot is the task as it is written now, down to messages and parts the
// caller's own, and the sequence of the last event in it. Its price does not
// depend on the length of the text: what is written later goes behind the text
// that was lent, not into it.
func (t *task) snapshot(history *int, withArtifacts bool) (*a2a.Task, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &a2a.Task{
		ID:        t.info.TaskID,
		ContextID: t.info.ContextID,
		Status:    t.status,
		Metadata:  maps.Clone(t.metadata),
	}
	s.Status.Message = ownMessage(t.status.Message)
	said := t.history
	if history != nil && *history < len(said) {
		said = said[len(said)-*history:]
	}
	if len(said) > 0 {
		s.History = ownMessages(said)
	}
	if withArtifacts {
		s.Artifacts = t.ownArtifacts()
	}
	return s, t.journal.last()
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
