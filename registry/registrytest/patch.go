package registrytest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// patchWorkspace serves PATCH /workspaces/{id}. What is absent stays.
func (p *Platform) patchWorkspace(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Name, Role, Runtime *string
		Tier                *int
		ParentID            json.RawMessage `json:"parent_id"`
		Collapsed           *bool
		X, Y                *float64
	}
	if !x.decode(&body) || unfit(body.Name, 255) || unfit(body.Role, 1000) || unfit(body.Runtime, 100) {
		x.fail(http.StatusBadRequest, "invalid workspace fields")
		return
	}
	p.mu.Lock()
	w := p.find(id)
	if w != nil {
		set(&w.name, body.Name)
		set(&w.role, body.Role)
		set(&w.runtime, body.Runtime)
		set(&w.tier, body.Tier)
		set(&w.collapsed, body.Collapsed)
		set(&w.x, body.X)
		set(&w.y, body.Y)
		if len(body.ParentID) > 0 {
			var parent string
			_ = json.Unmarshal(body.ParentID, &parent) // null is none
			w.parent = strings.ToLower(parent)
		}
		p.touch()
	}
	p.mu.Unlock()
	if w == nil {
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	answer := map[string]any{"status": "updated"}
	if body.Runtime != nil {
		answer["needs_restart"] = true
	}
	x.json(http.StatusOK, answer)
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// unfit is what the platform refuses in a name, a role or a runtime.
func unfit(text *string, most int) bool {
	return text != nil && (len(*text) > most || strings.ContainsAny(*text, "\r\n\x00{}[]|>*&!"))
}
