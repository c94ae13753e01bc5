package task

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// TestSizeSeesWhatIsLarge puts a hundred thousand bytes wherever a caller or an
// agent can put them.
func TestSizeSeesWhatIsLarge(t *testing.T) {
	const large = 100_000
	text := strings.Repeat("x", large)
	part := func(c a2a.PartContent) *a2a.Message { return &a2a.Message{Parts: a2a.ContentParts{{Content: c}}} }
	var list []any
	for range large / valueOverhead {
		list = append(list, nil)
	}
	for name, m := range map[string]*a2a.Message{
		"text":          part(a2a.Text(text)),
		"raw":           part(a2a.Raw(text)),
		"url":           part(a2a.URL(text)),
		"data":          part(a2a.Data{Value: map[string]any{"list": []any{text}}}),
		"data, a key":   part(a2a.Data{Value: map[string]any{text: true}}),
		"data, a list":  part(a2a.Data{Value: list}),
		"data, bytes":   part(a2a.Data{Value: []byte(text)}),
		"data, number":  part(a2a.Data{Value: json.Number(text)}),
		"filename":      {Parts: a2a.ContentParts{{Filename: text}}},
		"media type":    {Parts: a2a.ContentParts{{MediaType: text}}},
		"part metadata": {Parts: a2a.ContentParts{{Metadata: map[string]any{"k": text}}}},
		"metadata":      {Metadata: map[string]any{"k": text}},
		"id":            {ID: text},
		"context id":    {ContextID: text},
	} {
		if n := sizeOfMessage(m); n < large*9/10 || n > 2*large {
			t.Errorf("%s: %d bytes, want about %d", name, n, large)
		}
	}
}

// A caller chooses these fields, so they count.
func TestEverythingACallerSendsCounts(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	for name, m := range map[string]*a2a.Message{
		"extensions":      {Extensions: []string{big}},
		"reference tasks": {ReferenceTasks: []a2a.TaskID{a2a.TaskID(big)}},
		"metadata":        {Metadata: map[string]any{"k": big}},
		"parts":           {Parts: a2a.ContentParts{a2a.NewTextPart(big)}},
	} {
		if got := sizeOfMessage(m); got < 1<<20 {
			t.Errorf("%s: %d bytes", name, got)
		}
	}
}
