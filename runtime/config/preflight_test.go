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

func TestThePortOfAConfigMadeByHand(t *testing.T) {
	for _, port := range []int{0, -1, 65536} {
		c := config.Default()
		c.Dir, c.A2A.Port = t.TempDir(), port
		says(t, config.Preflight(t.Context(), c, config.PreflightEnv{}), config.Error, "out of range")
	}
}

func TestAFreePortIsLeftFree(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Dir, c.A2A.Port = t.TempDir(), l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := config.Preflight(t.Context(), c, config.PreflightEnv{}); r.Err() != nil {
			t.Errorf("problems:\n%s", r)
		}
	}
}

// The caller's context ends the checks that could wait.
func TestAPreflightThatIsCancelledSaysNothingOfThePort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := config.Default()
	c.Dir = t.TempDir()
	r := config.Preflight(ctx, c, config.PreflightEnv{Platform: func(ctx context.Context) error { return ctx.Err() }})
	if r.Err() != nil {
		t.Errorf("problems:\n%s", r)
	}
}

// A directory that cannot be written to loses the platform's token, unless
// there is one already: then a read-only mount is as good as any.
func TestAReadOnlyDirectoryIsAnErrorOnlyWithoutAToken(t *testing.T) {
	file := filepath.Join(directory(t, map[string]string{"file": ""}), "file")
	token := filepath.Join(directory(t, map[string]string{"token": "t"}), "token")
	c := config.Default()
	c.Dir = file
	says(t, config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true, TokenPath: file}), config.Error, "not a directory")
	says(t, config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true, TokenPath: token}), config.Warning, "not a directory")
}

func TestThePreflightLeavesNothingBehind(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": ""})
	preflight(t, dir, config.PreflightEnv{})
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestFilesOfTheConfigDirectory(t *testing.T) {
	outside := filepath.Join(directory(t, map[string]string{"skill/SKILL.md": "", "prompt.md": ""}))
	for _, test := range []struct {
		name, text string
		severity   config.Severity
		says       string
	}{
		{"default prompt", "name: x", config.Warning, `prompt_files: there is no file "system-prompt.md"`},
		{"prompt", "prompt_files: [other.md]", config.Warning, `no file "other.md"`},
		{"prompt above", "prompt_files: [../other.md]", config.Error, "outside of the config directory"},
		{"prompt elsewhere", "prompt_files: [/etc/passwd]", config.Error, "outside of the config directory"},
		{"prompt by a link", "prompt_files: [link/prompt.md]", config.Error, "outside of the config directory"},
		{"prompt that is a directory", "prompt_files: [dir]", config.Warning, "it is a directory"},
		{"skill", "skills: [other]", config.Warning, `no file "skills/other/SKILL.md"`},
		{"skill above", "skills: [../../x]", config.Error, "not the name of a skill"},
		{"skill that is a path", "skills: [a/b]", config.Error, "not the name of a skill"},
		{"skill without a name", "skills: ['']", config.Error, "not the name of a skill"},
		{"skill by a link", "skills: [linked]", config.Error, "outside of the config directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := directory(t, map[string]string{"config.yaml": test.text, "dir/x": "", "skills/x/SKILL.md": ""})
			for from, to := range map[string]string{"link": outside, "skills/linked": filepath.Join(outside, "skill")} {
				if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
					t.Fatal(err)
				}
			}
			says(t, preflight(t, dir, config.PreflightEnv{}), test.severity, test.says)
		})
	}
}

// Kubernetes mounts files as links to links; they stay inside.
func TestLinksInsideTheDirectoryAreFollowed(t *testing.T) {
	dir := directory(t, map[string]string{"..1/config.yaml": "name: mounted\ninitial_prompt_file: p.md\nprompt_files: [p.md]\n", "..1/p.md": "hello", ".auth_token": "t"})
	for from, to := range map[string]string{"..data": "..1", "config.yaml": "..data/config.yaml", "p.md": "..data/p.md"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := config.Load(dir, nil)
	if err != nil || c.Name != "mounted" || c.InitialPrompt != "hello" {
		t.Errorf("Load() = %v, prompt %q, %v", c, c.InitialPrompt, err)
	}
	if r := preflight(t, dir, config.PreflightEnv{}); len(r) != 0 {
		t.Errorf("problems:\n%s", r)
	}
}

// The templates say per model which variables it needs; a missing key started
// silently and never replied.
func TestTheVariablesOfTheChosenModel(t *testing.T) {
	dir := directory(t, map[string]string{".auth_token": "t", "config.yaml": `
prompt_files: []
model: b
runtime_config:
  required_env: [SHARED]
  models:
    - {id: a, required_env: [FOR_A]}
    - {id: b, name: B, required_env: [SHARED, FOR_B]}
`})
	r := preflight(t, dir, config.PreflightEnv{Getenv: environment(map[string]string{"SHARED": "x"})})
	says(t, r, config.Warning, "the variable FOR_B, which the chosen model asks for, is not set")
	if len(r) != 1 {
		t.Errorf("%d problems, want one:\n%s", len(r), r)
	}
	for _, other := range []string{"models: none", "models: [a, b]", "models: {b: {}}"} {
		c := clean(t, "model: b\nruntime_config: {"+other+"}\n")
		c.Dir = directory(t, map[string]string{".auth_token": "t"})
		if r := config.Preflight(t.Context(), c, config.PreflightEnv{SkipPort: true}); len(r) != 0 {
			t.Errorf("%s: %s", other, r)
		}
	}
}

func TestTheToken(t *testing.T) {
	for name, path := range map[string]string{
		"there is no token yet": filepath.Join(t.TempDir(), "none"),
		"is empty":              filepath.Join(directory(t, map[string]string{"token": ""}), "token"),
		"is no file":            t.TempDir(),
	} {
		dir := directory(t, map[string]string{"config.yaml": "prompt_files: []"})
		says(t, preflight(t, dir, config.PreflightEnv{TokenPath: path}), config.Warning, name)
	}
}
