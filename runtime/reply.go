package runtime

// Reply takes what the agent answers. It is an [io.Writer]: text goes to the
// caller as it is written. All methods are safe for concurrent use.
type Reply struct{}

// Write sends p as text.
func (r *Reply) Write(p []byte) (int, error) { return len(p), nil }

// WriteString is Write for a string.
func (r *Reply) WriteString(s string) (int, error) { return r.Write([]byte(s)) }

// File adds a file to the answer.
func (r *Reply) File(f File) error { return nil }

// Usage says how many tokens a model has read and written for this turn.
// Calls add up.
func (r *Reply) Usage(input, output int) {}

// ToolCall adds a tool the agent used to the trace that the platform keeps.
func (r *Reply) ToolCall(call ToolCall) {}

// Label changes what the platform shows as the current task.
func (r *Reply) Label(label string) {}

// ToolCall is one use of a tool.
type ToolCall struct {
	Name   string // the tool
	Input  string // what it was given; cut to a preview
	Output string // what it answered; cut to a preview
}
