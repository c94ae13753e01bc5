// Package agent is the agent of the programs that are weighed.
package agent

import (
	"context"
	"fmt"
	"strconv"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// Agent answers a number with as many chunks.
type Agent struct{}

// Run writes the chunks, and says what a real agent would.
func (Agent) Run(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	n, err := strconv.Atoi(turn.Text())
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := fmt.Fprintf(reply, "this is chunk number %d ", i); err != nil {
			return err
		}
	}
	reply.Model("example:small")
	reply.Usage(100, n)
	return nil
}
