package config

import (
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// This file is the table of keys.

// templateKeys appear in configurations of the platform's templates and are
// read by other programs.
var templateKeys = []string{"models", "providers", "bridge", "template_schema_version", "memory", "env"}

func (c *Config) fields() map[string]field {
	return map[string]field{
		"name":        text(&c.Name),
		"description": text(&c.Description),
		"role":        text(&c.Role),
		"version":     text(&c.Version),
		"tier":        whole(&c.Tier, 1, 4),
		"model":       text(&c.Model),
		"runtime":     text(&c.Runtime),

		"runtime_config": c.runtimeConfig,

		"initial_prompt":        text(&c.InitialPrompt),
		"initial_prompt_file":   text(&c.InitialPromptFile),
		"idle_prompt":           text(&c.IdlePrompt),
		"idle_prompt_file":      text(&c.IdlePromptFile),
		"idle_interval_seconds": seconds(&c.IdleInterval),

		"skills":         texts(&c.Skills),
		"plugins":        texts(&c.Plugins),
		"tools":          texts(&c.Tools),
		"prompt_files":   texts(&c.PromptFiles),
		"shared_context": texts(&c.SharedContext),

		"a2a": group(map[string]field{
			"port":               whole(&c.A2A.Port, 1, 65535),
			"streaming":          flag(&c.A2A.Streaming),
			"push_notifications": flag(&c.A2A.PushNotifications),
		}),
		"delegation": group(map[string]field{
			"retry_attempts": whole(&c.Delegation.RetryAttempts, 0, 100),
			"retry_delay":    seconds(&c.Delegation.RetryDelay),
			"timeout":        seconds(&c.Delegation.Timeout),
			"escalate":       flag(&c.Delegation.Escalate),
		}),
		"sandbox": group(map[string]field{
			"backend":      choice(&c.Sandbox.Backend, "subprocess", "docker", "e2b"),
			"memory_limit": text(&c.Sandbox.MemoryLimit),
			"timeout":      seconds(&c.Sandbox.Timeout),
		}),
		"rbac": group(map[string]field{
			"roles":           texts(&c.RBAC.Roles),
			"allowed_actions": c.allowedActions,
		}),
		"hitl": group(map[string]field{
			"channels":        c.channels,
			"default_timeout": seconds(&c.HITL.DefaultTimeout),
			"bypass_roles":    texts(&c.HITL.BypassRoles),
		}),
		"governance": group(map[string]field{
			"enabled":                 flag(&c.Governance.Enabled),
			"toolkit":                 text(&c.Governance.Toolkit),
			"policy_endpoint":         httpURL(&c.Governance.PolicyEndpoint),
			"policy_mode":             choice(&c.Governance.PolicyMode, "audit", "permissive", "strict"),
			"policy_file":             policyFile(&c.Governance.PolicyFile),
			"blocked_patterns":        texts(&c.Governance.BlockedPatterns),
			"max_tool_calls_per_task": whole(&c.Governance.MaxToolCallsPerTask, 0, math.MaxInt32),
		}),
		"security_scan": c.securityScan,
		"compliance": group(map[string]field{
			"mode":                      choice(&c.Compliance.Mode, "owasp_agentic", ""),
			"prompt_injection":          choice(&c.Compliance.PromptInjection, "detect", "block"),
			"max_tool_calls_per_task":   whole(&c.Compliance.MaxToolCallsPerTask, 0, math.MaxInt32),
			"max_task_duration_seconds": seconds(&c.Compliance.MaxTaskDuration),
		}),
		"sub_workspaces": c.subWorkspaces,
		"effort":         choice(&c.Effort, "", "low", "medium", "high", "xhigh", "max"),
		"task_budget":    taskBudget(&c.TaskBudget),
	}
}

// runtimeConfig reads the keys all adapters share and keeps the whole section
// for the adapter's own.
func (c *Config) runtimeConfig(r *reader, n *yaml.Node, key string) {
	rc := &c.RuntimeConfig
	if n.Kind != yaml.MappingNode {
		r.fault(n, key, "is "+describe(n)+"; expected a map of keys and values", "write the keys below it, each on a line of its own and indented")
		return
	}
	rc.Raw = Raw{node: n, name: r.name}
	own := []string{} // whatever else is there is the adapter's
	for i := 0; i+1 < len(n.Content); i += 2 {
		own = append(own, deref(n.Content[i]).Value)
	}
	r.section(n, key, rc.fields(), own...)
}

func (rc *RuntimeConfig) fields() map[string]field {
	return map[string]field{
		"command":         text(&rc.Command),
		"args":            texts(&rc.Args),
		"required_env":    texts(&rc.RequiredEnv),
		"timeout":         seconds(&rc.Timeout),
		"model":           text(&rc.Model),
		"auth_token_env":  text(&rc.AuthTokenEnv),
		"auth_token_file": text(&rc.AuthTokenFile),
	}
}

func (c *Config) allowedActions(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, key, "is "+describe(n)+"; expected a map of roles", "write each role on a line of its own, with the list of its actions")
		return
	}
	c.RBAC.AllowedActions = map[string][]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		role, actions := deref(n.Content[i]).Value, deref(n.Content[i+1])
		var list []string
		if !isNull(actions) {
			texts(&list)(r, actions, join(key, role))
		}
		c.RBAC.AllowedActions[role] = list
	}
}

