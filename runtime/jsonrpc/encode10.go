package jsonrpc

import "github.com/a2aproject/a2a-go/v2/a2a"

// In 1.0 the types of package a2a are what goes over the wire, and write
// themselves. They do so layer by layer, each one encoding what the one below
// has encoded already. For the event that comes by the thousand, a chunk of an
// artifact, this file has the same in one piece, at less than half of the cost.

type artifactUpdate10 struct {
	ArtifactUpdate struct {
		Append    bool           `json:"append,omitempty"`
		Artifact  artifact10     `json:"artifact"`
		ContextID string         `json:"contextId"`
		LastChunk bool           `json:"lastChunk,omitempty"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	} `json:"artifactUpdate"`
}

type artifact10 struct {
	ID          a2a.ArtifactID `json:"artifactId"`
	Description string         `json:"description,omitempty"`
	Extensions  []string       `json:"extensions,omitempty"`
	Metadata    map[string]any `json:"metadata,omitempty"`
	Name        string         `json:"name,omitempty"`
	Parts       []part10       `json:"parts"`
}

type part10 struct {
	Text      *a2a.Text      `json:"text,omitempty"`
	Raw       *a2a.Raw       `json:"raw,omitempty"`
	Data      *any           `json:"data,omitempty"`
	URL       a2a.URL        `json:"url,omitempty"`
	Filename  string         `json:"filename,omitempty"`
	MediaType string         `json:"mediaType,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
}

// encodeArtifactUpdate10 is a chunk of an artifact as it stands under "result".
func encodeArtifactUpdate10(ev *a2a.TaskArtifactUpdateEvent) *artifactUpdate10 {
	out := new(artifactUpdate10)
	u := &out.ArtifactUpdate
	u.Append, u.ContextID, u.LastChunk, u.TaskID, u.Metadata = ev.Append, ev.ContextID, ev.LastChunk, ev.TaskID, ev.Metadata
	a := ev.Artifact
	if a == nil {
		u.Artifact.Parts = []part10{}
		return out
	}
	u.Artifact = artifact10{
		ID: a.ID, Description: a.Description, Extensions: a.Extensions, Metadata: a.Metadata, Name: a.Name,
		Parts: make([]part10, 0, len(a.Parts)),
	}
	for _, p := range a.Parts {
		if p == nil {
			continue
		}
		part := part10{Filename: p.Filename, MediaType: p.MediaType, Metadata: p.Metadata}
		switch c := p.Content.(type) {
		case a2a.Text:
			part.Text = &c
		case a2a.Raw:
			part.Raw = &c
		case a2a.URL:
			part.URL = c
		case a2a.Data:
			part.Data = &c.Value
		default:
			continue // nothing that a reader could make sense of
		}
		u.Artifact.Parts = append(u.Artifact.Parts, part)
	}
	return out
}
