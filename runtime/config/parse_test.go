package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// found is what a test says of a problem.
type found struct {
	Severity     string
	Key          string
	Line, Column int
	Fix          string
}

func problems(r config.Report) []found {
	out := []found{}
	for _, p := range r {
		out = append(out, found{p.Severity.String(), p.Key, p.Line, p.Column, p.Fix})
	}
	return out
}

func parse(t *testing.T, text string) (*config.Config, config.Report) {
	t.Helper()
	c, report, err := config.Parse([]byte(text), "config.yaml", nil)
	if (err != nil) != (report.Err() != nil) {
		t.Errorf("Parse() error = %v, the report's = %v", err, report.Err())
	}
	if c == nil {
		t.Fatal("Parse() returns no Config")
	}
	return c, report
}

func TestEveryKey(t *testing.T) {
	c, report := parse(t, `
name: Ada
description: counts
role: mathematician
version: 2.0
tier: 3
model: openai:gpt-x
runtime: echo
runtime_config:
  command: agent
  args: [--quiet]
  required_env: [A, B|C]
  timeout: 90
  model: ignored
  temperature: 0.5
initial_prompt: hello
idle_prompt: still there?
idle_interval_seconds: 60
skills: [s]
plugins: [p]
tools: [t]
prompt_files: [a.md, b.md]
shared_context: [c.md]
a2a: {port: 9000, streaming: false, push_notifications: no}
delegation: {retry_attempts: 1, retry_delay: 0.5, timeout: 10, escalate: off}
sandbox: {backend: docker, memory_limit: 1g, timeout: 5}
rbac:
  roles: [admin]
  allowed_actions: {admin: [delegate, approve]}
hitl:
  channels:
    - type: slack
      webhook_url: https://hooks.test/s3cr3t
  default_timeout: 30
  bypass_roles: [admin]
governance: {enabled: true, toolkit: x, policy_endpoint: "https://p.test", policy_mode: strict, policy_file: p.rego, blocked_patterns: [rm], max_tool_calls_per_task: 5}
security_scan: {mode: block, fail_open_if_no_scanner: false}
compliance: {mode: "", prompt_injection: block, max_tool_calls_per_task: 1, max_task_duration_seconds: 9}
sub_workspaces: [{name: child}]
effort: high
task_budget: 20000
`)
	if len(report) != 0 {
		t.Fatalf("a sound file has problems:\n%s", report)
	}
	got := map[string]any{
		"version": c.Version, "tier": c.Tier, "model": c.Model, "source": c.ModelSource, "timeout": c.RuntimeConfig.Timeout,
		"env": c.RuntimeConfig.RequiredEnv, "idle": c.IdleInterval, "port": c.A2A.Port, "streaming": c.A2A.Streaming, "push": c.A2A.PushNotifications,
		"delay": c.Delegation.RetryDelay, "escalate": c.Delegation.Escalate, "actions": c.RBAC.AllowedActions["admin"], "channel": c.HITL.Channels[0].Type,
		"policy": c.Governance.PolicyMode, "scan": c.SecurityScan.Mode, "open": c.SecurityScan.FailOpenIfNoScanner, "compliance": c.Compliance.Mode,
		"children": len(c.SubWorkspaces), "effort": c.Effort, "budget": c.TaskBudget,
	}
	want := map[string]any{
		"version": "2.0", "tier": 3, "model": "openai:gpt-x", "source": "model", "timeout": 90 * time.Second,
		"env": []string{"A", "B|C"}, "idle": time.Minute, "port": 9000, "streaming": false, "push": false,
		"delay": 500 * time.Millisecond, "escalate": false, "actions": []string{"delegate", "approve"}, "channel": "slack",
		"policy": "strict", "scan": "block", "open": false, "compliance": "",
		"children": 1, "effort": "high", "budget": 20000,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestAnEmptyFileIsAllDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "null\n", "\ufeff", "{}\n"} {
		c, report := parse(t, text)
		if len(report) != 0 {
			t.Errorf("%q: %s", text, report)
		}
		d := config.Default()
		if c.Name != d.Name || c.A2A != d.A2A || c.Model != d.Model || c.ModelSource != "default" || c.IdleInterval != d.IdleInterval {
			t.Errorf("%q: %v", text, c)
		}
	}
}

// CFG-5: an explicit null crashed, or became the text None.
func TestNullMeansTheDefault(t *testing.T) {
	var b strings.Builder
	keys := []string{"name", "tier", "model", "runtime_config", "skills", "a2a", "delegation", "sandbox", "rbac", "hitl", "governance", "security_scan", "compliance", "sub_workspaces", "effort", "task_budget"}
	for _, k := range keys {
		fmt.Fprintf(&b, "%s:\n", k)
	}
	b.WriteString("idle_prompt: ~\nplugins: null\n")
	c, report := parse(t, b.String())
	if len(report) != 0 {
		t.Errorf("problems:\n%s", report)
	}
	if d := config.Default(); c.Name != d.Name || c.SecurityScan != d.SecurityScan || c.A2A != d.A2A {
		t.Errorf("got %+v", c.SecurityScan)
	}
	for _, k := range keys {
		if c.Has(k) {
			t.Errorf("Has(%q) for a null", k)
		}
	}
}

