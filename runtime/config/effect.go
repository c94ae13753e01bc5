package config

import (
	"maps"
	"reflect"
	"slices"
)

// withoutEffect lists what a file may ask of the library and the library does
// not do, and says whether this one does ask. The author is warned of it: a rule
// that nobody enforces must not look like one that holds. What equals the default
// asks for nothing. A key that gets its effect leaves this table, and loses its
// star in the package comment.
func withoutEffect(c *Config) map[string]bool {
	d := Default()
	return map[string]bool{
		"initial_prompt":      c.InitialPrompt != d.InitialPrompt,
		"initial_prompt_file": c.InitialPromptFile != d.InitialPromptFile,
		"idle_prompt":         c.IdlePrompt != d.IdlePrompt,
		"idle_prompt_file":    c.IdlePromptFile != d.IdlePromptFile,
		"a2a.streaming":       !c.A2A.Streaming,
		"plugins":             len(c.Plugins) > 0,
		"delegation.escalate": !c.Delegation.Escalate,
		"sandbox":             c.Sandbox != d.Sandbox,
		"hitl.channels":       !c.HITL.asksOnDashboard(),
		"hitl.bypass_roles":   len(c.HITL.BypassRoles) > 0,
		"governance":          !reflect.DeepEqual(c.Governance, d.Governance),
		"security_scan":       c.SecurityScan != d.SecurityScan,
		"compliance":          c.Compliance != d.Compliance,
		"sub_workspaces":      len(c.SubWorkspaces) > 0,
	}
}

// warnWithoutEffect warns of those keys.
func (c *Config) warnWithoutEffect(r *reader) {
	unheard := withoutEffect(c)
	for _, key := range slices.Sorted(maps.Keys(unheard)) {
		if unheard[key] {
			r.warnOf(key, "nothing in this version of the library acts on it; it is only passed on to the adapter", "see whether the adapter honours it, or remove it")
		}
	}
}

// asksOnDashboard reports whether people are asked where the platform asks them.
func (h HITL) asksOnDashboard() bool {
	return len(h.Channels) == 1 && h.Channels[0].Type == Default().HITL.Channels[0].Type
}
