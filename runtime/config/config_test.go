package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// parse parses a text with an empty environment.
func parse(t *testing.T, text string) (*config.Config, config.Report) {
	t.Helper()
	cfg, report, err := config.Parse([]byte(text), "config.yaml", nil)
	if cfg == nil {
		t.Fatal("Parse returned no Config")
	}
	if (err != nil) != (report.Err() != nil) {
		t.Fatalf("Parse returned the error %v, its report %v", err, report.Err())
	}
	return cfg, report
}

// clean parses a text that must not be complained of.
func clean(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, report := parse(t, text)
	if len(report) > 0 {
		t.Fatalf("unexpected report:\n%s", report)
	}
	return cfg
}

// brief is a report in short: "error 3:9 a2a.port".
func brief(report config.Report) []string {
	var all []string
	for _, p := range report {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %d:%d %s", p.Severity, p.Line, p.Column, p.Key)))
	}
	return all
}

func wantBrief(t *testing.T, report config.Report, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, brief(report)); diff != "" {
		t.Errorf("problems (-want +got):\n%s\nreport:\n%s", diff, report)
	}
}

// problem returns the only problem with the key.
func problem(t *testing.T, report config.Report, key string) config.Problem {
	t.Helper()
	var found []config.Problem
	for _, p := range report {
		if p.Key == key {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d problems with %s, want 1; report:\n%s", len(found), key, report)
	}
	return found[0]
}

// faults are the errors of a report.
func faults(report config.Report) config.Report {
	var all config.Report
	for _, p := range report {
		if p.Severity == config.Error {
			all = append(all, p)
		}
	}
	return all
}

func wantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not contain %q", text, part)
		}
	}
}

// directory makes a config directory with files in it.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// environment is a getenv over a map.
func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}
