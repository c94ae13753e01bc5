// Tools is an agent without a model that uses every tool a workspace has. A
// message is a command, and each command is a tool:
//
//	peers [QUERY]            who work can be delegated to
//	info                     who this workspace is
//	delegate NAME TEXT       hand work to a peer and wait for the answer
//	async NAME TEXT          hand it over; the result comes as a message later
//	route NAME TEXT          the same for a child of this workspace
//	status [ID]              how that stands
//	tell TEXT                show the user a message
//	send PATH                show the user a file
//	remember TEXT            and recall [QUERY]
//	ask ACTION because WHY   ask a person for leave
//	count TEXT               a tool of this adapter's own
//	tour                     all of it, one after another
//
// Alone it brings its own platform along, takes the tour and ends:
//
//	go run ./examples/tools
//
// With WORKSPACE_ID and PLATFORM_URL it is an adapter like every other.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/examples/internal/demo"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func main() {
	if !demo.Wanted() {
		runtime.Main(&Agent{}, runtime.WithTools(countWords))
	}
	if err := play(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

// play takes the tour on a platform of its own.
func play(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	agent := &Agent{Results: make(chan runtime.Delegation, 1)}
	stage, err := demo.Start(ctx, agent, runtime.WithTools(countWords))
	if err != nil {
		return err
	}
	defer func() {
		if closed := stage.Close(); err == nil {
			err = closed
		}
	}()
	said, err := stage.Say(ctx, "tour")
	if err != nil {
		return err
	}
	fmt.Fprint(out, said)
	select {
	case d := <-agent.Results:
		fmt.Fprintf(out, "Woken for the result of delegation %s (%s): %s\n", d.DelegationID, d.Status, d.Response)
	case <-ctx.Done():
		return fmt.Errorf("waiting for the result of the asynchronous delegation: %w", ctx.Err())
	}
	for _, n := range stage.Row.Notifications() {
		fmt.Fprintf(out, "The user was shown: %s\n", n.Message)
	}
	return nil
}
