package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// Main is the main function of an adapter: it runs agent with the settings of
// the environment (see [FromEnv]) and then opts, until the process is told to
// stop. It does not return. The sub-command is the first argument:
//
//	(none)   run the workspace. SIGTERM and SIGINT drain it; a second one ends
//	         the process at once, with 128 plus the signal's number.
//	check    read the configuration, look at the place, and say what is wrong
//	         and how to mend it
//	version  say what was built
//
// and those of [WithCommand] and [WithTools].
//
// The exit code is 0 after a clean end, 1 when something is wrong and 2 for a
// sub-command that does not exist or is not used as it should be.
func Main(agent Agent, opts ...Option) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	p := program{
		agent: agent, opts: append([]Option{FromEnv()}, opts...),
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals, exit: os.Exit,
	}
	os.Exit(p.run(os.Args[1:]))
}

// program is an adapter binary without its process.
type program struct {
	agent          Agent
	opts           []Option
	stdin          io.ReadCloser
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	exit           func(code int) // ends the process at once
}

func (p program) run(args []string) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	if command != "" {
		if code, ok := p.command(command, args[1:]); ok {
			return code
		}
	}
	if len(args) > 1 {
		fmt.Fprintf(p.stderr, "too many arguments: %q\n\n%s", args, usage)
		return 2
	}
	switch command {
	case "":
		return p.serve()
	case "check":
		return p.check()
	case "version":
		return p.version()
	case "help", "-h", "-help", "--help":
		fmt.Fprint(p.stdout, usage+p.commandUsage())
		return 0
	}
	fmt.Fprintf(p.stderr, "unknown sub-command %q\n\n%s", command, usage+p.commandUsage())
	return 2
}

const usage = `usage:
  (none)   run the workspace
  check    say what is wrong with the configuration and how to mend it
  version  say what was built
`

func (p program) serve() int {
	r, err := New(p.agent, p.opts...)
	if err != nil {
		fmt.Fprintln(p.stderr, err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case sig := <-p.signals:
			r.log.Info("stopping; another signal ends at once", "signal", sig.String())
			stop()
		case <-over:
			return
		}
		select {
		case sig := <-p.signals:
			p.exit(exitCode(sig))
		case <-over:
		}
	}()
	err = r.Run(ctx)
	close(over)
	<-watched
	stop()
	if err != nil {
		fmt.Fprintln(p.stderr, err)
		return 1
	}
	return 0
}

// exitCode is what a shell says of a process that a signal ended.
func exitCode(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}

// check says everything that is wrong, as far as can be told without starting.
func (p program) check() int {
	r, err := New(p.agent, p.opts...)
	if err != nil {
		fmt.Fprintln(p.stderr, err)
		return 1
	}
	cfg, report, err := config.Load(r.set.configDir, r.set.getenv)
	if err != nil && !errors.Is(err, config.ErrInvalid) {
		fmt.Fprintln(p.stderr, err)
		return 1
	}
	if cfg != nil {
		env := r.preflight()
		env.SkipPort = r.set.noServer || r.set.listener != nil || r.set.addr != ""
		env.Platform = func(ctx context.Context) error {
			_, err := r.client.Workspace(ctx, "")
			return err
		}
		report = append(report, config.Preflight(context.Background(), cfg, env)...)
	}
	fmt.Fprint(p.stdout, report.String())
	if report.Err() != nil || err != nil {
		return 1
	}
	fmt.Fprintln(p.stdout, "ready to run as workspace "+r.set.workspaceID.value)
	return 0
}

// version says what was built: the adapter's module, this library and Go.
func (p program) version() int {
	const library = "github.com/molecule-ai/workspace-runtime-go"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fmt.Fprintln(p.stdout, "unknown build,", goruntime.Version())
		return 0
	}
	fmt.Fprintln(p.stdout, info.Main.Path, version(info.Main.Version, info))
	for _, dep := range info.Deps {
		if dep.Path == library {
			fmt.Fprintln(p.stdout, library, dep.Version)
		}
	}
	fmt.Fprintln(p.stdout, goruntime.Version(), goruntime.GOOS+"/"+goruntime.GOARCH)
	return 0
}

// version is a module's version, with the revision where the build knows it.
func version(v string, info *debug.BuildInfo) string {
	if v == "" {
		v = "(devel)"
	}
	var revision string
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified, _ = strconv.ParseBool(s.Value)
		}
	}
	if revision == "" {
		return v
	}
	if modified {
		revision += ", modified"
	}
	return v + " (" + revision + ")"
}
