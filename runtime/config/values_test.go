package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

const everyKey = `
name: Researcher
description: Reads papers.
role: research
version: 2.1.0
tier: 3
model: openai:gpt-5
runtime: codex
runtime_config:
  command: codex
  args: [--full-auto, --retries, 3]
  required_env: [OPENAI_API_KEY, A|B]
  timeout: 600
  model: openai:gpt-5
  auth_token_env: TOKEN
  auth_token_file: .token
  temperature: 0.2
initial_prompt: Hello
initial_prompt_file: hello.md
idle_prompt: Still there?
idle_prompt_file: idle.md
idle_interval_seconds: 90
skills: [search]
plugins: [github]
tools: [browser]
prompt_files: [system.md, style.md]
shared_context: [README.md]
a2a: {port: 9000, streaming: false, push_notifications: false}
delegation: {retry_attempts: 5, retry_delay: 1.5, timeout: 60, escalate: false}
sandbox: {backend: docker, memory_limit: 1g, timeout: 45}
rbac:
  roles: [auditor]
  allowed_actions: {auditor: [memory.read]}
hitl:
  channels:
    - type: dashboard
    - {type: slack, webhook_url: "https://hooks.example.com/T0/secret"}
  default_timeout: 30
  bypass_roles: [admin]
governance:
  enabled: true
  toolkit: other
  policy_endpoint: https://policy.example.com/v1
  policy_mode: strict
  policy_file: rules.rego
  blocked_patterns: [rm -rf]
  max_tool_calls_per_task: 7
security_scan: {mode: block, fail_open_if_no_scanner: false}
compliance: {mode: "", prompt_injection: block, max_tool_calls_per_task: 8, max_task_duration_seconds: 9}
sub_workspaces:
  - name: child
effort: xhigh
task_budget: 20000
template_schema_version: 1
models: []
providers: {}
bridge: {}
memory: {}
env: {required: [X], optional: [Y]}
`

func TestEveryKeyIsReadIntoItsType(t *testing.T) {
	got, report := parse(t, everyKey)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Name: "Researcher", Description: "Reads papers.", Role: "research", Version: "2.1.0", Tier: 3,
		Model: "openai:gpt-5", ModelSource: "model", Runtime: "codex",
		RuntimeConfig: config.RuntimeConfig{
			Command: "codex", Args: []string{"--full-auto", "--retries", "3"}, RequiredEnv: []string{"OPENAI_API_KEY", "A|B"},
			Timeout: 10 * time.Minute, Model: "openai:gpt-5", AuthTokenEnv: "TOKEN", AuthTokenFile: ".token",
		},
		InitialPrompt: "Hello", InitialPromptFile: "hello.md", IdlePrompt: "Still there?", IdlePromptFile: "idle.md",
		IdleInterval: 90 * time.Second,
		Skills:       []string{"search"}, Plugins: []string{"github"}, Tools: []string{"browser"},
		PromptFiles: []string{"system.md", "style.md"}, SharedContext: []string{"README.md"},
		A2A:        config.A2A{Port: 9000},
		Delegation: config.Delegation{RetryAttempts: 5, RetryDelay: 1500 * time.Millisecond, Timeout: time.Minute},
		Sandbox:    config.Sandbox{Backend: "docker", MemoryLimit: "1g", Timeout: 45 * time.Second},
		RBAC:       config.RBAC{Roles: []string{"auditor"}, AllowedActions: map[string][]string{"auditor": {"memory.read"}}},
		HITL: config.HITL{
			Channels: []config.Channel{{Type: "dashboard"}, {Type: "slack"}}, DefaultTimeout: 30 * time.Second, BypassRoles: []string{"admin"},
		},
		Governance: config.Governance{
			Enabled: true, Toolkit: "other", PolicyEndpoint: "https://policy.example.com/v1", PolicyMode: "strict",
			PolicyFile: "rules.rego", BlockedPatterns: []string{"rm -rf"}, MaxToolCallsPerTask: 7,
		},
		SecurityScan:  config.SecurityScan{Mode: "block"},
		Compliance:    config.Compliance{PromptInjection: "block", MaxToolCallsPerTask: 8, MaxTaskDuration: 9 * time.Second},
		SubWorkspaces: make([]config.Raw, 1),
		Effort:        "xhigh", TaskBudget: 20000,
	}
	ignore := cmp.Options{cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(func(_, _ config.Raw) bool { return true })}
	if diff := cmp.Diff(want, *got, ignore); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}

	var slack struct {
		URL string `yaml:"webhook_url"`
	}
	if err := got.HITL.Channels[1].Raw.Decode(&slack); err != nil || slack.URL != "https://hooks.example.com/T0/secret" {
		t.Errorf("the slack channel decodes to %+v, %v", slack, err)
	}
	var child struct{ Name string }
	if err := got.SubWorkspaces[0].Decode(&child); err != nil || child.Name != "child" {
		t.Errorf("the sub-workspace decodes to %+v, %v", child, err)
	}
}

