package config_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// The tests of this file are named after what went wrong in the package this
// library replaces; the identifiers are those of its list of defects.

// CFG-1: unknown keys of runtime_config were dropped.
func TestAdapterOptionsReachTheAdapter(t *testing.T) {
	cfg := clean(t, `
runtime_config:
  required_env: [KEY]
  provider: minimax
  temperature: 0.2
  gateway_port: 8642
  provider_url: https://llm.example.com
  agent_name: Ada
  nested: {list: [1, 2]}
`)
	type options struct {
		Provider    string  `yaml:"provider"`
		Temperature float64 `yaml:"temperature"`
		GatewayPort int     `yaml:"gateway_port"`
		ProviderURL string  `yaml:"provider_url"`
		AgentName   string  `yaml:"agent_name"`
		Nested      struct{ List []int }
		Other       string
	}
	got := options{Other: "kept"}
	if err := cfg.DecodeRuntime(&got); err != nil {
		t.Fatal(err)
	}
	want := options{"minimax", 0.2, 8642, "https://llm.example.com", "Ada", struct{ List []int }{[]int{1, 2}}, "kept"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DecodeRuntime (-want +got):\n%s", diff)
	}
}

// CFG-2: MODEL_PROVIDER with a provider's name became the model.
func TestAProvidersNameIsNotTakenForAModel(t *testing.T) {
	for _, provider := range []string{"openai", "MiniMax", "anthropic"} {
		env := environment(map[string]string{"MODEL_PROVIDER": provider})
		cfg, report, _ := config.Parse([]byte("model: gpt-5\n"), "config.yaml", env)
		if cfg.Model != "gpt-5" || cfg.ModelSource != "model" || len(report) > 0 {
			t.Errorf("with MODEL_PROVIDER=%s the model is %q from %s; report: %v", provider, cfg.Model, cfg.ModelSource, report)
		}
	}
	// As the platform uses the variable, it holds a model, which wins.
	env := environment(map[string]string{"MODEL_PROVIDER": "openai:gpt-5"})
	cfg, _, _ := config.Parse([]byte("model: other\n"), "config.yaml", env)
	if cfg.Model != "openai:gpt-5" || cfg.ModelSource != "MODEL_PROVIDER" {
		t.Errorf("the model is %q from %s", cfg.Model, cfg.ModelSource)
	}
}

// CFG-3: a model that stood only in runtime_config was replaced by the default.
func TestTheModelOfRuntimeConfigIsTheModel(t *testing.T) {
	cfg := clean(t, "runtime_config: {model: gpt-5-codex}\n")
	if cfg.Model != "gpt-5-codex" || cfg.ModelSource != "runtime_config.model" {
		t.Errorf("the model is %q from %s", cfg.Model, cfg.ModelSource)
	}
}

// CFG-4: delegation, sandbox, effort, task_budget, tools and plugins had no
// effect, and nothing said so.
func TestAKeyWithoutEffectSaysSo(t *testing.T) {
	_, report := parse(t, `
plugins: [github]
delegation: {escalate: false}
sandbox: {backend: docker}
hitl: {bypass_roles: [admin]}
governance: {enabled: true}
security_scan: block
compliance: {prompt_injection: block}
sub_workspaces: [{name: x}]
`)
	wantBrief(t, report,
		"warning 2:1 plugins", "warning 3:14 delegation.escalate", "warning 4:1 sandbox", "warning 5:8 hitl.bypass_roles",
		"warning 6:1 governance", "warning 7:1 security_scan", "warning 8:1 compliance", "warning 9:1 sub_workspaces")

	// What a template writes out although it is the default asks for nothing,
	// and what is for the agent reaches it.
	cfg := clean(t, `
delegation: {retry_attempts: 3, retry_delay: 5, timeout: 120, escalate: true}
sandbox: {backend: subprocess, memory_limit: 256m, timeout: 30}
security_scan: warn
hitl: {channels: [{type: dashboard}]}
effort: high
task_budget: 50000
tools: [browser]
`)
	if cfg.Effort != "high" || cfg.TaskBudget != 50000 || !cmp.Equal(cfg.Tools, []string{"browser"}) {
		t.Errorf("effort, task_budget and tools are %q, %d, %v", cfg.Effort, cfg.TaskBudget, cfg.Tools)
	}
}

