package registrytest

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Memory is one of a workspace's memories as the platform stored it.
type Memory struct {
	ID, Content, Scope, Namespace string
	CreatedAt                     time.Time
}

// Memories are those the workspace has committed, oldest first.
func (w *Workspace) Memories() []Memory {
	return look(w, func(r *row) []Memory { return slices.Clone(r.memories) })
}

// secretPatterns are what the platform takes out of a memory, in its order.
var secretPatterns = []struct {
	label   string
	pattern *regexp.Regexp
}{
	{"API_KEY", regexp.MustCompile(`[A-Za-z0-9_]*API_KEY\s*=\s*\S+`)},
	{"TOKEN", regexp.MustCompile(`[A-Za-z0-9_]*_TOKEN\s*=\s*\S+`)},
	{"SECRET", regexp.MustCompile(`[A-Za-z0-9_]*_SECRET\s*=\s*\S+`)},
	{"BEARER_TOKEN", regexp.MustCompile(`Bearer\s+\S+`)},
	{"SK_TOKEN", regexp.MustCompile(`sk-[A-Za-z0-9_-]{16,}`)},
	{"CTX7_TOKEN", regexp.MustCompile(`ctx7_[A-Za-z0-9]+`)},
	{"BASE64_BLOB", regexp.MustCompile(`[A-Za-z0-9+/]{33,}={0,2}`)},
}

// commitMemory serves POST /workspaces/{id}/memories.
func (p *Platform) commitMemory(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct{ Content, Scope, Namespace string }
	switch ok := x.decode(&body); {
	case !ok || body.Content == "" || body.Scope == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case !slices.Contains([]string{"LOCAL", "TEAM", "GLOBAL"}, body.Scope):
		x.fail(http.StatusBadRequest, "scope must be LOCAL, TEAM, or GLOBAL")
		return
	case len(body.Namespace) > 50:
		x.fail(http.StatusBadRequest, "namespace must be <= 50 characters")
		return
	}
	m := Memory{ID: newUUID(), Content: body.Content, Scope: body.Scope, Namespace: cmp.Or(body.Namespace, "general"), CreatedAt: x.at}
	for _, s := range secretPatterns {
		m.Content = s.pattern.ReplaceAllString(m.Content, "[REDACTED:"+s.label+"]")
	}
	if m.Scope == "GLOBAL" {
		m.Content = strings.ReplaceAll(m.Content, "[MEMORY ", "[_MEMORY ")
	}
	p.mu.Lock()
	w := p.find(id)
	root := w != nil && w.parent == ""
	stored := w != nil && !hasNUL(body.Content, body.Namespace) && (root || m.Scope != "GLOBAL")
	if stored {
		w.memories = append(w.memories, m)
		p.touch()
	}
	p.mu.Unlock()
	switch {
	case stored:
		x.json(http.StatusCreated, map[string]any{"id": m.ID, "scope": m.Scope, "namespace": m.Namespace})
	case m.Scope == "GLOBAL" && !root:
		x.fail(http.StatusForbidden, "only root workspaces can write GLOBAL memories")
	default:
		x.fail(http.StatusInternalServerError, "failed to store memory")
	}
}

// getMemories serves GET /workspaces/{id}/memories.
func (p *Platform) getMemories(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	q := x.r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 49 {
		limit = 50
	}
	type hit struct {
		w    *row
		m    Memory
		rank int
	}
	var hits []hit
	p.mu.Lock()
	if self := p.find(id); self != nil {
		for _, w := range p.inOrder() {
			for _, m := range w.memories {
				if !p.shows(self, w, m, q.Get("scope")) || q.Get("namespace") != "" && m.Namespace != q.Get("namespace") {
					continue
				}
				if rank := matches(m.Content, q.Get("q")); rank > 0 {
					hits = append(hits, hit{w, m, rank})
				}
			}
		}
	}
	p.mu.Unlock()
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), b.m.CreatedAt.Compare(a.m.CreatedAt))
	})
	rows := []map[string]any{}
	for _, h := range hits[:min(len(hits), limit)] {
		content := h.m.Content
		if q.Get("scope") == "GLOBAL" {
			content = "[MEMORY id=" + h.m.ID + " scope=GLOBAL from=" + h.w.id + "]: " + content
		}
		rows = append(rows, map[string]any{
			"id": h.m.ID, "workspace_id": h.w.id, "content": content, "scope": h.m.Scope,
			"namespace": h.m.Namespace, "created_at": timestamp(h.m.CreatedAt),
		})
	}
	x.json(http.StatusOK, rows)
}

// shows reports whether a search by self within scope finds m of w. p.mu is held.
func (p *Platform) shows(self, w *row, m Memory, scope string) bool {
	switch scope {
	case "LOCAL":
		return w == self && m.Scope == scope
	case "TEAM":
		head := cmp.Or(self.parent, self.id)
		return m.Scope == scope && (w.id == head || w.parent == head) && p.kin(self, w)
	case "GLOBAL":
		return m.Scope == scope
	}
	return w == self
}

// matches ranks a text: 0 is no match. One character is looked for anywhere,
// more are whole words, which the double stems with less skill than PostgreSQL.
func matches(text, q string) int {
	q = strings.ToLower(strings.TrimSpace(q))
	if len([]rune(q)) < 2 {
		if strings.Contains(strings.ToLower(text), q) {
			return 1
		}
		return 0
	}
	have := map[string]int{}
	for _, w := range words(text) {
		have[w]++
	}
	wanted, rank := words(q), 0
	for _, w := range wanted {
		if have[w] == 0 {
			return 0
		}
		rank += have[w]
	}
	return rank // 0 too when all were stop words
}

func words(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if slices.Contains([]string{"a", "an", "and", "are", "at", "be", "for", "in", "is", "it", "of", "on", "or", "that", "the", "this", "to", "was", "with"}, w) {
			continue
		}
		for _, ending := range []string{"ing", "ed", "es", "s"} {
			if stem := strings.TrimSuffix(w, ending); stem != w && len(stem) > 2 {
				w = stem
				break
			}
		}
		out = append(out, w)
	}
	return out
}

// deleteMemory serves DELETE /workspaces/{id}/memories/{memory}.
func (p *Platform) deleteMemory(x *exchange, id, memory string) {
	if !p.mayCall(x, id) {
		return
	}
	if !isUUID(memory) {
		x.fail(http.StatusInternalServerError, "delete failed")
		return
	}
	deleted := false
	p.mu.Lock()
	if w := p.find(id); w != nil {
		n := len(w.memories)
		w.memories = slices.DeleteFunc(w.memories, func(m Memory) bool { return m.ID == memory })
		deleted = len(w.memories) < n
		p.touch()
	}
	p.mu.Unlock()
	if !deleted {
		x.fail(http.StatusNotFound, "memory not found or not owned by this workspace")
		return
	}
	x.json(http.StatusOK, map[string]any{"status": "deleted"})
}
