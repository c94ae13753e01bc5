//go:build unix

package tool_test

import (
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// A pipe without a writer must not hold the call up for ever.
func TestAPipeIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		table := layWithFiles(t).table(tool.Platform{Files: tool.Files{Roots: []string{filepath.Dir(pipe)}}})
		fails(t, table, "send_message_to_user", attach(pipe), "no ordinary file")
	})
}
