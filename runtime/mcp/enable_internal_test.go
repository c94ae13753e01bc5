package mcp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// A directory whose path is too long for a socket: the workspace could not open
// it either, and the token file is there.
func TestASocketWithATooLongPathIsNoWorkspace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := stdio(t.Context(), runtime.CommandEnv{ConfigDir: dir, Tools: func() (*tool.Table, error) { return nil, fs.ErrClosed }})
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the tools of this process are not asked for: %v", err)
	}
}
