package config_test

import (
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// What somebody wrote where a key or a name belongs may be a secret.
func TestNoProblemQuotesAValue(t *testing.T) {
	for _, text := range []string{
		"runtime_config: {api_key: *hunter2}\n",
		"runtime_config: {api_key: !hunter2}\n",
		"runtime_config: {api_key: !hunter2 x}\n",
		"runtime_config: {required_env: ['API_KEY=hunter2']}\n",
	} {
		c, report, _ := config.Parse([]byte(text), "f", nil)
		c.Dir = t.TempDir()
		report = append(report, config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true})...)
		if shown := report.String(); report.Err() == nil || strings.Contains(shown, "hunter2") {
			t.Errorf("%s shows\n%s", text, shown)
		}
	}
}
