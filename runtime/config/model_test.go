package config_test

import (
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

func TestWhichModelIsInEffect(t *testing.T) {
	for _, test := range []struct{ name, env, text, model, source, provider string }{
		{"nothing", "", "", config.DefaultModel, "default", ""},
		{"top level", "", "model: a", "a", "model", ""},
		{"runtime_config alone", "", "runtime_config: {model: b, provider: p}", "b", "runtime_config.model", "p"},
		{"both", "", "model: a\nruntime_config: {model: b}", "a", "model", ""},
		{"empty at the top level", "", "model: ''\nruntime_config: {model: b}", "b", "runtime_config.model", ""},
		{"the default, written down", "", "model: " + config.DefaultModel, config.DefaultModel, "model", ""},
		{"the variable", "x:y", "model: a", "x:y", "MODEL_PROVIDER", ""},
		{"the variable without a colon", "gpt-5", "model: a\nruntime_config: {provider: openai}", "gpt-5", "MODEL_PROVIDER", "openai"},
		{"the variable with blanks", " gpt-5\n", "", "gpt-5", "MODEL_PROVIDER", ""},
		{"the variable names a provider", "OpenAI", "model: a", "a", "model", "openai"},
		{"the variable names the provider of the file", "Acme", "model: a\nruntime_config: {provider: acme}", "a", "model", "acme"},
		{"the variable is empty", "", "model: a", "a", "model", ""},
		{"a model that is no text", "", "model: [a]\nruntime_config: {model: b}", "b", "runtime_config.model", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, _ := config.Parse([]byte(test.text), "f", environment(map[string]string{"MODEL_PROVIDER": test.env}))
			if got.Model != test.model || got.ModelSource != test.source || got.Provider != test.provider {
				t.Errorf("got %q from %s, provider %q; want %q from %s, provider %q",
					got.Model, got.ModelSource, got.Provider, test.model, test.source, test.provider)
			}
		})
	}
}

func TestModelsThatDisagreeAreSaid(t *testing.T) {
	_, report := parse(t, "model: a\nruntime_config:\n  model: b\n")
	wantBrief(t, report, "warning 3:3 runtime_config.model")

	// A provider without a model gets the default model, which is another
	// provider's.
	_, report, _ = config.Parse(nil, "f", environment(map[string]string{"MODEL_PROVIDER": "openai"}))
	wantBrief(t, report, "warning 0:0 MODEL_PROVIDER")
	_, report, _ = config.Parse(nil, "f", environment(map[string]string{"MODEL_PROVIDER": "anthropic"}))
	wantBrief(t, report)
}