// CFG-5: an explicit null crashed, or became the text "None".
func TestNullMeansTheDefaultEverywhere(t *testing.T) {
	cfg := clean(t, `
name:
description: null
version: ~
tier:
model:
runtime:
runtime_config:
initial_prompt:
initial_prompt_file:
idle_prompt:
idle_interval_seconds:
skills:
plugins:
tools: null
prompt_files:
shared_context:
a2a:
delegation:
sandbox:
rbac:
hitl:
governance:
security_scan:
compliance:
sub_workspaces:
effort:
task_budget:
template_schema_version:
`)
	if diff := cmp.Diff(config.Default().SecurityScan, cfg.SecurityScan); diff != "" {
		t.Errorf("security_scan (-want +got):\n%s", diff)
	}
	nested := clean(t, `
runtime_config: {command: , args: , required_env: , timeout: , model: }
a2a: {port: , streaming: , push_notifications: }
delegation: {retry_attempts: , retry_delay: , timeout: , escalate: }
sandbox: {backend: , memory_limit: , timeout: }
rbac: {roles: , allowed_actions: }
hitl: {channels: , default_timeout: , bypass_roles: }
governance: {enabled: , toolkit: , policy_endpoint: , policy_mode: , policy_file: , blocked_patterns: , max_tool_calls_per_task: }
security_scan: {mode: , fail_open_if_no_scanner: }
compliance: {mode: , prompt_injection: , max_tool_calls_per_task: , max_task_duration_seconds: }
`)
	want := config.Default()
	for name, pair := range map[string][2]any{
		"a2a": {want.A2A, nested.A2A}, "delegation": {want.Delegation, nested.Delegation}, "sandbox": {want.Sandbox, nested.Sandbox},
		"rbac": {want.RBAC, nested.RBAC}, "governance": {want.Governance, nested.Governance},
		"security_scan": {want.SecurityScan, nested.SecurityScan}, "compliance": {want.Compliance, nested.Compliance},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// CFG-6: no check of the schema's version, no warning of unknown keys.
func TestUnknownKeysAndVersionsAreSaid(t *testing.T) {
	_, report := parse(t, "nmae: x\ntemplate_schema_version: 2\n")
	wantBrief(t, report, "warning 1:1 nmae", "warning 2:26 template_schema_version")
	wantContains(t, report[0].Fix, "did you mean name?")
}

// CFG-6: initial_prompt_file could name any file of the machine.
func TestAPromptFileMayNotLeaveTheConfigDirectory(t *testing.T) {
	outside := directory(t, map[string]string{"secret.txt": "do not read"})
	for name, file := range map[string]string{"up": "../secret.txt", "up inside": "a/../../secret.txt", "absolute": outside + "/secret.txt"} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"initial_prompt_file", "idle_prompt_file"} {
				dir := directory(t, map[string]string{"config.yaml": key + ": " + file + "\n"})
				cfg, report, err := config.Load(dir, nil)
				if err == nil || cfg.InitialPrompt != "" || cfg.IdlePrompt != "" {
					t.Errorf("%s: error %v, prompts %q and %q", key, err, cfg.InitialPrompt, cfg.IdlePrompt)
				}
				wantContains(t, report.Err().Error(), key+": names a file outside of the config directory")
			}
		})
	}
}

// CFG-7: a text where a list is expected was read letter by letter, so that
// rbac.roles: admin denied everything.
func TestATextIsNotReadAsAList(t *testing.T) {
	cfg, report := parse(t, "rbac:\n  roles: admin\n")
	wantBrief(t, report, "error 2:10 rbac.roles")
	wantContains(t, report[0].Message, "is a text; expected a list")
	if diff := cmp.Diff([]string{"operator"}, cfg.RBAC.Roles); diff != "" {
		t.Errorf("rbac.roles (-want +got):\n%s", diff)
	}
}

// CFG-7: initial_prompt: 5 stayed a number.
func TestANumberWhereATextIsExpectedIsTheTextAsWritten(t *testing.T) {
	cfg, _ := parse(t, "initial_prompt: 5\n")
	if cfg.InitialPrompt != "5" {
		t.Errorf("initial_prompt is %q", cfg.InitialPrompt)
	}
}

// PF-1: a port that is no number was an exception instead of a finding.
func TestAPortThatIsNoNumberIsAFinding(t *testing.T) {
	cfg, report := parse(t, "a2a: {port: http}\n")
	wantBrief(t, report, "error 1:13 a2a.port")
	// The checks that follow work all the same.
	_ = config.Preflight(t.Context(), cfg, config.PreflightEnv{})
}

// PF-2: the preflight ran the adapter's code before it had looked at anything.
func TestThePreflightRunsNothingOfTheAdapter(t *testing.T) {
	cfg := clean(t, "runtime: codex\n")
	cfg.Dir = t.TempDir()
	report := config.Preflight(t.Context(), cfg, config.PreflightEnv{AdapterName: "hermes", SkipPort: true})
	p := problem(t, report, "runtime") // its name is all that is asked for
	if p.Severity != config.Warning || p.Line != 1 {
		t.Errorf("got %+v", p)
	}
}

// PF-3: writability, token, platform, skills named twice and alternatives of
// required variables were not looked at.
func TestThePreflightLooksAtWhatTheWorkspaceNeeds(t *testing.T) {
	cfg, _ := parse(t, "skills: [a, a]\nruntime_config: {required_env: [ONE|OTHER]}\n")
	cfg.Dir = directory(t, map[string]string{"file": ""}) + "/file" // not writable, whoever runs the test
	report := config.Preflight(t.Context(), cfg, config.PreflightEnv{
		SkipPort: true, TokenPath: t.TempDir() + "/.auth_token",
		Platform: func(context.Context) error { return context.DeadlineExceeded },
	})
	var all string
	for _, p := range report {
		all += p.String() + "\n"
	}
	wantContains(t, all, "is listed twice", "none of the variables ONE, OTHER is set", "config directory", "there is no token yet", "the platform does not answer")
}
