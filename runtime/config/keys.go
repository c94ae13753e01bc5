package config

import (
	"math"
	"time"
)

// This file is the table of keys.

// templateKeys appear in configurations of the platform's templates and are
// read by other programs.
var templateKeys = []string{"models", "providers", "bridge", "memory", "env"}

// adapterKeys appear in runtime_config of those templates; they look like keys
// of the library and are the adapter's.
var adapterKeys = []string{"provider", "providers", "provider_url", "models", "agent_name", "temperature", "gateway_port"}

// nestedKeys are the keys below others, for a guess at what was meant when one
// of them stands in the wrong place.
var nestedKeys = []string{
	"runtime_config.command", "runtime_config.args", "runtime_config.required_env", "runtime_config.timeout", "runtime_config.model",
	"runtime_config.auth_token_env", "runtime_config.auth_token_file",
	"a2a.port", "a2a.streaming", "a2a.push_notifications",
	"delegation.retry_attempts", "delegation.retry_delay", "delegation.timeout", "delegation.escalate",
	"sandbox.backend", "sandbox.memory_limit", "sandbox.timeout",
	"rbac.roles", "rbac.allowed_actions",
	"hitl.channels", "hitl.default_timeout", "hitl.bypass_roles",
	"governance.enabled", "governance.toolkit", "governance.policy_endpoint", "governance.policy_mode",
	"governance.policy_file", "governance.blocked_patterns", "governance.max_tool_calls_per_task",
	"security_scan.mode", "security_scan.fail_open_if_no_scanner",
	"compliance.mode", "compliance.prompt_injection", "compliance.max_tool_calls_per_task",
	"compliance.max_task_duration_seconds",
}

func (c *Config) fields() map[string]field {
	return map[string]field{
		"name":        named(&c.Name),
		"description": text(&c.Description),
		"role":        text(&c.Role),
		"version":     named(&c.Version),
		"tier":        whole(&c.Tier, 1, 4),
		"model":       text(&c.Model),
		"runtime":     named(&c.Runtime),

		"runtime_config": c.runtimeConfig,

		"initial_prompt":        text(&c.InitialPrompt),
		"initial_prompt_file":   text(&c.InitialPromptFile),
		"idle_prompt":           text(&c.IdlePrompt),
		"idle_prompt_file":      text(&c.IdlePromptFile),
		"idle_interval_seconds": seconds(&c.IdleInterval, time.Second),

		"skills":         texts(&c.Skills, nil),
		"plugins":        texts(&c.Plugins, nil),
		"tools":          texts(&c.Tools, nil),
		"prompt_files":   texts(&c.PromptFiles, nil),
		"shared_context": texts(&c.SharedContext, nil),

		"a2a": group(map[string]field{
			"port":               whole(&c.A2A.Port, 1, 65535),
			"streaming":          flag(&c.A2A.Streaming),
			"push_notifications": flag(&c.A2A.PushNotifications),
		}),
		"delegation": group(map[string]field{
			"retry_attempts": whole(&c.Delegation.RetryAttempts, 0, 100),
			"retry_delay":    seconds(&c.Delegation.RetryDelay, 0),
			"timeout":        seconds(&c.Delegation.Timeout, 0),
			"escalate":       flag(&c.Delegation.Escalate),
		}),
		"sandbox": group(map[string]field{
			"backend":      choice(&c.Sandbox.Backend, "subprocess", "docker", "e2b"),
			"memory_limit": memoryLimit(&c.Sandbox.MemoryLimit),
			"timeout":      seconds(&c.Sandbox.Timeout, time.Second),
		}),
		"rbac": group(map[string]field{
			"roles":           texts(&c.RBAC.Roles, nil),
			"allowed_actions": c.allowedActions,
		}),
		"hitl": group(map[string]field{
			"channels":        c.channels,
			"default_timeout": seconds(&c.HITL.DefaultTimeout, 0),
			"bypass_roles":    texts(&c.HITL.BypassRoles, nil),
		}),
		"governance": group(map[string]field{
			"enabled":                 flag(&c.Governance.Enabled),
			"toolkit":                 named(&c.Governance.Toolkit),
			"policy_endpoint":         httpURL(&c.Governance.PolicyEndpoint),
			"policy_mode":             choice(&c.Governance.PolicyMode, "audit", "permissive", "strict"),
			"policy_file":             policyFile(&c.Governance.PolicyFile),
			"blocked_patterns":        texts(&c.Governance.BlockedPatterns, nil),
			"max_tool_calls_per_task": whole(&c.Governance.MaxToolCallsPerTask, 0, math.MaxInt32),
		}),
		"security_scan": c.securityScan,
		"compliance": group(map[string]field{
			"mode":                      choice(&c.Compliance.Mode, "owasp_agentic", ""),
			"prompt_injection":          choice(&c.Compliance.PromptInjection, "detect", "block"),
			"max_tool_calls_per_task":   whole(&c.Compliance.MaxToolCallsPerTask, 0, math.MaxInt32),
			"max_task_duration_seconds": seconds(&c.Compliance.MaxTaskDuration, 0),
		}),
		"sub_workspaces": c.subWorkspaces,
		"effort":         choice(&c.Effort, "", "low", "medium", "high", "xhigh", "max"),
		"task_budget":    taskBudget(&c.TaskBudget),

		"template_schema_version": schemaVersion,
	}
}

func (rc *RuntimeConfig) fields() map[string]field {
	return map[string]field{
		"command":         text(&rc.Command),
		"args":            texts(&rc.Args, nil),
		"required_env":    texts(&rc.RequiredEnv, requirement),
		"timeout":         seconds(&rc.Timeout, 0),
		"model":           text(&rc.Model),
		"auth_token_env":  deprecated(text(&rc.AuthTokenEnv)),
		"auth_token_file": deprecated(text(&rc.AuthTokenFile)),
	}
}