func TestDefaults(t *testing.T) {
	want := config.Default()
	for name, text := range map[string]string{
		"empty": "", "blank": "\n\n  \n", "comments": "# nothing\n", "null": "null\n", "tilde": "~", "separator": "---\n",
		"end": "---\n...\n", "empty map": "{}", "byte order mark": "\ufeff", "CRLF": "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := clean(t, text)
			if diff := cmp.Diff(*want, *got, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(func(a, b config.Raw) bool { return a.IsZero() == b.IsZero() })); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       string // brief
		message    string
		fix        string
	}{
		{"port as text", "a2a:\n  port: eighty\n", "error 2:9 a2a.port", "is a text; expected a whole number", "from 1 to 65535"},
		{"port too big", "a2a: {port: 65536}\n", "error 1:13 a2a.port", "65536 is out of range", "from 1 to 65535"},
		{"port zero", "a2a: {port: 0}\n", "error 1:13 a2a.port", "0 is out of range", ""},
		{"port fraction", "a2a: {port: 80.5}\n", "error 1:13 a2a.port", "fraction", ""},
		{"port list", "a2a: {port: [80]}\n", "error 1:13 a2a.port", "is a list", ""},
		{"port not a number", "a2a: {port: .nan}\n", "error 1:13 a2a.port", "whole number", ""},
		{"port infinite", "a2a: {port: .inf}\n", "error 1:13 a2a.port", "whole number", ""},
		{"port true", "a2a: {port: true}\n", "error 1:13 a2a.port", "is true or false", ""},
		{"port huge", "a2a: {port: 99999999999999999999999}\n", "error 1:13 a2a.port", "out of range", ""},
		{"flag as text", "a2a: {streaming: maybe}\n", "error 1:18 a2a.streaming", "expected true or false", "write true or false"},
		{"flag as number", "a2a: {streaming: 1}\n", "error 1:18 a2a.streaming", "is a number", ""},
		{"section as text", "a2a: on\n", "error 1:6 a2a", "expected a map", "indented"},
		{"section as list", "a2a:\n  - port\n", "error 2:3 a2a", "is a list", ""},
		{"text as map", "name: {first: x}\n", "error 1:7 name", "is a map; expected a text", ""},
		{"text as list", "role: [x]\n", "error 1:7 role", "is a list; expected a text", ""},
		{"list as text", "skills: search\n", "error 1:9 skills", "is a text; expected a list", "[like this]"},
		{"list as map", "skills: {a: b}\n", "error 1:9 skills", "is a map; expected a list", "after a dash"},
		{"list of maps", "skills:\n  - {a: b}\n", "error 2:5 skills[0]", "is a map; expected a text", ""},
		{"seconds with unit", "runtime_config:\n  timeout: 2m\n", "error 2:12 runtime_config.timeout", "number of seconds", "write 120, without a unit"},
		{"seconds negative", "delegation: {retry_delay: -1}\n", "error 1:27 delegation.retry_delay", "-1 is out of range", "from 0"},
		{"no idle interval", "idle_interval_seconds: 0\n", "error 1:24 idle_interval_seconds", "0 is out of range", "from 1"},
		{"seconds too long", "idle_interval_seconds: 1e12\n", "error 1:24 idle_interval_seconds", "out of range", ""},
		{"backend", "sandbox: {backend: dokcer}\n", "error 1:20 sandbox.backend", "not one of the known values", "did you mean docker?"},
		{"memory limit", "sandbox: {memory_limit: lots}\n", "error 1:25 sandbox.memory_limit", "is not a size", "256m"},
		{"scan mode", "security_scan: loud\n", "error 1:16 security_scan", "not one of the known values", "off, warn and block"},
		{"effort", "effort: hihg\n", "error 1:9 effort", "not one of the known values", "did you mean high?"},
		{"small budget", "task_budget: 100\n", "error 1:14 task_budget", "too small", "at least 20000"},
		{"endpoint", "governance: {policy_endpoint: policy.example.com}\n", "error 1:31 governance.policy_endpoint", "not an http or https URL", "https://host/path"},
		{"policy file", "governance: {policy_file: rules.txt}\n", "error 1:27 governance.policy_file", "policy file", ".rego"},
		{"channel without type", "hitl:\n  channels:\n    - webhook_url: x\n", "error 3:7 hitl.channels[0]", "has no type", "add type"},
		{"channel type", "hitl: {channels: [{type: slak}]}\n", "error 1:26 hitl.channels[0].type", "not one of the known values", "did you mean slack?"},
		{"channel as text", "hitl: {channels: [slack]}\n", "error 1:19 hitl.channels[0]", "is a text; expected a map", "type: dashboard"},
		{"variable name", "runtime_config: {required_env: [MY-KEY]}\n", "error 1:33 runtime_config.required_env[0]", "not the name of a variable", "API_KEY|OAUTH_TOKEN"},
		{"empty alternative", "runtime_config: {required_env: [A|]}\n", "error 1:33 runtime_config.required_env[0]", "not the name of a variable", ""},
		{"sub-workspace", "sub_workspaces: [child]\n", "error 1:18 sub_workspaces[0]", "is a text; expected a map", ""},
		{"runtime_config as list", "runtime_config: [x]\n", "error 1:17 runtime_config", "is a list", ""},
		{"tier", "tier: 7\n", "error 1:7 tier", "7 is out of range", "from 1 to 4"},
		{"tool calls", "compliance: {max_tool_calls_per_task: -1}\n", "error 1:39 compliance.max_tool_calls_per_task", "-1 is out of range", "0 or more"},
		{"schema", "template_schema_version: 2\n", "warning 1:26 template_schema_version", "version 1", ""},
		{"empty entry", "tools: [a, null]\n", "warning 1:12 tools[1]", "is empty and left out", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, report := parse(t, test.text)
			wantBrief(t, report, test.want)
			if len(report) == 1 {
				wantContains(t, report[0].Message, test.message)
				wantContains(t, report[0].Fix, test.fix)
			}
		})
	}
}

