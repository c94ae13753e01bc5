package config

import (
	"maps"
	"reflect"
	"slices"
)

// withoutEffect warns of what the file asks of the library and the library does
// not do: a rule that nobody enforces must not look like one that holds. What
// equals the default asks for nothing. When a key gets its effect, it leaves
// this table.
func (c *Config) withoutEffect(r *reader) {
	d := Default()
	unheard := map[string]bool{
		"initial_prompt":      c.InitialPrompt != d.InitialPrompt,
		"initial_prompt_file": c.InitialPromptFile != d.InitialPromptFile,
		"idle_prompt":         c.IdlePrompt != d.IdlePrompt,
		"idle_prompt_file":    c.IdlePromptFile != d.IdlePromptFile,
		"plugins":             len(c.Plugins) > 0,
		"delegation":          c.Delegation != d.Delegation,
		"sandbox":             c.Sandbox != d.Sandbox,
		"rbac":                !reflect.DeepEqual(c.RBAC, d.RBAC),
		"hitl":                !c.HITL.isDefault(),
		"governance":          !reflect.DeepEqual(c.Governance, d.Governance),
		"security_scan":       c.SecurityScan != d.SecurityScan,
		"compliance":          c.Compliance != d.Compliance,
		"sub_workspaces":      len(c.SubWorkspaces) > 0,
	}
	for _, key := range slices.Sorted(maps.Keys(unheard)) {
		if unheard[key] {
			r.warnOf(key, "nothing in this version of the library acts on it; it is only passed on to the adapter", "see whether the adapter honours it, or remove it")
		}
	}
}

func (h HITL) isDefault() bool {
	d := Default().HITL
	return h.DefaultTimeout == d.DefaultTimeout && len(h.BypassRoles) == 0 &&
		len(h.Channels) == 1 && h.Channels[0].Type == d.Channels[0].Type
}
