package task

import (
	"errors"
	"fmt"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// freezeParts copies parts so that they stay what they are, and finds what
// would break the answer when it is too late: once a part is written it is in
// every snapshot of the task.
func freezeParts(parts []*a2a.Part) (a2a.ContentParts, error) {
	own := make(a2a.ContentParts, len(parts))
	for i, p := range parts {
		var err error
		if own[i], err = freezePart(p); err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i+1, len(parts), err)
		}
	}
	return own, nil
}

func freezePart(p *a2a.Part) (*a2a.Part, error) {
	if p == nil {
		return nil, errors.New("it is nil")
	}
	own := *p
	switch c := p.Content.(type) {
	case nil:
		return nil, errors.New("it has no content: make it with a2a.NewTextPart, NewRawPart, NewFileURLPart or NewDataPart")
	case a2a.Text:
		own.Content = a2a.Text(strings.ToValidUTF8(string(c), "\uFFFD"))
	case a2a.URL:
		if c == "" {
			return nil, errors.New("its URL is empty")
		}
	case a2a.Data:
		v, err := freezeValue(c.Value)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, errors.New("its data is null, which readers take for no content")
		}
		own.Content = a2a.Data{Value: v}
	}
	var err error
	own.Metadata, err = freezeMap(p.Metadata)
	return &own, err
}

func freezeMap(m map[string]any) (map[string]any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	v, err := freezeValue(m)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

// freezeValue takes a value the way of JSON: into the types a decoder makes,
// numbers as they are written. A map that its owner goes on writing to would
// otherwise end the whole process when it is encoded.
func freezeValue(v any) (any, error) {
	text, err := storeValue(v)
	if err != nil {
		return nil, err
	}
	return decodeValue(text)
}
