package jsonrpc

import (
	"maps"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// This file writes A2A 0.3. In 1.0 the types of package a2a are what goes over
// the wire, but for one (encode10.go).

type part03 struct {
	Kind     string         `json:"kind"`
	Text     *string        `json:"text,omitempty"`
	File     *file03        `json:"file,omitempty"`
	Data     any            `json:"data,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

type file03 struct {
	Bytes    *[]byte `json:"bytes,omitempty"` // base64; an empty file has an empty one
	URI      string  `json:"uri,omitempty"`
	Name     string  `json:"name,omitempty"`
	MIMEType string  `json:"mimeType,omitempty"`
}

type message03 struct {
	Kind           string         `json:"kind"` // "message"
	ID             string         `json:"messageId"`
	Role           string         `json:"role"`
	Parts          []part03       `json:"parts"`
	ContextID      string         `json:"contextId,omitempty"`
	TaskID         a2a.TaskID     `json:"taskId,omitempty"`
	Metadata       map[string]any `json:"metadata,omitempty"`
	Extensions     []string       `json:"extensions,omitempty"`
	ReferenceTasks []a2a.TaskID   `json:"referenceTaskIds,omitempty"`
	Usage          any            `json:"usage,omitempty"`
}

type status03 struct {
	State     string     `json:"state"`
	Message   *message03 `json:"message,omitempty"`
	Timestamp *time.Time `json:"timestamp,omitempty"`
}

type artifact03 struct {
	ID          a2a.ArtifactID `json:"artifactId"`
	Name        string         `json:"name,omitempty"`
	Description string         `json:"description,omitempty"`
	Parts       []part03       `json:"parts"`
	Metadata    map[string]any `json:"metadata,omitempty"`
	Extensions  []string       `json:"extensions,omitempty"`
}

type task03 struct {
	Kind      string         `json:"kind"` // "task"
	ID        a2a.TaskID     `json:"id"`
	ContextID string         `json:"contextId"`
	Status    status03       `json:"status"`
	Artifacts []artifact03   `json:"artifacts,omitempty"`
	History   []*message03   `json:"history,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
	// Usage repeats metadata["usage"] where the platform looks for it, and
	// Parts the status message of a task that has no other text: without it
	// the platform takes the JSON of the whole answer for the text.
	Usage any      `json:"usage,omitempty"`
	Parts []part03 `json:"parts,omitempty"`
}

type statusUpdate03 struct {
	Kind      string         `json:"kind"` // "status-update"
	TaskID    a2a.TaskID     `json:"taskId"`
	ContextID string         `json:"contextId"`
	Status    status03       `json:"status"`
	Final     bool           `json:"final"`
	Metadata  map[string]any `json:"metadata,omitempty"`
}

type artifactUpdate03 struct {
	Kind      string         `json:"kind"` // "artifact-update"
	TaskID    a2a.TaskID     `json:"taskId"`
	ContextID string         `json:"contextId"`
	Artifact  artifact03     `json:"artifact"`
	Append    bool           `json:"append,omitempty"`
	LastChunk bool           `json:"lastChunk,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
}

// encodeEvent is what stands under "result" for an event, or for the answer to
// a message; nil if there is no event, or a nil one.
func encodeEvent(ev a2a.Event, d dialect) any {
	switch {
	case absent(ev):
		return nil
	case d == v10:
		if chunk, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			return encodeArtifactUpdate10(chunk)
		}
		return a2a.StreamResponse{Event: ev}
	}
	switch ev := ev.(type) {
	case *a2a.Message:
		return encodeMessage(ev)
	case *a2a.Task:
		return encodeTask(ev, v03)
	case *a2a.TaskStatusUpdateEvent:
		return &statusUpdate03{
			Kind: "status-update", TaskID: ev.TaskID, ContextID: ev.ContextID, Status: encodeStatus(ev.Status),
			Final: ends(ev.Status.State), Metadata: ev.Metadata,
		}
	case *a2a.TaskArtifactUpdateEvent:
		return &artifactUpdate03{
			Kind: "artifact-update", TaskID: ev.TaskID, ContextID: ev.ContextID, Artifact: encodeArtifact(ev.Artifact),
			Append: ev.Append, LastChunk: ev.LastChunk, Metadata: ev.Metadata,
		}
	}
	return nil
}

// absent reports whether there is no event behind the interface.
func absent(ev a2a.Event) bool {
	switch ev := ev.(type) {
	case *a2a.Message:
		return ev == nil
	case *a2a.Task:
		return ev == nil
	case *a2a.TaskStatusUpdateEvent:
		return ev == nil
	case *a2a.TaskArtifactUpdateEvent:
		return ev == nil
	}
	return true
}

// ends reports whether a stream ends with this state: 0.3 says so in "final".
func ends(s a2a.TaskState) bool { return s.Terminal() || s == a2a.TaskStateInputRequired }

func encodeTask(t *a2a.Task, d dialect) any {
	if d == v10 || t == nil {
		return t
	}
	out := &task03{
		Kind: "task", ID: t.ID, ContextID: t.ContextID, Status: encodeStatus(t.Status),
		Metadata: t.Metadata, Usage: t.Metadata["usage"],
	}
	text := false
	for _, a := range t.Artifacts {
		if a == nil {
			continue
		}
		out.Artifacts = append(out.Artifacts, encodeArtifact(a))
		text = text || slices.ContainsFunc(a.Parts, isText)
	}
	for _, m := range t.History {
		if m != nil {
			out.History = append(out.History, encodeMessage(m))
		}
	}
	if m := out.Status.Message; m != nil && !text {
		out.Parts = m.Parts
	}
	return out
}

func isText(p *a2a.Part) bool {
	if p == nil {
		return false
	}
	_, ok := p.Content.(a2a.Text)
	return ok
}

func encodeMessage(m *a2a.Message) *message03 {
	if m == nil {
		return nil
	}
	role := "agent" // also when it has none: it is the agent that answers
	if m.Role == a2a.MessageRoleUser {
		role = "user"
	}
	return &message03{
		Kind: "message", ID: m.ID, Role: role, Parts: encodeParts(m.Parts), ContextID: m.ContextID, TaskID: m.TaskID,
		Metadata: m.Metadata, Extensions: m.Extensions, ReferenceTasks: m.ReferenceTasks, Usage: m.Metadata["usage"],
	}
}

func encodeStatus(s a2a.TaskStatus) status03 {
	return status03{State: stateName(s.State), Message: encodeMessage(s.Message), Timestamp: s.Timestamp}
}

func stateName(s a2a.TaskState) string {
	switch s {
	case a2a.TaskStateSubmitted:
		return "submitted"
	case a2a.TaskStateWorking:
		return "working"
	case a2a.TaskStateInputRequired:
		return "input-required"
	case a2a.TaskStateAuthRequired:
		return "auth-required"
	case a2a.TaskStateCompleted:
		return "completed"
	case a2a.TaskStateCanceled:
		return "canceled"
	case a2a.TaskStateFailed:
		return "failed"
	case a2a.TaskStateRejected:
		return "rejected"
	}
	return "unknown"
}

func encodeArtifact(a *a2a.Artifact) artifact03 {
	if a == nil {
		return artifact03{Parts: []part03{}}
	}
	return artifact03{
		ID: a.ID, Name: a.Name, Description: a.Description, Parts: encodeParts(a.Parts),
		Metadata: a.Metadata, Extensions: a.Extensions,
	}
}

func encodeParts(parts a2a.ContentParts) []part03 {
	out := make([]part03, 0, len(parts))
	for _, p := range parts {
		if p == nil {
			continue
		}
		switch c := p.Content.(type) {
		case a2a.Text:
			text := string(c)
			out = append(out, part03{Kind: "text", Text: &text, Metadata: p.Metadata})
		case a2a.Raw:
			raw := []byte(c)
			if raw == nil {
				raw = []byte{}
			}
			out = append(out, part03{Kind: "file", File: &file03{Bytes: &raw, Name: p.Filename, MIMEType: p.MediaType}, Metadata: p.Metadata})
		case a2a.URL:
			out = append(out, part03{Kind: "file", File: &file03{URI: string(c), Name: p.Filename, MIMEType: p.MediaType}, Metadata: p.Metadata})
		case a2a.Data:
			data, metadata := wrapData(c.Value, p.Metadata)
			out = append(out, part03{Kind: "data", Data: data, Metadata: metadata})
		}
	}
	return out
}

// wrapData makes an object of data, as 0.3 wants it, in a2a-go's way.
func wrapData(value any, metadata map[string]any) (data, marked map[string]any) {
	if object, ok := value.(map[string]any); ok && object != nil {
		return object, metadata
	}
	marked = make(map[string]any, len(metadata)+1)
	maps.Copy(marked, metadata)
	marked[dataCompat] = true
	return map[string]any{"value": value}, marked
}
