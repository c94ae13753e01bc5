package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMisspeltKeyGetsAGuess(t *testing.T) {
	for _, test := range []struct{ name, text, key, fix string }{
		{"letters swapped", "nmae: x", "nmae", "did you mean name?"},
		{"a letter missing", "descripton: x", "descripton", "did you mean description?"},
		{"a letter too many", "skillls: [x]", "skillls", "did you mean skills?"},
		{"capitals", "Model: x", "Model", "did you mean model?"},
		{"camel case", "runtimeConfig: {}", "runtimeConfig", "did you mean runtime_config?"},
		{"a hyphen", "idle-interval-seconds: 5", "idle-interval-seconds", "did you mean idle_interval_seconds?"},
		{"nested", "a2a: {prot: 1}", "a2a.prot", "did you mean port?"},
		{"deeper", "hitl: {chanels: []}", "hitl.chanels", "did you mean channels?"},
		{"in the wrong place", "port: 9000", "port", "did you mean a2a.port?"},
		{"one level too deep", "a2a: {skills: [x]}", "a2a.skills", "did you mean skills?"},
		{"in one of several places", "timeout: 5", "timeout", "did you mean runtime_config.timeout or delegation.timeout or sandbox.timeout?"},
		{"below runtime_config", "runtime_config: {requird_env: [X]}", "runtime_config.requird_env", "did you mean required_env?"},
		{"nothing alike", "colour: blue", "colour", "remove it; nothing reads it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, report := parse(t, test.text)
			p := problem(t, report, test.key)
			if diff := cmp.Diff(test.fix, p.Fix); diff != "" || len(report) != 1 {
				t.Errorf("fix (-want +got):\n%s\nreport:\n%s", diff, report)
			}
		})
	}
}

// Keys that other programs read are no mistakes, and under runtime_config every
// adapter has keys of its own, some of them close to the library's.
func TestKeysOfOthersAreLeftAlone(t *testing.T) {
	clean(t, `
models: [{id: a}]
providers: {openai: {}}
bridge: {port: 1}
memory: {backend: files}
env: {required: [A]}
template_schema_version: 1
runtime_config:
  provider: openai
  providers: {}
  models: [{id: a, name: A}]
  agent_name: Ada
  temperature: 0.1
  gateway_port: 8642
  provider_url: https://llm.example.com
  mode: fast
  timing: exact
  arg: 1
`)
}
