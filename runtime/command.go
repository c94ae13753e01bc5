package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Command is a sub-command of an adapter binary; see [WithCommand].
type Command struct {
	Name  string // the first argument
	Args  string // those it takes, for the usage text, such as "ID TEXT"
	Usage string // what it does, a line
	// Run is called with a context that the first signal ends. What it returns
	// is written to standard error, and the exit code is 1 then; it is 2 for an
	// [ErrUsage].
	Run func(ctx context.Context, env CommandEnv) error
}

// CommandEnv is what a [Command] has to work with.
type CommandEnv struct {
	Args      []string // behind the name
	ConfigDir string
	Stdin     io.ReadCloser
	Stdout    io.Writer
	Stderr    io.Writer
	// Tools makes the workspace's tools in this process; see [Workspace.Tools].
	// Without [WithTools] it is an error.
	Tools func() (*tool.Table, error)
}

// ErrUsage is returned by a [Command] that was not called as it should be.
var ErrUsage = errors.New("runtime: the sub-command is not used as it should be")

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
		dir := set.configDir
		if dir == "" {
			dir = DefaultConfigDir
		}
		ctx, stop := p.untilSignal()
		defer stop()
		err := c.Run(ctx, CommandEnv{Args: args, ConfigDir: dir, Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Tools: p.makeTable})
		switch {
		case errors.Is(err, ErrUsage):
			fmt.Fprintf(p.stderr, "usage: %s %s\n", c.Name, c.Args)
			return 2, true
		case err != nil:
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
		text += fmt.Sprintf("  %-30s %s\n", strings.TrimSpace(c.Name+" "+c.Args), c.Usage)
	}
	if text != "" {
		text = "\nof this adapter:\n" + text
	}
	return text
}

// makeTable makes the tools of the workspace without running it. A configuration
// that cannot be read is an error, and allows nothing.
func (p program) makeTable() (*tool.Table, error) {
	r, err := New(p.agent, p.opts...)
	if err != nil {
		return nil, err
	}
	if r.set.makeTools == nil {
		return nil, errors.New("this adapter has no tools: it was built without runtime.WithTools")
	}
	cfg, _, err := config.Load(r.set.configDir, r.set.getenv)
	if err != nil {
		return nil, err
	}
	tools, err := r.set.makeTools(r, cfg)
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
