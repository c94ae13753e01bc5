package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// shellCommands are the sub-commands for agents that work in a shell. Each is a
// tool of the same table that a model gets, so that there is no second way of
// doing it.
func shellCommands() []Command {
	return []Command{
		shellCommand("peers", "[QUERY]", "who work can be delegated to", func(args []string) (string, map[string]any, bool) {
			return "list_peers", textInput("query", args), true
		}),
		shellCommand("info", "", "who this workspace is", func(args []string) (string, map[string]any, bool) {
			return "get_workspace_info", nil, len(args) == 0
		}),
		shellCommand("delegate", "[--async] ID TEXT", "hand work to a peer", func(args []string) (string, map[string]any, bool) {
			name := "delegate_task"
			if len(args) > 0 && args[0] == "--async" { // only there: further on it is part of the text
				name, args = "delegate_task_async", args[1:]
			}
			if len(args) < 2 || strings.HasPrefix(args[0], "-") {
				return "", nil, false
			}
			input := textInput("task", args[1:])
			input["workspace_id"] = args[0]
			return name, input, true
		}),
		shellCommand("status", "[ID]", "how that stands", func(args []string) (string, map[string]any, bool) {
			return "check_task_status", textInput("task_id", args), len(args) <= 1
		}),
		shellCommand("notify", "TEXT", "show the user a message", func(args []string) (string, map[string]any, bool) {
			return "send_message_to_user", textInput("message", args), len(args) > 0
		}),
		shellCommand("memory", "commit TEXT | recall [QUERY]", "remember and recall", func(args []string) (string, map[string]any, bool) {
			switch {
			case len(args) > 1 && args[0] == "commit":
				return "commit_memory", textInput("content", args[1:]), true
			case len(args) > 0 && args[0] == "recall":
				return "recall_memory", textInput("query", args[1:]), true
			}
			return "", nil, false
		}),
		{Name: "tools", Usage: "all tools, with their inputs", Run: listTools},
	}
}

// textInput is an input with one field, the words of the command line.
func textInput(field string, words []string) map[string]any {
	if len(words) == 0 {
		return map[string]any{}
	}
	return map[string]any{field: strings.Join(words, " ")}
}

// shellCommand calls one tool. read makes its input of the arguments, or says
// that they are not as they should be. What the tool says goes to standard
// output, a failure is the error.
func shellCommand(name, args, usage string, read func(args []string) (tool string, input map[string]any, ok bool)) Command {
	return Command{Name: name, Args: args, Usage: usage, Run: func(ctx context.Context, env CommandEnv) error {
		tool, input, ok := read(env.Args)
		if !ok {
			return ErrUsage
		}
		table, err := env.Tools()
		if err != nil {
			return err
		}
		raw, err := json.Marshal(input)
		if err != nil {
			return err
		}
		result, _ := table.Call(ctx, tool, raw) // what went wrong is in the result
		if result.IsError {
			return errors.New(result.Text)
		}
		fmt.Fprintln(env.Stdout, result.Text)
		return nil
	}}
}

// listTools shows the table.
func listTools(_ context.Context, env CommandEnv) error {
	if len(env.Args) > 0 {
		return ErrUsage
	}
	table, err := env.Tools()
	if err != nil {
		return err
	}
	for _, t := range table.Tools() {
		fmt.Fprintf(env.Stdout, "%s\n    %s\n    input: %s\n", t.Name(), t.Description(), t.InputSchema())
	}
	return nil
}
