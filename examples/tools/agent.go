package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Agent does what commands say.
type Agent struct {
	// Results, when there is one, gets the results of delegations. It must be
	// read.
	Results chan runtime.Delegation

	ws *runtime.Workspace
}

// Describe tells callers what to expect of it.
func (a *Agent) Describe() runtime.Description {
	return runtime.Description{Name: "Tools", Description: "Uses the tools of its workspace as it is told.", Version: "1.0.0"}
}

// SetUp keeps the workspace: its tools are asked for in each turn.
func (a *Agent) SetUp(_ context.Context, ws *runtime.Workspace) error {
	a.ws = ws
	ws.Tools() // from now on the workspace follows who is in its team
	return nil
}

// Run does one command, or takes note of a result that has come.
func (a *Agent) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	if results := turn.Delegations(); results != nil {
		return a.take(ctx, results, reply)
	}
	command := turn.Text()
	if strings.TrimSpace(command) == "tour" {
		return a.tour(ctx, turn, reply)
	}
	result, err := a.do(ctx, turn.TaskID(), command)
	if err != nil {
		return runtime.Public(err, err.Error())
	}
	if result.IsError { // the text is made to be read: it says what to do
		return runtime.Public(nil, result.Text)
	}
	_, err = fmt.Fprintln(reply, result.Text)
	return err
}

// take is the turn that the runtime wakes the agent for when delegated work is
// done. It must succeed, or the result comes again.
func (a *Agent) take(ctx context.Context, results []runtime.Delegation, reply *runtime.Reply) error {
	for _, d := range results {
		if _, err := fmt.Fprintf(reply, "Delegation %s is %s.\n", d.DelegationID, d.Status); err != nil {
			return err
		}
		if a.Results == nil {
			continue
		}
		select {
		case a.Results <- d:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// do does one command. The call has the identity id: should the turn come
// again, nothing that the tool does outside happens twice.
func (a *Agent) do(ctx context.Context, id, command string) (tool.Result, error) {
	name, input, err := a.parse(ctx, command)
	if err != nil {
		return tool.Result{}, err
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return tool.Result{}, err
	}
	result, _ := a.ws.Tools().Call(tool.WithCallID(ctx, id), name, raw) // what went wrong is in the result
	return result, nil
}

// tour does a command for every tool there is. A tool that fails ends it.
func (a *Agent) tour(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	first, err := a.firstPeer(ctx)
	if err != nil {
		return runtime.Public(err, err.Error())
	}
	// The team is kept up to date by itself; the tour may be too early for that.
	if err := a.ws.Team().Refresh(ctx); err != nil {
		return runtime.Public(err, "the team cannot be read: try again later")
	}
	commands := []string{
		"info",
		"peers",
		"delegate " + first + " say hello",
		"async " + first + " take your time",
		"status",
		"remember the peer " + first + " is loud",
		"recall loud",
		"ask end the tour because it is nearly over",
		"tell the tour is nearly over",
		"count how many words are these",
	}
	if len(a.ws.Team().Children()) > 0 {
		commands = append(commands, "route "+first+" one more thing")
	}
	for i, command := range commands {
		result, err := a.do(ctx, fmt.Sprintf("%s/%d", turn.TaskID(), i), command)
		if err == nil && result.IsError {
			err = errors.New(result.Text)
		}
		if err != nil {
			return runtime.Public(err, fmt.Sprintf("%s: %v", command, err))
		}
		if _, err := fmt.Fprintf(reply, "> %s\n%s\n\n", command, result.Text); err != nil {
			return err
		}
	}
	return nil
}

type words struct {
	Text string `json:"text" jsonschema:"the text whose words are counted"`
}

// countWords is a tool of the adapter's own: a function and a struct.
var countWords = tool.New("count_words", "Counts the words of a text.",
	func(_ context.Context, in words) (string, error) {
		return fmt.Sprintf("%d words", len(strings.Fields(in.Text))), nil
	}, tool.WithHints(tool.Hints{ReadOnly: true, Idempotent: true}))
