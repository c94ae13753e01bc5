//go:build unix

package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// Opening a pipe would wait for a writer that never comes.
func TestAPipeIsNotWaitedFor(t *testing.T) {
	dir := directory(t, map[string]string{"p.yaml": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, "config.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, report, err := config.Load(dir, nil); !errors.Is(err, config.ErrInvalid) || !strings.Contains(report.String(), "not a regular file") {
		t.Errorf("Load() = %v", err)
	}
	dir = directory(t, map[string]string{"config.yaml": "initial_prompt_file: pipe\n"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, report, err := config.Load(dir, nil); err == nil || !strings.Contains(report.String(), "not a regular file") {
		t.Errorf("Load() = %v", err)
	}
}
