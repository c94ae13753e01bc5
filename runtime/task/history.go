package task

import (
	"encoding/base64"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// decodeHistory finds the conversation so far in what came with a message. The
// platform's canvas sends params.metadata.history, a list of
// {role, parts:[{kind:"text", text}]}; some callers put it into the message's
// metadata. It is advice from outside: nothing in it can fail a turn, and what
// is not understood is left out.
func decodeHistory(params, message map[string]any) []*a2a.Message {
	for _, metadata := range []map[string]any{params, message} {
		entries, _ := metadata["history"].([]any)
		var history []*a2a.Message
		for _, e := range entries {
			if m := decodeEntry(e); m != nil {
				history = append(history, m)
			}
		}
		if history != nil {
			return history
		}
	}
	return nil
}

// decodeEntry returns nil for an entry without a part that means something.
func decodeEntry(entry any) *a2a.Message {
	fields, _ := entry.(map[string]any)
	list, _ := fields["parts"].([]any)
	m := &a2a.Message{Role: a2a.MessageRoleAgent}
	if role := fields["role"]; role == "user" || role == string(a2a.MessageRoleUser) {
		m.Role = a2a.MessageRoleUser // everybody else counts as the agent
	}
	for _, p := range list {
		if part := decodePart(p); part != nil {
			m.Parts = append(m.Parts, part)
		}
	}
	if len(m.Parts) == 0 {
		return nil
	}
	m.ID, _ = fields["messageId"].(string)
	m.ContextID, _ = fields["contextId"].(string)
	if id, ok := fields["taskId"].(string); ok {
		m.TaskID = a2a.TaskID(id)
	}
	m.Metadata, _ = fields["metadata"].(map[string]any)
	return m
}

// decodePart reads parts of 0.3 (kind or type beside text, file or data), of
// 1.0 (text, url, raw or data), and the older ones wrapped into "root". The
// keys tell them apart; the kind need not be there.
func decodePart(part any) *a2a.Part {
	fields, _ := part.(map[string]any)
	if root, ok := fields["root"].(map[string]any); ok {
		fields = root
	}
	str := func(m map[string]any, keys ...string) string {
		for _, key := range keys {
			if s, ok := m[key].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	p := &a2a.Part{}
	p.Metadata, _ = fields["metadata"].(map[string]any)
	if text := str(fields, "text"); text != "" {
		p.Content = a2a.Text(text)
		p.MediaType = str(fields, "mediaType")
		return p
	}
	if data, ok := fields["data"]; ok && data != nil {
		p.Content = a2a.Data{Value: data}
		p.MediaType = str(fields, "mediaType")
		return p
	}
	file := fields
	if nested, ok := fields["file"].(map[string]any); ok {
		file = nested
	}
	p.Filename = str(file, "name", "filename")
	p.MediaType = str(file, "mimeType", "mediaType")
	if url := str(file, "uri", "url"); url != "" {
		p.Content = a2a.URL(url)
		return p
	}
	if raw, err := base64.StdEncoding.DecodeString(str(file, "bytes", "raw")); err == nil && len(raw) > 0 {
		p.Content = a2a.Raw(raw)
		return p
	}
	return nil
}