func (c *Config) channels(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, key, "is "+describe(n)+"; expected a list", "write each channel after a dash, beginning with its type")
		return
	}
	c.HITL.Channels = nil
	for i, item := range n.Content {
		item, at := deref(item), key+"["+strconv.Itoa(i)+"]"
		if item.Kind != yaml.MappingNode {
			r.fault(item, at, "is "+describe(item)+"; expected a map with a type", "write it as - type: dashboard")
			continue
		}
		channel := Channel{Raw: Raw{node: item, name: r.name}}
		quiet := []string{} // the options of the type are its own
		for j := 0; j+1 < len(item.Content); j += 2 {
			quiet = append(quiet, deref(item.Content[j]).Value)
		}
		r.section(item, at, map[string]field{"type": choice(&channel.Type, "dashboard", "slack", "email")}, quiet...)
		if channel.Type == "" {
			if !slices.Contains(quiet, "type") {
				r.fault(item, at, "has no type", "add type: dashboard, slack or email")
			}
			continue
		}
		c.HITL.Channels = append(c.HITL.Channels, channel)
	}
}

// securityScan is a map or, in short, the mode alone.
func (c *Config) securityScan(r *reader, n *yaml.Node, key string) {
	mode := choice(&c.SecurityScan.Mode, "off", "warn", "block")
	if n.Kind == yaml.ScalarNode {
		mode(r, n, key)
		return
	}
	r.section(n, key, map[string]field{
		"mode":                    mode,
		"fail_open_if_no_scanner": flag(&c.SecurityScan.FailOpenIfNoScanner),
	})
}

func (c *Config) subWorkspaces(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, key, "is "+describe(n)+"; expected a list", "write each workspace after a dash")
		return
	}
	for i, item := range n.Content {
		item = deref(item)
		if item.Kind != yaml.MappingNode {
			r.fault(item, key+"["+strconv.Itoa(i)+"]", "is "+describe(item)+"; expected a map", "write the keys of the workspace after the dash")
			continue
		}
		c.SubWorkspaces = append(c.SubWorkspaces, Raw{node: item, name: r.name})
	}
}

func httpURL(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		var s string
		text(&s)(r, n, key)
		if s == "" {
			return
		}
		if u, err := url.Parse(s); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			r.fault(n, key, "is not an http or https URL", "write it like https://host/path")
			return
		}
		*into = s
	}
}

func policyFile(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		var s string
		text(&s)(r, n, key)
		if s != "" && !slices.Contains([]string{".rego", ".yaml", ".yml", ".cedar"}, filepath.Ext(s)) {
			r.fault(n, key, "is not the name of a policy file", "name a file that ends in .rego, .yaml, .yml or .cedar")
			return
		}
		*into = s
	}
}

// taskBudget is 0 for none, or what models accept as a budget.
func taskBudget(into *int) field {
	return func(r *reader, n *yaml.Node, key string) {
		var v int
		whole(&v, 0, math.MaxInt32)(r, n, key)
		if v != 0 && v < 20_000 {
			r.fault(n, key, "is too small to be of use", "write 0 for no budget, or at least 20000 tokens")
			return
		}
		*into = v
	}
}