// CFG-6: unknown keys were taken silently.
func TestMisspeltKeysGetAGuess(t *testing.T) {
	_, report := parse(t, `nmae: x
Model: y
a2a:
  prot: 1
idleInterval-seconds: 5
completely_else: 1
models: [known to others]
`)
	want := []found{
		{"warning", "nmae", 1, 1, "did you mean name?"},
		{"warning", "Model", 2, 1, "did you mean model?"},
		{"warning", "a2a.prot", 4, 3, "did you mean port?"},
		{"warning", "idleInterval-seconds", 5, 1, "did you mean idle_interval_seconds?"},
		{"warning", "completely_else", 6, 1, "remove it; nothing reads it"},
	}
	if diff := cmp.Diff(want, problems(report)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// CFG-7: scalars where lists are expected were read letter by letter.
func TestWrongTypesAreAllReportedWithTheirPlaces(t *testing.T) {
	c, report := parse(t, `tier: many
skills: one
a2a:
  port: 70000
  streaming: perhaps
rbac:
  roles: admin
name: [a]
compliance: strict
hitl:
  channels:
    - slack
    - type: pigeon
runtime_config: 5
security_scan: loud
`)
	places := []string{}
	for _, p := range report {
		if p.Severity != config.Error || p.Message == "" || p.Fix == "" {
			t.Errorf("problem without severity, message or fix: %+v", p)
		}
		places = append(places, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Key))
	}
	want := []string{
		"1:7 tier", "2:9 skills", "4:9 a2a.port", "5:14 a2a.streaming", "7:10 rbac.roles", "8:7 name", "9:13 compliance",
		"12:7 hitl.channels[0]", "13:13 hitl.channels[1].type", "14:17 runtime_config", "15:16 security_scan",
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	if d := config.Default(); c.A2A != d.A2A || len(c.RBAC.Roles) != 1 || c.RBAC.Roles[0] != "operator" {
		t.Errorf("what is wrong did not leave the default: %+v %v", c.A2A, c.RBAC.Roles)
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		says         string
	}{
		{"a list", "- a\n", 1, 1, "expected a map"},
		{"a text", "hello\n", 1, 1, "expected a map"},
		{"an open bracket", "skills: [a\n", 1, 1, "not valid YAML"},
		{"a tab", "a2a:\n\tport: 1\n", 2, 1, "not valid YAML"},
		{"two documents", "name: a\n---\nname: b\n", 2, 1, "more than one YAML document"},
		{"a key twice", "name: a\nname: b\n", 2, 1, "set twice, first on line 1"},
		{"a NUL", "name: a\x00b\n", 1, 8, "NUL"},
		{"no UTF-8", "name: \xff\n", 1, 7, "not UTF-8"},
		{"UTF-16", "\xff\xfen\x00", 1, 1, "UTF-16"},
		{"an unknown anchor", "name: *x\n", 1, 1, "not valid YAML"},
		{"a foreign tag", "name: !!python/object x\n", 1, 7, "tag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, report := parse(t, c.text)
			if len(report) == 0 {
				t.Fatal("no problem")
			}
			p := report[0]
			if p.Severity != config.Error || p.Line != c.line || p.Column != c.column || !strings.Contains(p.Message, c.says) {
				t.Errorf("got %d:%d %q, want %d:%d and %q", p.Line, p.Column, p.Message, c.line, c.column, c.says)
			}
			if !errors.Is(report.Err(), config.ErrInvalid) {
				t.Errorf("Err() = %v, want ErrInvalid", report.Err())
			}
		})
	}
}

func TestCRLFAndTheByteOrderMarkAreFine(t *testing.T) {
	c, report := parse(t, "\ufeffname: a\r\na2a:\r\n  port: 9\r\ntier: x\r\n")
	if c.Name != "a" || c.A2A.Port != 9 {
		t.Errorf("got %q %d", c.Name, c.A2A.Port)
	}
	if diff := cmp.Diff([]found{{"error", "tier", 4, 7, "write a number from 1 to 4"}}, problems(report)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAliasesThatExplode(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d]\n", i, i, i-1)
	}
	_, report := parse(t, b.String())
	if report.Err() == nil || !strings.Contains(report.Err().Error(), "aliases") {
		t.Errorf("Err() = %v", report.Err())
	}
}

func TestMergeKeys(t *testing.T) {
	c, report := parse(t, "a2a: &base {port: 1, streaming: false}\ndelegation:\n  timeout: 5\n  <<: {timeout: 9, retry_attempts: 2}\n")
	if len(report) != 0 {
		t.Errorf("problems:\n%s", report)
	}
	if c.Delegation.Timeout != 5*time.Second || c.Delegation.RetryAttempts != 2 {
		t.Errorf("got %+v, want the map's own keys to win", c.Delegation)
	}
}

// CFG-2 and CFG-3: a provider's name became the model, and a model given only
// in runtime_config was not seen.
func TestWhichModelIsInEffect(t *testing.T) {
	for _, c := range []struct{ name, env, text, model, source, provider string }{
		{"nothing", "", "", config.DefaultModel, "default", ""},
		{"top level", "", "model: a", "a", "model", ""},
		{"runtime_config alone", "", "runtime_config: {model: b, provider: p}", "b", "runtime_config.model", "p"},
		{"both", "", "model: a\nruntime_config: {model: b}", "a", "model", ""},
		{"the variable", "x:y", "model: a", "x:y", "MODEL_PROVIDER", ""},
		{"the variable names a provider", "OpenAI", "model: a", "a", "model", "openai"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := config.Parse([]byte(c.text), "f", func(k string) string {
				if k == "MODEL_PROVIDER" {
					return c.env
				}
				return ""
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Model != c.model || got.ModelSource != c.source || got.Provider != c.provider {
				t.Errorf("got %q from %s, provider %q", got.Model, got.ModelSource, got.Provider)
			}
		})
	}
}
