// Custom-image is an adapter as its author keeps it: in a module of its own,
// built into a workspace image of its own.
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func main() {
	runtime.Main(runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := fmt.Fprint(reply, strings.ToUpper(turn.Text()))
		return err
	}))
}
