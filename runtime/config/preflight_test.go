package config_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// preflight loads dir and looks at it.
func preflight(t *testing.T, dir string, env config.PreflightEnv) config.Report {
	t.Helper()
	c, _, err := config.Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	env.SkipPort = true
	return config.Preflight(t.Context(), c, env)
}

func says(t *testing.T, r config.Report, s config.Severity, text string) {
	t.Helper()
	for _, p := range r {
		if p.Severity == s && strings.Contains(p.String(), text) && p.Fix != "" {
			return
		}
	}
	t.Errorf("no %s with a fix says %q:\n%s", s, text, r)
}

func TestAPlaceWhereAllIsWell(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": "name: x\nskills: [s]\nprompt_files: [a.md]\n", ".auth_token": "t", "skills/s/SKILL.md": "", "a.md": ""})
	if r := preflight(t, dir, config.PreflightEnv{AdapterName: "other"}); len(r) != 0 {
		t.Errorf("problems:\n%s", r)
	}
}

// PF-3: alternatives could not be expressed.
func TestRequiredVariables(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": "runtime_config:\n  required_env: [A, B|C, 'D | E']\nprompt_files: []\n", ".auth_token": "t"})
	env := map[string]string{"C": "set"}
	r := preflight(t, dir, config.PreflightEnv{Getenv: func(k string) string { return env[k] }})
	says(t, r, config.Error, "config.yaml:2:3: runtime_config.required_env: the variable A is not set")
	says(t, r, config.Error, "none of the variables D, E is set")
	if len(r) != 2 {
		t.Errorf("%d problems, want two:\n%s", len(r), r)
	}
}

func TestPlacesWhereSomethingIsWrong(t *testing.T) {
	dir := directory(t, map[string]string{
		"config.yaml": "runtime: langgraph\nskills: [s, s]\nprompt_files: [none.md]\nruntime_config: {auth_token_file: none}\n", ".auth_token": "t",
	})
	r := preflight(t, dir, config.PreflightEnv{AdapterName: "echo", Platform: func(context.Context) error { return errors.New("connection refused") }})
	says(t, r, config.Warning, "runtime: names another adapter than this one, which is echo")
	says(t, r, config.Warning, `no file "skills/s/SKILL.md"`)
	says(t, r, config.Warning, "listed twice")
	says(t, r, config.Warning, "none.md")
	says(t, r, config.Error, "auth_token_file: the file does not exist")
	says(t, r, config.Warning, "connection refused")
}

func TestTheDeprecatedTokenFileHasItsSubstitutes(t *testing.T) {
	for _, text := range []string{
		"runtime_config: {auth_token_file: none, auth_token_env: SET}",
		"runtime_config: {auth_token_file: none, required_env: [SET, UNSET|SET]}",
		"runtime_config: {auth_token_file: config.yaml}",
	} {
		dir := directory(t, map[string]string{"config.yaml": text, ".auth_token": "t"})
		r := preflight(t, dir, config.PreflightEnv{Getenv: func(k string) string { return map[string]string{"SET": "x"}[k] }})
		if r.Err() != nil {
			t.Errorf("%s: %s", text, r)
		}
	}
}

// Root may write anywhere, but not below a file.
func TestADirectoryThatCannotBeWrittenTo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Dir = file
	says(t, config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true}), config.Error, "not a directory")
	c.Dir = filepath.Join(file, "below")
	if r := config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true}); r.Err() == nil {
		t.Errorf("no error:\n%s", r)
	}
	c.Dir = filepath.Join(t.TempDir(), "new")
	if r := config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true}); r.Err() != nil {
		t.Errorf("a directory that can be made: %s", r)
	}
}

// PF-1: the port is a finding, not an exception.
func TestThePort(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config.Default()
	c.Dir, c.A2A.Port = t.TempDir(), l.Addr().(*net.TCPAddr).Port
	says(t, config.Preflight(t.Context(), c, config.PreflightEnv{}), config.Error, "is in use")
}
