package jsonrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// This file reads messages of both dialects with one set of types: callers mix
// them. The platform itself sends parts keyed by "kind", by "type", and by
// neither.

type messageIn struct {
	ID             string         `json:"messageId"`
	ContextID      string         `json:"contextId"`
	TaskID         a2a.TaskID     `json:"taskId"`
	Role           string         `json:"role"`
	Parts          []*partIn      `json:"parts"`
	Metadata       map[string]any `json:"metadata"`
	Extensions     []string       `json:"extensions"`
	ReferenceTasks []a2a.TaskID   `json:"referenceTaskIds"`
}

type partIn struct {
	Kind string `json:"kind"`
	Type string `json:"type"`

	Text *string         `json:"text"`
	Data json.RawMessage `json:"data"`
	Raw  *string         `json:"raw"`  // 1.0: base64
	URL  *string         `json:"url"`  // 1.0
	File *fileIn         `json:"file"` // 0.3

	Filename  string         `json:"filename"`
	MediaType string         `json:"mediaType"`
	Metadata  map[string]any `json:"metadata"`
}

type fileIn struct {
	Bytes    *string `json:"bytes"` // base64
	URI      *string `json:"uri"`
	Name     string  `json:"name"`
	MIMEType string  `json:"mimeType"`
}

type sendIn struct {
	Tenant        string         `json:"tenant"`
	Message       *messageIn     `json:"message"`
	Metadata      map[string]any `json:"metadata"`
	Configuration *struct {
		AcceptedOutputModes []string `json:"acceptedOutputModes"`
		HistoryLength       *int     `json:"historyLength"`

		Blocking *bool         `json:"blocking"`               // 0.3
		Push03   *pushConfig03 `json:"pushNotificationConfig"` // 0.3

		ReturnImmediately bool            `json:"returnImmediately"`          // 1.0
		Push10            *a2a.PushConfig `json:"taskPushNotificationConfig"` // 1.0
	} `json:"configuration"`
}

// decodeSend reads the parameters of the methods that send a message.
func decodeSend(params json.RawMessage, d dialect) (*a2a.SendMessageRequest, error) {
	var in sendIn
	if err := decodeParams(params, &in); err != nil {
		return nil, err
	}
	if in.Message == nil {
		return nil, invalidParams("params.message is missing")
	}
	message, err := in.Message.message(d)
	if err != nil {
		return nil, err
	}
	req := &a2a.SendMessageRequest{Tenant: in.Tenant, Message: message, Metadata: in.Metadata}
	c := in.Configuration
	if c == nil {
		return req, nil
	}
	if c.HistoryLength != nil && *c.HistoryLength < 0 {
		return nil, invalidParams("params.configuration.historyLength is negative")
	}
	req.Config = &a2a.SendMessageConfig{AcceptedOutputModes: c.AcceptedOutputModes, HistoryLength: c.HistoryLength}
	if d == v03 {
		req.Config.ReturnImmediately = c.Blocking != nil && !*c.Blocking
		if c.Push03 != nil {
			req.Config.PushConfig = c.Push03.internal(message.TaskID)
		}
	} else {
		req.Config.ReturnImmediately, req.Config.PushConfig = c.ReturnImmediately, c.Push10
	}
	return req, nil
}

