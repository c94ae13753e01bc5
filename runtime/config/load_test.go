package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

func TestLoad(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": "name: here\ninitial_prompt_file: p.md\nidle_prompt: inline\nidle_prompt_file: p.md\n", "p.md": " from the file\n"})
	c, report, err := config.Load(dir, nil)
	if err != nil {
		t.Fatalf("Load() = %v\n%s", err, report)
	}
	if c.Name != "here" || c.Dir != dir || c.InitialPrompt != "from the file" || c.IdlePrompt != "inline" {
		t.Errorf("got %q %q %q %q", c.Name, c.Dir, c.InitialPrompt, c.IdlePrompt)
	}
}

func TestAMissingFileIsDefaultsAndAWarning(t *testing.T) {
	c, report, err := config.Load(t.TempDir(), nil)
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
	if _, report, err := config.Load(dir, nil); !errors.Is(err, config.ErrInvalid) || report[0].Fix == "" {
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
		dir := directory(t, map[string]string{"config.yaml": "initial_prompt_file: " + file + "\n"})
		if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		c, report, _ := config.Load(dir, nil)
		p := problem(t, faults(report), "initial_prompt_file")
		if c.InitialPrompt != "" || p.Line != 1 || !strings.Contains(p.Message, "outside") {
			t.Errorf("%s: prompt %q\n%s", file, c.InitialPrompt, report)
		}
	}
	dir := directory(t, map[string]string{"config.yaml": "initial_prompt_file: none.md\n"})
	if _, report, err := config.Load(dir, nil); err != nil || !strings.Contains(report.String(), "there is no file") {
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

func TestWhatAPromptFileMayHold(t *testing.T) {
	for _, test := range []struct{ name, content, prompt, says string }{
		{"text", "\n  Hello,\n  you.\n\n", "Hello,\n  you.", ""},
		{"CRLF", "\ufeffa\r\nb\r\n", "a\nb", ""},
		{"nothing", "", "", ""},
		{"NUL", "a\x00b", "", "NUL"},
		{"no UTF-8", "caf\xe9", "", "not UTF-8"},
		{"too much", strings.Repeat("x", config.MaxFileSize+1), "", "more than 1048576 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := directory(t, map[string]string{"config.yaml": "idle_prompt_file: sub/p.md\n", "sub/p.md": test.content})
			cfg, report, err := config.Load(dir, nil)
			if (err != nil) != (test.says != "") || cfg.IdlePrompt != test.prompt {
				t.Errorf("prompt %.40q, error %v", cfg.IdlePrompt, err)
			}
			wantContains(t, report.String(), test.says)
		})
	}
}

func TestThePromptThatIsWrittenDownWins(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": "initial_prompt: inline\ninitial_prompt_file: ../nowhere\n"})
	cfg, report, err := config.Load(dir, nil)
	if err != nil || cfg.InitialPrompt != "inline" {
		t.Errorf("prompt %q, error %v", cfg.InitialPrompt, err)
	}
	wantContains(t, report.String(), "is not read, since initial_prompt is set too")
}

func TestTheErrorHasItsCauses(t *testing.T) {
	dir := directory(t, map[string]string{"config.yaml": "initial_prompt_file: loop\na2a: {port: x}\n"})
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	_, report, err := config.Load(dir, nil)
	if !errors.Is(err, config.ErrInvalid) || !errors.Is(err, syscall.ELOOP) {
		t.Errorf("Load() = %v, want ErrInvalid and ELOOP in its tree", err)
	}
	wantContains(t, err.Error(), "config.yaml:1:1: initial_prompt_file: ", "config.yaml:2:13: a2a.port: ")
	if got := (config.Report{}).Err(); got != nil {
		t.Errorf("the error of a clean report is %v", got)
	}
	if len(faults(report)) != 2 {
		t.Errorf("report:\n%s", report)
	}
}
