package task

import (
	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Execution is one turn: the message to answer and the reply to write. All
// methods are safe for concurrent use.
type Execution struct{}

// TaskID is the id of the task the turn belongs to.
func (x *Execution) TaskID() a2a.TaskID { return "" }

// ContextID is the id of the conversation, made up when the caller gave none.
func (x *Execution) ContextID() string { return "" }

// Message is the message to answer. It must not be modified.
func (x *Execution) Message() *a2a.Message { return nil }

// Metadata is what the caller sent beside the message (params.metadata), nil
// when nothing. It must not be modified.
func (x *Execution) Metadata() map[string]any { return nil }

// History is what was said before, oldest first, as far as the caller sent it
// along (params.metadata.history, else message.metadata.history).
func (x *Execution) History() []*a2a.Message { return nil }

// WriteText appends text to the reply. It has the contract of [io.Writer] and
// does not keep text.
func (x *Execution) WriteText(text []byte) (int, error) { return len(text), nil }

// WriteParts appends parts to the reply: files, data.
func (x *Execution) WriteParts(parts ...*a2a.Part) error { return nil }

// AddArtifact adds an artifact of its own beside the reply.
func (x *Execution) AddArtifact(a *a2a.Artifact) error { return nil }

// AddUsage counts tokens a model has read and written; calls add up. The task
// carries them as metadata "usage" with input_tokens and output_tokens.
func (x *Execution) AddUsage(input, output int) {}

// AddToolTrace records one use of a tool. The task carries the entries as
// metadata "tool_trace".
func (x *Execution) AddToolTrace(entry ToolTrace) {}

// ToolTrace is one use of a tool.
type ToolTrace struct {
	Tool          string
	Input         string
	OutputPreview string
}
