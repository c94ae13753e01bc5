package runtime

import (
	"context"
	"fmt"
	"io"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Command is a sub-command of an adapter binary; see [WithCommand].
type Command struct {
	Name  string // the first argument
	Usage string // what it does, a line
	// Run is called with a context that the first signal ends. What it returns
	// is written to standard error, and the exit code is 1 then.
	Run func(ctx context.Context, env CommandEnv) error
}

// CommandEnv is what a [Command] has to work with.
type CommandEnv struct {
	ConfigDir string
	Stdin     io.ReadCloser
	Stdout    io.Writer
	Stderr    io.Writer
	// Tools makes the workspace's tools in this process; see [Workspace.Tools].
	Tools func() (*tool.Table, error)
}

// WithCommand adds a sub-command to those of [Main]. One of these wins over one
// of the same name.
func WithCommand(c Command) Option {
	return optionFunc(func(s *settings) { s.commands = append(s.commands, c) })
}

// command runs one that [WithCommand] has added; ok says whether there is one.
func (p program) command(name string, args []string) (code int, ok bool) {
	var set settings
	for _, o := range p.opts {
		o.apply(&set)
	}
	for _, c := range set.commands {
		if c.Name != name {
			continue
		}
		if len(args) > 0 {
			fmt.Fprintf(p.stderr, "%s takes no arguments\n", name)
			return 2, true
		}
		dir := set.configDir
		if dir == "" {
			dir = DefaultConfigDir
		}
		ctx, stop := p.untilSignal()
		defer stop()
		err := c.Run(ctx, CommandEnv{ConfigDir: dir, Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Tools: p.makeTable})
		if err != nil {
			fmt.Fprintln(p.stderr, err)
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// commandUsage describes what [WithCommand] has added.
func (p program) commandUsage() string {
	var set settings
	for _, o := range p.opts {
		o.apply(&set)
	}
	text := ""
	for _, c := range set.commands {
		text += fmt.Sprintf("  %-8s %s\n", c.Name, c.Usage)
	}
	if text != "" {
		text = "\nof this adapter:\n" + text
	}
	return text
}