func (m *messageIn) message(d dialect) (*a2a.Message, error) {
	out := &a2a.Message{
		ID: m.ID, ContextID: m.ContextID, TaskID: m.TaskID, Metadata: m.Metadata,
		Extensions: m.Extensions, ReferenceTasks: m.ReferenceTasks,
	}
	if out.ID == "" {
		out.ID = a2a.NewMessageID()
	}
	role, ok := roles[d][m.Role]
	if !ok {
		return nil, invalidParams("params.message.role is not one of " + roleNames[d])
	}
	out.Role = role
	if len(m.Parts) == 0 {
		return nil, invalidParams("params.message.parts is missing or empty")
	}
	out.Parts = make(a2a.ContentParts, 0, len(m.Parts))
	for i, p := range m.Parts {
		part, problem := p.part()
		if problem != "" {
			return nil, invalidParams(fmt.Sprintf("params.message.parts[%d] %s", i, problem))
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

// roles are the spellings of a role; none at all means the user.
var roles = [...]map[string]a2a.MessageRole{
	v03: {"": a2a.MessageRoleUser, "user": a2a.MessageRoleUser, "agent": a2a.MessageRoleAgent},
	v10: {"": a2a.MessageRoleUser, "ROLE_UNSPECIFIED": a2a.MessageRoleUser, "ROLE_USER": a2a.MessageRoleUser, "ROLE_AGENT": a2a.MessageRoleAgent},
}

var roleNames = [...]string{v03: `"user" and "agent"`, v10: `"ROLE_USER" and "ROLE_AGENT"`}

// part makes one part, or says what is wrong with it. What a part has says what
// it is, whatever its kind or type says: a text is a text.
func (p *partIn) part() (part *a2a.Part, problem string) {
	if p == nil {
		return nil, "is null"
	}
	out := &a2a.Part{Filename: p.Filename, MediaType: p.MediaType, Metadata: p.Metadata}
	hasURL := p.URL != nil && *p.URL != "" // an empty one is none, as in the Go client
	hasData := len(p.Data) > 0 && (!bytes.Equal(p.Data, null) || p.Kind == "data" || p.Type == "data")
	switch n := count(p.Text != nil, p.Raw != nil, hasURL, hasData, p.File != nil); {
	case n == 0:
		return nil, "has none of text, raw, url, data and file"
	case n > 1: // to choose one would lose the others without a word
		return nil, "has more than one of text, raw, url, data and file"
	case p.Text != nil:
		out.Content = a2a.Text(*p.Text)
	case p.Raw != nil:
		raw, err := base64.StdEncoding.DecodeString(*p.Raw)
		if err != nil {
			return nil, "has a raw that is not base64"
		}
		out.Content = a2a.Raw(raw)
	case hasURL:
		out.Content = a2a.URL(*p.URL)
	case hasData:
		var value any
		if json.Unmarshal(p.Data, &value) != nil {
			return nil, "has data that cannot be read"
		}
		out.Content, out.Metadata = unwrapData(value, p.Metadata)
	default:
		return p.File.part(out)
	}
	return out, ""
}

// dataCompat is the key of a part's metadata by which a2a-go marks data that is
// no object: 0.3 has only objects there, so it is wrapped as {"value": data}.
const dataCompat = "data_part_compat"

// unwrapData undoes wrapData.
func unwrapData(value any, metadata map[string]any) (a2a.Data, map[string]any) {
	wrapped, ok := value.(map[string]any)
	if marked, _ := metadata[dataCompat].(bool); !ok || !marked {
		return a2a.Data{Value: value}, metadata
	}
	delete(metadata, dataCompat)
	if len(metadata) == 0 {
		metadata = nil
	}
	return a2a.Data{Value: wrapped["value"]}, metadata
}

func (f *fileIn) part(out *a2a.Part) (*a2a.Part, string) {
	if f.Name != "" {
		out.Filename = f.Name
	}
	if f.MIMEType != "" {
		out.MediaType = f.MIMEType
	}
	hasURI := f.URI != nil && *f.URI != ""
	switch {
	case f.Bytes != nil && !hasURI:
		raw, err := base64.StdEncoding.DecodeString(*f.Bytes)
		if err != nil {
			return nil, "has file.bytes that are not base64"
		}
		out.Content = a2a.Raw(raw)
	case hasURI && f.Bytes == nil:
		out.Content = a2a.URL(*f.URI)
	default:
		return nil, "needs exactly one of file.bytes and file.uri"
	}
	return out, ""
}

func count(conditions ...bool) int {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
