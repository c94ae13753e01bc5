package runtime

import "github.com/a2aproject/a2a-go/v2/a2a"

// Turn is one message to be answered. It is read-only and valid, also for
// concurrent use, until Run returns.
type Turn struct {
	taskID    string
	contextID string
	message   *a2a.Message
	history   []*a2a.Message
	metadata  map[string]any
}

// TaskID is the id of the A2A task this turn belongs to.
func (t *Turn) TaskID() string { return t.taskID }

// ContextID is the id of the conversation: the same for all messages that
// belong together.
func (t *Turn) ContextID() string { return t.contextID }

// MessageID is the id of the message. The platform delivers a message again
// with the same id; the runtime answers it from memory.
func (t *Turn) MessageID() string { return t.message.ID }

// Text is the text of the message: its text parts, joined by a line break.
func (t *Turn) Text() string { return "" }

// Files are the files that came with the message.
func (t *Turn) Files() []File { return nil }

// Message is the message as it came, for those who want the protocol.
func (t *Turn) Message() *a2a.Message { return t.message }

// History is what was said before in this conversation, oldest first.
func (t *Turn) History() []*a2a.Message { return t.history }

// Metadata is what the caller sent along beside the message, nil when nothing.
func (t *Turn) Metadata() map[string]any { return t.metadata }
