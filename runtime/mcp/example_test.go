package mcp_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/mcp"
)

// The binary of this program is an adapter and, as ADAPTER mcp, the MCP server
// of its own agent.
func Example() {
	runtime.Main(runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := io.WriteString(reply, turn.Text())
		return err
	}), mcp.Enable(mcp.WithHTTP("127.0.0.1:9100")))
}

// An agent that reads its servers from a JSON file is told of ours before it is
// started.
func ExampleWriteJSON() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "settings.json")
	if err := os.WriteFile(path, []byte(`{"theme": "dark"}`), 0o600); err != nil {
		panic(err)
	}
	if err := mcp.WriteJSON(path, mcp.Entry{Name: mcp.ServerName, Command: "/adapter", Args: []string{"mcp"}}); err != nil {
		panic(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(raw))
	// Output:
	// {"theme": "dark","mcpServers":{"workspace":{
	//       "args": [
	//         "mcp"
	//       ],
	//       "command": "/adapter"
	//     }}}
}
