package registrytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kvEntry is a value a workspace has stored under a key. An expired one is
// hidden, but still there.
type kvEntry struct {
	value   json.RawMessage
	version int
	expires time.Time // zero is never
	updated time.Time
}

// kvAnswer is a record with a fixed order of keys.
type kvAnswer struct {
	Key       string `json:"key"`
	Value     stored `json:"value"`
	Version   int    `json:"version"`
	ExpiresAt string `json:"expires_at,omitempty"`
	UpdatedAt string `json:"updated_at"`
}

func (e *kvEntry) answer(key string) kvAnswer {
	a := kvAnswer{Key: key, Value: stored(e.value), Version: e.version, UpdatedAt: timestamp(e.updated)}
	if !e.expires.IsZero() {
		a.ExpiresAt = timestamp(e.expires)
	}
	return a
}

func (e *kvEntry) hidden(now time.Time) bool {
	return e == nil || !e.expires.IsZero() && !now.Before(e.expires)
}

// listKV serves GET /workspaces/{id}/memory: by key.
func (p *Platform) listKV(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	entries := []kvAnswer{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for key, e := range w.kv {
			if !e.hidden(x.at) {
				entries = append(entries, e.answer(key))
			}
		}
	}
	p.mu.Unlock()
	slices.SortFunc(entries, func(a, b kvAnswer) int { return strings.Compare(a.Key, b.Key) })
	x.json(http.StatusOK, entries)
}

// getKV serves GET /workspaces/{id}/memory/{key}.
func (p *Platform) getKV(x *exchange, id, key string) {
	if !p.mayCall(x, id) {
		return
	}
	var answer *kvAnswer
	p.mu.Lock()
	if w := p.find(id); w != nil && !w.kv[key].hidden(x.at) {
		a := w.kv[key].answer(key)
		answer = &a
	}
	p.mu.Unlock()
	if answer == nil {
		x.fail(http.StatusNotFound, "key not found")
		return
	}
	x.json(http.StatusOK, answer)
}

// setKV serves POST /workspaces/{id}/memory.
func (p *Platform) setKV(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Key            string          `json:"key"`
		Value          json.RawMessage `json:"value"`
		TTLSeconds     *int            `json:"ttl_seconds"`
		IfMatchVersion *int            `json:"if_match_version"`
	}
	switch {
	case !x.decode(&body):
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case body.Key == "":
		x.fail(http.StatusBadRequest, "key is required")
		return
	case len(body.Value) == 0 || hasNUL(body.Key) || spellsNUL(body.Value):
		x.fail(http.StatusInternalServerError, "failed to set memory")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.find(id)
	if w == nil {
		x.fail(http.StatusInternalServerError, "failed to set memory")
		return
	}
	old := w.kv[body.Key]
	if want := body.IfMatchVersion; want != nil && (old == nil && *want != 0 || old != nil && *want != old.version) {
		refused := map[string]any{"error": "if_match_version mismatch", "expected_version": *want, "current_version": nil}
		if old == nil {
			refused["error"] = "if_match_version mismatch: key does not exist"
		} else {
			refused["current_version"] = old.version
		}
		x.json(http.StatusConflict, refused)
		return
	}
	e := &kvEntry{value: body.Value, version: 1, updated: x.at}
	if old != nil {
		e.version = old.version + 1
	}
	if body.TTLSeconds != nil {
		e.expires = x.at.Add(time.Duration(*body.TTLSeconds) * time.Second)
	}
	if w.kv == nil {
		w.kv = map[string]*kvEntry{}
	}
	w.kv[body.Key] = e
	p.touch()
	x.json(http.StatusOK, map[string]any{"status": "ok", "key": body.Key, "version": e.version})
}

// deleteKV serves DELETE /workspaces/{id}/memory/{key}, whether there is one or
// not.
func (p *Platform) deleteKV(x *exchange, id, key string) {
	if !p.mayCall(x, id) {
		return
	}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		delete(w.kv, key)
		p.touch()
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"status": "deleted"})
}
