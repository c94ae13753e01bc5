package registry

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A2AReply is what an agent said, in whichever of A2A's dialects: a message or
// a task, of 0.3 or of 1.0, with parts keyed by kind, by type or by neither.
type A2AReply struct {
	// Kind is "message" or "task".
	Kind      string
	MessageID string // of a message
	TaskID    string
	ContextID string
	// State is the task's, spelt as 0.3 does, such as "completed" or
	// "input-required"; "" for a message.
	State string
	// Parts are those of the message, or of all the task's artifacts in order.
	Parts []A2APart
	// StatusParts are those of the message in the task's status: why it failed,
	// what it asks, or all it has to say.
	StatusParts []A2APart
	Metadata    json.RawMessage // nil when there is none
}

// A2APart is a piece of a reply: a text, a file or data. One of another kind is
// the zero A2APart.
type A2APart struct {
	Text string
	File *A2AFile        // nil when the part is none
	Data json.RawMessage // any JSON; nil when the part is none
}

// A2AFile is a file in a reply, by its address or as its bytes.
type A2AFile struct {
	URI      string
	Name     string
	MIMEType string
	Bytes    []byte // nil when only the address is given
}

// States of a task that has ended or waits for its caller; see [A2AReply.State].
const (
	TaskSubmitted     = "submitted"
	TaskWorking       = "working"
	TaskCompleted     = "completed"
	TaskFailed        = "failed"
	TaskCanceled      = "canceled"
	TaskRejected      = "rejected"
	TaskInputRequired = "input-required"
	TaskAuthRequired  = "auth-required"
)

// Text is the reply's text: that of its parts, one to a line, or that of the
// task's status when the parts have none.
func (r *A2AReply) Text() string {
	if text := textOf(r.Parts); text != "" {
		return text
	}
	return textOf(r.StatusParts)
}

func textOf(parts []A2APart) string {
	var texts []string
	for _, p := range parts {
		if p.Text != "" {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Files are the files of the reply and of the task's status.
func (r *A2AReply) Files() []A2AFile {
	var files []A2AFile
	for _, parts := range [][]A2APart{r.Parts, r.StatusParts} {
		for _, p := range parts {
			if p.File != nil {
				files = append(files, *p.File)
			}
		}
	}
	return files
}

// Reply reads the agent's result as a message or a task. It is nil, without an
// error, when there is no result. Any other JSON is [ErrUnexpectedAnswer], and
// still in Result.
func (r *A2AResponse) Reply() (*A2AReply, error) {
	if len(r.Result) == 0 || string(r.Result) == "null" {
		return nil, nil
	}
	var result wireReply
	if err := json.Unmarshal(r.Result, &result); err != nil {
		return nil, fmt.Errorf("registry: %w: the agent's result is neither a message nor a task: %w", ErrUnexpectedAnswer, err)
	}
	body := &result
	switch {
	case result.Task != nil: // 1.0 says what it is by the key
		body, result.Task.Kind = result.Task, "task"
	case result.Message != nil && result.Status == nil && result.Parts == nil:
		body, result.Message.Kind = result.Message, "message"
	}
	switch {
	case body.Kind == "task", body.Kind == "" && (body.Status != nil || body.Artifacts != nil):
		return body.task(), nil
	case body.Kind == "message", body.Kind == "" && body.Parts != nil:
		return body.message(), nil
	}
	return nil, fmt.Errorf("registry: %w: the agent's result is neither a message nor a task", ErrUnexpectedAnswer)
}

// wireReply has the keys of messages and tasks of both dialects.
type wireReply struct {
	Kind      string          `json:"kind"`
	MessageID string          `json:"messageId"`
	ID        string          `json:"id"`
	TaskID    string          `json:"taskId"`
	ContextID string          `json:"contextId"`
	Metadata  json.RawMessage `json:"metadata"`
	Parts     []wirePart      `json:"parts"`
	Artifacts []struct {
		Parts []wirePart `json:"parts"`
	} `json:"artifacts"`
	Status *struct {
		State   string     `json:"state"`
		Message *wireReply `json:"message"`
	} `json:"status"`
	Task    *wireReply `json:"task"`
	Message *wireReply `json:"message"`
}

func (w *wireReply) message() *A2AReply {
	return &A2AReply{
		Kind: "message", MessageID: w.MessageID, TaskID: w.TaskID, ContextID: w.ContextID,
		Parts: appendParts(nil, w.Parts), Metadata: present(w.Metadata),
	}
}

func (w *wireReply) task() *A2AReply {
	r := &A2AReply{Kind: "task", TaskID: w.ID, ContextID: w.ContextID, Metadata: present(w.Metadata)}
	for _, a := range w.Artifacts {
		r.Parts = appendParts(r.Parts, a.Parts)
	}
	if w.Status != nil {
		// 1.0 writes TASK_STATE_INPUT_REQUIRED where 0.3 has input-required.
		state := strings.TrimPrefix(strings.ToLower(w.Status.State), "task_state_")
		r.State = strings.ReplaceAll(state, "_", "-")
		if w.Status.Message != nil {
			r.StatusParts = appendParts(nil, w.Status.Message.Parts)
		}
	}
	return r
}

// wirePart has the keys of a part in every dialect. What it is, its keys say:
// kind and type are not always there, and not always right.
type wirePart struct {
	Text *string `json:"text"`
	File *struct {
		URI      string `json:"uri"`
		Name     string `json:"name"`
		MIMEType string `json:"mimeType"`
		Bytes    []byte `json:"bytes"`
	} `json:"file"`
	Data json.RawMessage `json:"data"`

	URL       string `json:"url"`
	Raw       []byte `json:"raw"`
	Filename  string `json:"filename"`
	MediaType string `json:"mediaType"`
}

func appendParts(into []A2APart, parts []wirePart) []A2APart {
	for _, p := range parts {
		switch {
		case p.Text != nil:
			into = append(into, A2APart{Text: *p.Text})
		case p.File != nil:
			into = append(into, A2APart{File: &A2AFile{URI: p.File.URI, Name: p.File.Name, MIMEType: p.File.MIMEType, Bytes: p.File.Bytes}})
		case p.URL != "" || p.Raw != nil:
			into = append(into, A2APart{File: &A2AFile{URI: p.URL, Name: p.Filename, MIMEType: p.MediaType, Bytes: p.Raw}})
		case present(p.Data) != nil:
			into = append(into, A2APart{Data: p.Data})
		default:
			into = append(into, A2APart{})
		}
	}
	return into
}

// present is raw unless that is missing or null.
func present(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}
