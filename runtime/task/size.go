package task

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// What a task holds is estimated, not measured: the bound is there so that a
// thousand large replies do not fill the memory, and a factor of two does not
// matter for that.
const (
	taskOverhead  = 2 << 10 // a task with an empty message and an empty reply
	recordSize    = 32      // one event of text, beside its text
	valueOverhead = 64      // a part, a map entry, a list entry
)

func sizeOfMessage(m *a2a.Message) int64 {
	n := len(m.ID) + len(m.ContextID)
	for _, e := range m.Extensions {
		n += valueOverhead + len(e)
	}
	for _, id := range m.ReferenceTasks {
		n += valueOverhead + len(id)
	}
	return int64(n) + sizeOfParts(m.Parts) + sizeOfValue(m.Metadata)
}

func sizeOfParts(parts []*a2a.Part) int64 {
	var n int64
	for _, p := range parts {
		n += sizeOfPart(p)
	}
	return n
}

func sizeOfArtifact(a *a2a.Artifact) int64 {
	return int64(len(a.ID)+len(a.Name)+len(a.Description)) + sizeOfParts(a.Parts) + sizeOfValue(a.Metadata)
}

func sizeOfPart(p *a2a.Part) int64 {
	n := int64(2*valueOverhead+len(p.Filename)+len(p.MediaType)) + sizeOfValue(p.Metadata)
	switch c := p.Content.(type) {
	case a2a.Text:
		n += int64(len(c))
	case a2a.Raw:
		n += int64(len(c))
	case a2a.URL:
		n += int64(len(c))
	case a2a.Data:
		n += sizeOfValue(c.Value)
	}
	return n
}

// sizeOfValue knows the types JSON decodes into. The depth is bounded by
// whoever decoded it.
func sizeOfValue(v any) int64 {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return int64(len(v))
	case json.Number:
		return int64(len(v))
	case []byte:
		return int64(len(v))
	case map[string]any:
		var n int64
		for k, e := range v {
			n += valueOverhead + int64(len(k)) + sizeOfValue(e)
		}
		return n
	case []any:
		var n int64
		for _, e := range v {
			n += valueOverhead + sizeOfValue(e)
		}
		return n
	}
	return valueOverhead
}
