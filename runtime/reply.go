package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Reply takes what the agent answers. It is an [io.Writer]: text goes to the
// caller as it is written, one chunk of the stream per write. A write returns
// at once, however slowly the caller reads, and keeps nothing of what it was
// given. After the end of the turn's context it fails with the context's cause.
// All methods are safe for concurrent use.
type Reply struct {
	x     *task.Execution
	label func(string)
	told  *turnTrace
}

// Write sends p as text. A character cut in two by a write is put together
// again.
func (r *Reply) Write(p []byte) (int, error) {
	n, err := r.x.WriteText(p)
	if err == nil {
		r.told.write(p)
	}
	return n, err
}

// WriteString is Write for a string.
func (r *Reply) WriteString(s string) (int, error) { return r.Write([]byte(s)) }

// File adds a file to the answer.
func (r *Reply) File(f File) error {
	part := &a2a.Part{Filename: f.Name, MediaType: f.MediaType}
	switch {
	case f.URL != "" && f.Bytes != nil:
		return fmt.Errorf("runtime: file %q has both Bytes and a URL; set one", f.Name)
	case f.URL != "":
		part.Content = a2a.URL(f.URL)
	case f.Bytes != nil:
		part.Content = a2a.Raw(bytes.Clone(f.Bytes))
	default:
		return fmt.Errorf("runtime: file %q has neither Bytes nor a URL", f.Name)
	}
	return r.x.WriteParts(part)
}

// Data adds structured data to the answer: anything that encoding/json can
// encode.
func (r *Reply) Data(value any) error {
	if value == nil {
		return errors.New("runtime: Reply.Data: no value")
	}
	return r.x.WriteParts(a2a.NewDataPart(value))
}

// Ask makes the error that ends the turn with a question to the caller; return
// it from Run:
//
//	return reply.Ask("Which city?")
//
// The caller's call or stream ends with the state INPUT_REQUIRED, what was
// written so far stays, and nothing runs until the caller sends a message with
// the task's id, be it in an hour or after a restart. Then Run is called for
// that message: [Turn.TaskID] is the same, the question is the last but one in
// what was said ([Turn.History] ends with it), [Turn.Written] has the text so
// far.
func (r *Reply) Ask(question string) error { return r.x.Ask(a2a.NewTextPart(question)) }

// Usage says how many tokens a model has read and written for this turn.
// Calls add up.
func (r *Reply) Usage(input, output int) {
	r.x.AddUsage(input, output)
	r.told.usage(input, output)
}

// Model says which model answers this turn, as name or provider:name
// ("anthropic:claude-sonnet-4"), for traces and metrics; call it before Usage.
func (r *Reply) Model(model string) { r.told.setModel(model) }

// ToolCall adds a tool the agent used to the trace that the platform keeps, and
// to the span of the turn as one of its own. Call it when the tool has
// answered. A tool of [Workspace.Tools] has a span without it.
func (r *Reply) ToolCall(call ToolCall) {
	r.told.tool(call)
	r.x.AddToolTrace(task.ToolTrace{Tool: call.Name, Input: call.Input, OutputPreview: call.Output})
}

// Label changes what the platform shows as the current task.
func (r *Reply) Label(label string) { r.label(label) }

// ToolCall is one use of a tool.
type ToolCall struct {
	Name   string // the tool
	Input  string // what it was given; cut to a preview
	Output string // what it answered; cut to a preview

	Took time.Duration // how long it took, for traces; 0 when that is not known
}
