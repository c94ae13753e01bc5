package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// shellCommand is a sub-command that calls one tool of the table.
type shellCommand struct {
	usage string
	// call reads the arguments: the tool and its input, or false when they are
	// not as usage says.
	call func(args []string) (name string, input map[string]any, ok bool)
}

// shell are the sub-commands for agents that work in a shell. Each is a tool of
// the same table that a model gets, so that there is no second way of doing it.
var shell = map[string]shellCommand{
	"peers": {"peers [QUERY]", func(args []string) (string, map[string]any, bool) {
		return "list_peers", textInput("query", args), true
	}},
	"info": {"info", func(args []string) (string, map[string]any, bool) {
		return "get_workspace_info", nil, len(args) == 0
	}},
	"delegate": {"delegate [--async] ID TEXT", func(args []string) (string, map[string]any, bool) {
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
	}},
	"status": {"status [ID]", func(args []string) (string, map[string]any, bool) {
		return "check_task_status", textInput("task_id", args), len(args) <= 1
	}},
	"notify": {"notify TEXT", func(args []string) (string, map[string]any, bool) {
		return "send_message_to_user", textInput("message", args), len(args) > 0
	}},
	"memory": {"memory commit TEXT | memory recall [QUERY]", func(args []string) (string, map[string]any, bool) {
		switch {
		case len(args) > 1 && args[0] == "commit":
			return "commit_memory", textInput("content", args[1:]), true
		case len(args) > 0 && args[0] == "recall":
			return "recall_memory", textInput("query", args[1:]), true
		}
		return "", nil, false
	}},
}

// textInput is an input with one field, the words of the command line.
func textInput(field string, words []string) map[string]any {
	if len(words) == 0 {
		return map[string]any{}
	}
	return map[string]any{field: strings.Join(words, " ")}
}

// tool runs a sub-command that calls a tool. What it says goes to standard
// output, a failure to standard error with the exit code 1.
func (p program) tool(c shellCommand, args []string) int {
	name, input, ok := c.call(args)
	if !ok {
		fmt.Fprintf(p.stderr, "usage: %s\n", c.usage)
		return 2
	}
	table, code := p.table()
	if table == nil {
		return code
	}
	raw, err := json.Marshal(input)
	if err != nil {
		fmt.Fprintln(p.stderr, err)
		return 1
	}
	ctx, stop := p.untilSignal()
	defer stop()
	result, _ := table.Call(ctx, name, raw) // what went wrong is in the result
	if result.IsError {
		fmt.Fprintln(p.stderr, result.Text)
		return 1
	}
	fmt.Fprintln(p.stdout, result.Text)
	return 0
}

// tools lists the table.
func (p program) tools() int {
	table, code := p.table()
	if table == nil {
		return code
	}
	for _, t := range table.Tools() {
		fmt.Fprintf(p.stdout, "%s\n    %s\n    input: %s\n", t.Name(), t.Description(), t.InputSchema())
	}
	return 0
}

// table makes the tools of the workspace without running it. A configuration
// that cannot be read says what is wrong and allows nothing.
func (p program) table() (*tool.Table, int) {
	table, err := p.makeTable()
	if err != nil {
		fmt.Fprintln(p.stderr, err)
		return nil, 1
	}
	return table, 0
}

func (p program) makeTable() (*tool.Table, error) {
	r, err := New(p.agent, p.opts...)
	if err != nil {
		return nil, err
	}
	cfg, _, err := config.Load(r.set.configDir, r.set.getenv)
	if err != nil {
		return nil, err
	}
	tools, err := r.newToolbox(cfg)
	if err != nil {
		return nil, err
	}
	return tools.table, nil
}

// untilSignal is a context that the first signal ends; the second one ends the
// process.
func (p program) untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for first := true; ; first = false {
			select {
			case sig := <-p.signals:
				if !first {
					p.exit(exitCode(sig))
				}
				cancel()
			case <-over:
				return
			}
		}
	}()
	return ctx, func() {
		close(over)
		<-watched
		cancel()
	}
}
