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

// place is a config directory with files.
func place(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noEnv(string) string { return "" }

func TestLoad(t *testing.T) {
	dir := place(t, map[string]string{"config.yaml": "name: here\ninitial_prompt_file: p.md\nidle_prompt: inline\nidle_prompt_file: p.md\n", "p.md": " from the file\n"})
	c, report, err := config.Load(dir, noEnv)
	if err != nil || len(report) != 0 {
		t.Fatalf("Load() = %v\n%s", err, report)
	}
	if c.Name != "here" || c.Dir != dir || c.InitialPrompt != "from the file" || c.IdlePrompt != "inline" {
		t.Errorf("got %q %q %q %q", c.Name, c.Dir, c.InitialPrompt, c.IdlePrompt)
	}
}

func TestAMissingFileIsDefaultsAndAWarning(t *testing.T) {
	c, report, err := config.Load(t.TempDir(), noEnv)
	if err != nil || len(report) != 1 || report[0].Severity != config.Warning {
		t.Errorf("Load() = %v\n%s", err, report)
	}
	if c.Name != "Workspace" {
		t.Errorf("name %q", c.Name)
	}
}

func TestAFileThatIsADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "config.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, report, err := config.Load(dir, noEnv); !errors.Is(err, config.ErrInvalid) || report[0].Fix == "" {
		t.Errorf("Load() = %v\n%s", err, report)
	}
}

// CFG-6: a prompt file could be read from anywhere.
func TestPromptFilesStayInTheConfigDirectory(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../" + filepath.Base(filepath.Dir(outside)) + "/secret", outside, "link"} {
		dir := place(t, map[string]string{"config.yaml": "initial_prompt_file: " + file + "\n"})
		if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		c, report, _ := config.Load(dir, noEnv)
		if c.InitialPrompt != "" || len(report) != 1 || report[0].Key != "initial_prompt_file" || report[0].Line != 1 {
			t.Errorf("%s: prompt %q\n%s", file, c.InitialPrompt, report)
		}
	}
	dir := place(t, map[string]string{"config.yaml": "initial_prompt_file: none.md\n"})
	if _, report, err := config.Load(dir, noEnv); err != nil || len(report) != 1 || report[0].Severity != config.Warning {
		t.Errorf("a missing prompt file: %v\n%s", err, report)
	}
}

func TestDir(t *testing.T) {
	for _, c := range []struct{ configs, path, want string }{{"", "", "/configs"}, {"", "/p", "/p"}, {"/c", "/p", "/c"}} {
		got := config.Dir(func(k string) string {
			return map[string]string{"CONFIGS_DIR": c.configs, "WORKSPACE_CONFIG_PATH": c.path}[k]
		})
		if got != c.want {
			t.Errorf("Dir() with %q and %q = %q, want %q", c.configs, c.path, got, c.want)
		}
	}
}

// preflight loads dir and looks at it.
func preflight(t *testing.T, dir string, env config.PreflightEnv) config.Report {
	t.Helper()
	c, _, err := config.Load(dir, noEnv)
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
	dir := place(t, map[string]string{"config.yaml": "name: x\nskills: [s]\nprompt_files: [a.md]\n", ".auth_token": "t", "skills/s/SKILL.md": "", "a.md": ""})
	if r := preflight(t, dir, config.PreflightEnv{AdapterName: "other"}); len(r) != 0 {
		t.Errorf("problems:\n%s", r)
	}
}

// PF-3: alternatives could not be expressed.
func TestRequiredVariables(t *testing.T) {
	dir := place(t, map[string]string{"config.yaml": "runtime_config:\n  required_env: [A, B|C, 'D | E']\n", ".auth_token": "t"})
	env := map[string]string{"C": "set"}
	r := preflight(t, dir, config.PreflightEnv{Getenv: func(k string) string { return env[k] }})
	says(t, r, config.Error, "config.yaml:2:3: runtime_config.required_env: the variable A is not set")
	says(t, r, config.Error, "none of the variables D, E is set")
	if len(r) != 2 {
		t.Errorf("%d problems, want two:\n%s", len(r), r)
	}
}

func TestPlacesWhereSomethingIsWrong(t *testing.T) {
	dir := place(t, map[string]string{
		"config.yaml": "runtime: langgraph\nskills: [s, s]\nprompt_files: [none.md]\nruntime_config: {auth_token_file: none}\n", ".auth_token": "t",
	})
	if err := os.Chmod(filepath.Join(dir, ".auth_token"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := preflight(t, dir, config.PreflightEnv{AdapterName: "echo", Platform: func(context.Context) error { return errors.New("connection refused") }})
	says(t, r, config.Warning, "runtime: names another adapter than this one, which is echo")
	says(t, r, config.Warning, "no file skills/s/SKILL.md")
	says(t, r, config.Warning, "listed twice")
	says(t, r, config.Warning, "none.md")
	says(t, r, config.Warning, "deprecated")
	says(t, r, config.Error, "auth_token_file: the file does not exist")
	says(t, r, config.Warning, "read by others")
	says(t, r, config.Warning, "connection refused")
}

func TestTheDeprecatedTokenFileHasItsSubstitutes(t *testing.T) {
	for _, text := range []string{
		"runtime_config: {auth_token_file: none, auth_token_env: SET}",
		"runtime_config: {auth_token_file: none, required_env: [SET, UNSET|SET]}",
		"runtime_config: {auth_token_file: config.yaml}",
	} {
		dir := place(t, map[string]string{"config.yaml": text, ".auth_token": "t"})
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