func TestAWrongValueKeepsTheDefaultAndTheRest(t *testing.T) {
	cfg, _ := parse(t, "name: Works\na2a:\n  port: eighty\n  streaming: no\n")
	if cfg.Name != "Works" || cfg.A2A.Port != 8000 || cfg.A2A.Streaming {
		t.Errorf("got name %q, port %d, streaming %v; want Works, 8000, false", cfg.Name, cfg.A2A.Port, cfg.A2A.Streaming)
	}
}

func TestWhatIsUnderstoodAnyway(t *testing.T) {
	for _, test := range []struct {
		name, text string
		ok         func(*config.Config) bool
	}{
		{"a number as text", "version: 1.0\nname: 7", func(c *config.Config) bool { return c.Version == "1.0" && c.Name == "7" }},
		{"Norway", "description: no", func(c *config.Config) bool { return c.Description == "no" }},
		{"a date as text", "version: 2026-04-27", func(c *config.Config) bool { return c.Version == "2026-04-27" }},
		{"numbers in a list", "runtime_config: {args: [--port, 08, 0x10, 1_000]}", func(c *config.Config) bool {
			return cmp.Equal(c.RuntimeConfig.Args, []string{"--port", "08", "0x10", "1_000"})
		}},
		{"an empty argument", `runtime_config: {args: ["", x]}`, func(c *config.Config) bool { return cmp.Equal(c.RuntimeConfig.Args, []string{"", "x"}) }},
		{"a number in quotes", `a2a: {port: "8080"}`, func(c *config.Config) bool { return c.A2A.Port == 8080 }},
		{"a whole float", "a2a: {port: 8080.0}", func(c *config.Config) bool { return c.A2A.Port == 8080 }},
		{"older booleans", "a2a: {streaming: Yes, push_notifications: OFF}", func(c *config.Config) bool { return c.A2A.Streaming && !c.A2A.PushNotifications }},
		{"an empty name", `name: "  "`, func(c *config.Config) bool { return c.Name == "Workspace" }},
		{"an alias", "a2a: &a {port: 9000}\nbridge: *a", func(c *config.Config) bool { return c.A2A.Port == 9000 }},
		{"a merge", "bridge: &b {port: 9000, push_notifications: false}\na2a:\n  <<: *b\n  port: 9001", func(c *config.Config) bool { return c.A2A.Port == 9001 && !c.A2A.PushNotifications }},
		{"two merges", "bridge: [&b {port: 1}, &c {port: 2, push_notifications: false}]\na2a:\n  port: 3\n  <<: [*b, *c]", func(c *config.Config) bool { return c.A2A.Port == 3 && !c.A2A.PushNotifications }},
		{"alternatives with blanks", "runtime_config: {required_env: [A | B]}", func(c *config.Config) bool { return len(c.RuntimeConfig.RequiredEnv) == 1 }},
		{"a byte order mark", "\ufeffname: x", func(c *config.Config) bool { return c.Name == "x" }},
		{"CRLF", "name: x\r\na2a:\r\n  port: 9000\r\n", func(c *config.Config) bool { return c.Name == "x" && c.A2A.Port == 9000 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if cfg := clean(t, test.text); !test.ok(cfg) {
				t.Errorf("%s reads as %+v", test.text, *cfg)
			}
		})
	}
}

func TestHas(t *testing.T) {
	cfg := clean(t, "name: x\nrole:\na2a: {port: 9000, streaming: null}\n")
	for key, want := range map[string]bool{
		"name": true, "role": false, "a2a": true, "a2a.port": true, "a2a.streaming": false, "version": false, "": false,
	} {
		if got := cfg.Has(key); got != want {
			t.Errorf("Has(%q) = %v, want %v", key, got, want)
		}
	}
}
