package registrytest

import (
	"cmp"
	"net/http"
	"slices"
)

// instruction is a rule for agents.
type instruction struct {
	id, target, title, content string // target is a workspace, "" is all
	priority                   int
}

// AddInstruction gives every workspace's agent a rule.
func (p *Platform) AddInstruction(title, content string, priority int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, instruction{id: newUUID(), title: title, content: content, priority: priority})
}

// AddInstruction gives the workspace's agent a rule.
func (w *Workspace) AddInstruction(title, content string, priority int) {
	w.change(func(r *row) {
		r.p.rules = append(r.p.rules, instruction{id: newUUID(), target: r.id, title: title, content: content, priority: priority})
	})
}

// getInstructions serves GET /workspaces/{id}/instructions/resolve.
func (p *Platform) getInstructions(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	p.mu.Lock()
	text := ""
	for target, head := range map[string]string{"": "Platform-Wide Rules", id: "Role-Specific Rules"} {
		var rules []instruction
		for _, r := range p.rules {
			if r.target == target {
				rules = append(rules, r)
			}
		}
		slices.SortStableFunc(rules, func(a, b instruction) int { return cmp.Compare(b.priority, a.priority) })
		section := ""
		for i, r := range rules {
			if i == 0 {
				section = "\n## " + head + "\n\n"
			}
			section += "### " + r.title + "\n" + r.content + "\n\n"
		}
		if target == "" {
			text = section + text
		} else {
			text += section
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"instructions": text, "workspace_id": id})
}

// getSharedContext serves GET /workspaces/{id}/shared-context, which finds
// nothing, as where workspaces are containers.
func (p *Platform) getSharedContext(x *exchange, id string) {
	if p.mayCall(x, id) {
		x.json(http.StatusOK, []any{})
	}
}

// getGitHubToken serves GET /workspaces/{id}/github-installation-token of a
// platform without a GitHub App.
func (p *Platform) getGitHubToken(x *exchange, id string) {
	if p.mayCall(x, id) {
		x.fail(http.StatusInternalServerError, "token refresh failed")
	}
}
