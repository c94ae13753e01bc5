package registrytest

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// plugin is an archive and the name that its manifest has.
type plugin struct {
	name    string
	archive []byte
}

// pluginSchemes are where the platform takes plugins from. No transcript has a
// download: the statuses and keys are the platform's, the words of the errors and
// the spelling of the second scheme are guesses.
var pluginSchemes = []string{"github", "local"}

// PutPlugin makes a plugin of the platform's own available to the workspace.
func (w *Workspace) PutPlugin(name string, archive []byte) {
	w.PutPluginFrom("local://"+name, name, archive)
}

// PutPluginFrom makes the plugin that lies at a source available to the workspace.
func (w *Workspace) PutPluginFrom(source, name string, archive []byte) {
	w.change(func(r *row) {
		if r.plugins == nil {
			r.plugins = map[string]plugin{}
		}
		r.plugins[source] = plugin{name, archive}
	})
}

// downloadPlugin serves GET /workspaces/{id}/plugins/{name}/download.
func (p *Platform) downloadPlugin(x *exchange, id, name string) {
	if !p.mayCall(x, id) || !p.mayCallItself(x, id) {
		return
	}
	source := x.r.URL.Query().Get("source")
	if source == "" {
		source = "local://" + name
	}
	scheme, _, _ := strings.Cut(source, "://")
	if !slices.Contains(pluginSchemes, scheme) {
		x.json(http.StatusBadRequest, map[string]any{"error": "unknown plugin source scheme", "available_schemes": pluginSchemes})
		return
	}
	var found plugin
	if w := p.Workspace(id); w != nil {
		found = look(w, func(r *row) plugin { return r.plugins[source] })
	}
	switch {
	case found.archive == nil:
		x.json(http.StatusNotFound, map[string]any{"error": "failed to fetch plugin from " + scheme, "source": source})
		return
	case found.name != name:
		x.json(http.StatusBadRequest, map[string]any{"error": "plugin name mismatch", "resolved_name": found.name, "requested_name": name})
		return
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".tar.gz"}))
	h.Set("Content-Length", strconv.Itoa(len(found.archive)))
	h.Set("X-Plugin-Name", name)
	h.Set("X-Plugin-Source", source)
	_, _ = x.w.Write(found.archive)
}
