package registrytest

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// secretValue is a secret of a workspace, or of all.
type secretValue struct {
	value         string
	made, changed time.Time
}

// SetGlobalSecret sets a secret that every workspace has unless it has its own
// of that key; "" removes it.
func (p *Platform) SetGlobalSecret(key, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	setSecret(&p.secrets, key, value, time.Now())
}

// SetSecret sets a secret of the workspace; "" removes it. The double restarts
// nothing for that.
func (w *Workspace) SetSecret(key, value string) {
	w.change(func(r *row) { setSecret(&r.secrets, key, value, time.Now()) })
}

func setSecret(secrets *map[string]secretValue, key, value string, at time.Time) {
	if value == "" {
		delete(*secrets, key)
		return
	}
	if *secrets == nil {
		*secrets = map[string]secretValue{}
	}
	made := at
	if old, ok := (*secrets)[key]; ok {
		made = old.made
	}
	(*secrets)[key] = secretValue{value: value, made: made, changed: at}
}

// listSecrets serves GET /workspaces/{id}/secrets.
func (p *Platform) listSecrets(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	list := []map[string]any{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		add := func(scope string, secrets map[string]secretValue, but map[string]secretValue) {
			for _, key := range slices.Sorted(maps.Keys(secrets)) {
				if _, hidden := but[key]; hidden {
					continue
				}
				s := secrets[key]
				list = append(list, map[string]any{
					"key": key, "has_value": true, "scope": scope, "created_at": timestamp(s.made), "updated_at": timestamp(s.changed),
				})
			}
		}
		add("workspace", w.secrets, nil)
		add("global", p.secrets, w.secrets)
	}
	p.mu.Unlock()
	x.json(http.StatusOK, list)
}

// secretValues serves GET /workspaces/{id}/secrets/values.
func (p *Platform) secretValues(x *exchange, id string) {
	if !p.mayCall(x, id) || !p.mayCallItself(x, id) {
		return
	}
	values := map[string]any{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, secrets := range []map[string]secretValue{p.secrets, w.secrets} {
			for key, s := range secrets {
				values[key] = s.value
			}
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, values)
}

// mayCallItself is the second check of some routes, which the operator's token
// does not pass.
func (p *Platform) mayCallItself(x *exchange, id string) bool {
	p.mu.Lock()
	w := p.find(id)
	good := w == nil || w.liveTokens() == 0 || w.accepts(id, x.bearer())
	p.mu.Unlock()
	if !good {
		x.fail(http.StatusUnauthorized, "invalid workspace auth token")
	}
	return good
}

// putSecret serves POST and PUT /workspaces/{id}/secrets.
func (p *Platform) putSecret(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct{ Key, Value string }
	if !x.decode(&body) || body.Key == "" || body.Value == "" {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	if w := p.Workspace(id); w != nil {
		w.SetSecret(body.Key, body.Value)
	}
	x.json(http.StatusOK, map[string]any{"status": "saved", "key": body.Key})
}

// deleteSecret serves DELETE /workspaces/{id}/secrets/{key}.
func (p *Platform) deleteSecret(x *exchange, id, key string) {
	if !p.mayCall(x, id) {
		return
	}
	had := false
	if w := p.Workspace(id); w != nil {
		w.change(func(r *row) {
			_, had = r.secrets[key]
			delete(r.secrets, key)
		})
	}
	if !had {
		x.fail(http.StatusNotFound, "secret not found")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": "deleted", "key": key})
}
