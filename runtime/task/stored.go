package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The types of this file are how events are written down. They are not those
// of package a2a, so that another version of it cannot change what an older
// journal means, and numbers keep every digit.

type storedMessage struct {
	ID             string          `json:"id"`
	Role           string          `json:"role"`
	Parts          []storedPart    `json:"parts,omitempty"`
	Metadata       json.RawMessage `json:"meta,omitempty"`
	Extensions     []string        `json:"ext,omitempty"`
	ReferenceTasks []a2a.TaskID    `json:"ref,omitempty"`
}

// storedPart has one of the first four fields.
type storedPart struct {
	Text      *string         `json:"text,omitempty"`
	Raw       *[]byte         `json:"raw,omitempty"`
	URL       *string         `json:"url,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Filename  string          `json:"name,omitempty"`
	MediaType string          `json:"type,omitempty"`
	Metadata  json.RawMessage `json:"meta,omitempty"`
}

type storedArtifact struct {
	ID          a2a.ArtifactID  `json:"id"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"desc,omitempty"`
	Parts       []storedPart    `json:"parts"`
	Metadata    json.RawMessage `json:"meta,omitempty"`
	Extensions  []string        `json:"ext,omitempty"`
}

// storedStatus is a change of status and, when a message of the caller brought
// it about, that message.
type storedStatus struct {
	State    string          `json:"state"`
	At       int64           `json:"at"` // Unix milliseconds
	Message  *storedMessage  `json:"message,omitempty"`
	Metadata json.RawMessage `json:"meta,omitempty"`
	Input    *storedInput    `json:"input,omitempty"`
}

// storedInput is a message of the caller and what came beside it.
type storedInput struct {
	Message  storedMessage   `json:"message"`
	Metadata json.RawMessage `json:"meta,omitempty"`
}

// storedCounts is what a turn has counted so far.
type storedCounts struct {
	Input  int64           `json:"in,omitempty"`
	Output int64           `json:"out,omitempty"`
	Trace  json.RawMessage `json:"trace,omitempty"`
}

func storeMessage(m *a2a.Message) (s storedMessage, err error) {
	s = storedMessage{ID: m.ID, Role: string(m.Role), Extensions: m.Extensions, ReferenceTasks: m.ReferenceTasks}
	if s.Parts, err = storeParts(m.Parts); err != nil {
		return s, err
	}
	s.Metadata, err = storeMap(m.Metadata)
	return s, err
}

func (s *storedMessage) message(info a2a.TaskInfo) (*a2a.Message, error) {
	m := &a2a.Message{
		ID: s.ID, Role: a2a.MessageRole(s.Role), Extensions: s.Extensions, ReferenceTasks: s.ReferenceTasks,
		TaskID: info.TaskID, ContextID: info.ContextID,
	}
	var err error
	if m.Parts, err = loadParts(s.Parts); err != nil {
		return nil, err
	}
	m.Metadata, err = loadMap(s.Metadata)
	return m, err
}

func storeParts(parts []*a2a.Part) ([]storedPart, error) {
	out := make([]storedPart, len(parts))
	for i, p := range parts {
		s := &out[i]
		s.Filename, s.MediaType = p.Filename, p.MediaType
		var err error
		if s.Metadata, err = storeMap(p.Metadata); err != nil {
			return nil, err
		}
		switch c := p.Content.(type) {
		case a2a.Text:
			s.Text = (*string)(&c)
		case a2a.Raw:
			raw := []byte(c)
			if raw == nil {
				raw = []byte{} // null would read as no content
			}
			s.Raw = &raw
		case a2a.URL:
			s.URL = (*string)(&c)
		case a2a.Data:
			if s.Data, err = storeValue(c.Value); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("a part has content of type %T", p.Content)
		}
	}
	return out, nil
}

func loadParts(stored []storedPart) (a2a.ContentParts, error) {
	parts := make(a2a.ContentParts, len(stored))
	for i := range stored {
		s := &stored[i]
		p := &a2a.Part{Filename: s.Filename, MediaType: s.MediaType}
		var err error
		if p.Metadata, err = loadMap(s.Metadata); err != nil {
			return nil, err
		}
		switch {
		case s.Text != nil:
			p.Content = a2a.Text(*s.Text)
		case s.Raw != nil:
			p.Content = a2a.Raw(*s.Raw)
		case s.URL != nil:
			p.Content = a2a.URL(*s.URL)
		case s.Data != nil:
			v, err := decodeValue(s.Data)
			if err != nil {
				return nil, err
			}
			p.Content = a2a.Data{Value: v}
		default:
			return nil, errors.New("a part has no content")
		}
		parts[i] = p
	}
	return parts, nil
}

func storeArtifact(a *a2a.Artifact) (s storedArtifact, err error) {
	s = storedArtifact{ID: a.ID, Name: a.Name, Description: a.Description, Extensions: a.Extensions}
	if s.Parts, err = storeParts(a.Parts); err != nil {
		return s, err
	}
	s.Metadata, err = storeMap(a.Metadata)
	return s, err
}

func (s *storedArtifact) artifact() (*a2a.Artifact, error) {
	a := &a2a.Artifact{ID: s.ID, Name: s.Name, Description: s.Description, Extensions: s.Extensions}
	var err error
	if a.Parts, err = loadParts(s.Parts); err != nil {
		return nil, err
	}
	a.Metadata, err = loadMap(s.Metadata)
	return a, err
}

func storeInput(in *input) (*storedInput, error) {
	m, err := storeMessage(in.message)
	if err != nil {
		return nil, err
	}
	s := &storedInput{Message: m}
	s.Metadata, err = storeMap(in.metadata)
	return s, err
}

func (s *storedInput) input(info a2a.TaskInfo) (*input, error) {
	m, err := s.Message.message(info)
	if err != nil {
		return nil, err
	}
	metadata, err := loadMap(s.Metadata)
	return &input{message: m, metadata: metadata}, err
}

// maxNesting is how deep a value may be nested. What is deeper than 10,000 can be
// written with encoding/json but not be read again, and around a value there is
// more, here and on the way to the caller.
const maxNesting = 1000

func storeValue(v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if deeper(text, maxNesting) {
		return nil, fmt.Errorf("it is nested deeper than %d levels", maxNesting)
	}
	return text, nil
}

// deeper reports whether the values in a JSON text are nested deeper than most.
func deeper(text []byte, most int) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}

func storeMap(m map[string]any) (json.RawMessage, error) {
	if len(m) == 0 {
		return nil, nil
	}
	return storeValue(m)
}

func storeTrace(trace []any) (json.RawMessage, error) {
	if len(trace) == 0 {
		return nil, nil
	}
	return json.Marshal(trace)
}

func loadMap(raw json.RawMessage) (map[string]any, error) {
	if raw == nil {
		return nil, nil
	}
	v, err := decodeValue(raw)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata is %T", v)
	}
	return m, nil
}

// decodeValue reads JSON into the types that freezeValue makes.
func decodeValue(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// moment is a time as it is stored.
func moment(ms int64) *time.Time {
	at := time.UnixMilli(ms).UTC()
	return &at
}
