package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var silent = AgentFunc(func(context.Context, *Turn, *Reply) error { return nil })

// command is a program with its outputs at hand.
type command struct {
	program
	out, err bytes.Buffer
	signals  chan os.Signal
	exits    chan int
}

func newCommand(t *testing.T, env map[string]string, opts ...Option) *command {
	t.Helper()
	c := &command{signals: make(chan os.Signal, 2), exits: make(chan int, 1)}
	c.program = program{
		agent: silent, opts: append([]Option{FromLookup(func(k string) string { return env[k] })}, opts...),
		stdout: &c.out, stderr: &c.err, signals: c.signals, exit: func(code int) { c.exits <- code },
	}
	return c
}

func goodEnv(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"WORKSPACE_ID": "11111111-2222-4333-8444-555555555555",
		"PLATFORM_URL": "http://127.0.0.1:9", // nobody is there
		"CONFIGS_DIR":  t.TempDir(),
	}
}

func TestMainVersion(t *testing.T) {
	c := newCommand(t, nil)
	if code := c.run([]string{"version"}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(c.out.String(), "go1.") {
		t.Errorf("version says %q", c.out.String())
	}
}

func TestMainUnknownSubCommand(t *testing.T) {
	c := newCommand(t, nil)
	if code := c.run([]string{"serve"}); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if got := c.err.String(); !strings.Contains(got, `"serve"`) || !strings.Contains(got, "check") {
		t.Errorf("standard error: %q", got)
	}
}

func TestMainWithoutAWorkspaceID(t *testing.T) {
	for _, args := range [][]string{nil, {"check"}} {
		c := newCommand(t, map[string]string{})
		if code := c.run(args); code != 1 {
			t.Errorf("%v: exit code %d, want 1", args, code)
		}
		if got := c.err.String(); !strings.Contains(got, "WORKSPACE_ID is not set") {
			t.Errorf("%v: standard error: %q", args, got)
		}
	}
}

func TestMainCheck(t *testing.T) {
	busy, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, err := net.SplitHostPort(busy.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, config string
		code         int
		want         []string
	}{
		{"all is well", "name: x\na2a: {port: 18471}\n", 0, []string{"ready to run"}},
		{"a typing error", "nmae: x\na2a:\n  port: 18472\n", 0, []string{"nmae", "did you mean name?", "ready to run"}},
		{"everything wrong", "tier: 9\nskills: one\nruntime_config:\n  required_env: [NOT_SET_A|NOT_SET_B]\n", 1, []string{
			"config.yaml:1:7", "tier", "config.yaml:2:9", "skills", "none of the variables NOT_SET_A, NOT_SET_B is set", "fix:"}},
		{"the port is in use", "a2a:\n  port: " + port + "\n", 1, []string{"port " + port + " is in use"}},
		{"no YAML", "a: [", 1, []string{"not valid YAML"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := goodEnv(t)
			if err := os.WriteFile(filepath.Join(env["CONFIGS_DIR"], "config.yaml"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := newCommand(t, env)
			if code := cmd.run([]string{"check"}); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(cmd.out.String(), want) {
					t.Errorf("the report does not say %q:\n%s", want, cmd.out.String())
				}
			}
		})
	}
}

func TestMainEndsOnASignal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCommand(t, goodEnv(t), WithListener(l))
	c.signals <- syscall.SIGTERM
	begin := time.Now()
	if code := c.run(nil); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.err.String())
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestMainASecondSignalEndsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCommand(t, goodEnv(t), WithListener(l))
	hold := make(chan struct{})
	c.agent = closer(func() { // the end takes its time
		c.signals <- syscall.SIGINT
		<-hold
	})
	c.signals <- syscall.SIGTERM
	over := make(chan int, 1)
	go func() { over <- c.run(nil) }()
	if code := <-c.exits; code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	close(hold)
	<-over
}

type closer func()

func (c closer) Run(context.Context, *Turn, *Reply) error { return nil }
func (c closer) Close(context.Context) error              { c(); return nil }

func TestNewSaysAllThatIsWrong(t *testing.T) {
	env := map[string]string{
		"WORKSPACE_ID": "not-a-uuid", "PLATFORM_URL": "localhost:8080", "AGENT_URL": "http://user:s3cr3t@host",
		"HEARTBEAT_INTERVAL": "30", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "CONFIGS_DIR": t.TempDir(),
	}
	_, err := New(nil, FromLookup(func(k string) string { return env[k] }), WithDrainTimeout(-time.Second))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"the agent is nil", `WORKSPACE_ID="not-a-uuid"`, `PLATFORM_URL="localhost:8080"`, "AGENT_URL=",
		`HEARTBEAT_INTERVAL="30"`, `LOG_LEVEL="loud"`, `LOG_FORMAT="xml"`, "WithDrainTimeout",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows a password:\n%v", err)
	}
}

func TestEnvironment(t *testing.T) {
	env := goodEnv(t)
	env["WORKSPACE_ID"] = " 11111111-2222-4333-8444-55555555555A "
	env["HEARTBEAT_INTERVAL"] = "5s"
	env["WORKSPACE_CONFIG_PATH"] = "/elsewhere"
	env["LOG_FORMAT"] = "JSON"
	env["MOLECULE_ORG_ID"] = "org"
	delete(env, "PLATFORM_URL")
	r, err := New(silent, FromLookup(func(k string) string { return env[k] }), WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.set.workspaceID.value; got != "11111111-2222-4333-8444-55555555555a" {
		t.Errorf("the id is %q, want it trimmed and in lower case", got)
	}
	if r.set.interval != 5*time.Second || r.set.orgID != "org" || r.set.configDir != env["CONFIGS_DIR"] {
		t.Errorf("settings: %+v", r.set)
	}
	if len(r.set.warnings) != 1 || !strings.Contains(r.set.warnings[0], "/elsewhere") {
		t.Errorf("warnings: %q, want one about the two names of one directory", r.set.warnings)
	}
	if got := r.set.platformURL.value; got != localPlatformURL && got != dockerPlatformURL {
		t.Errorf("the platform is %q", got)
	}
	var log bytes.Buffer
	r.set.envLogger(&log).Info("hello")
	if !strings.HasPrefix(log.String(), "{") {
		t.Errorf("LOG_FORMAT=JSON writes %q", log.String())
	}
}

func TestBrief(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"  a\n\tb\x00c  ":              "a b c",
		strings.Repeat("ä", 61):        strings.Repeat("ä", 60) + "...",
		"x" + strings.Repeat("€", 500): "x" + strings.Repeat("€", 59) + "...",
	} {
		if got := brief(in); got != want {
			t.Errorf("brief(%.20q) = %q, want %q", in, got, want)
		}
	}
}

func TestAdvertised(t *testing.T) {
	for _, c := range []struct{ addr, hostname, want string }{
		{"127.0.0.1:80", "me", "localhost:80"},
		{"[::]:8000", "me", "me:8000"},
		{"0.0.0.0:8000", "me", "me:8000"},
		{"[::1]:8000", "me", "localhost:8000"},
		{"192.0.2.7:80", "me", "192.0.2.7:80"},
	} {
		if got := advertised(c.addr, c.hostname); got != c.want {
			t.Errorf("advertised(%q, %q) = %q, want %q", c.addr, c.hostname, got, c.want)
		}
	}
	if got := advertised(":1", ""); strings.HasPrefix(got, ":") {
		t.Errorf("advertised without a name is %q", got)
	}
}

func TestMainRunsAnAddedCommand(t *testing.T) {
	failure := errors.New("not today")
	var dir string
	add := WithCommand(Command{Name: "greet", Usage: "say hello", Run: func(_ context.Context, env CommandEnv) error {
		dir = env.ConfigDir
		table, err := env.Tools()
		if err != nil {
			return err
		}
		fmt.Fprintln(env.Stdout, "hello,", len(table.Tools()) > 0)
		return failure
	}})
	env := goodEnv(t)
	c := newCommand(t, env)
	c.opts = append(c.opts, WithTools(), add)
	if code := c.run([]string{"greet"}); code != 1 || c.out.String() != "hello, true\n" || !strings.Contains(c.err.String(), "not today") || dir != env["CONFIGS_DIR"] {
		t.Errorf("exit code %d, in %s, says %q and %q", code, dir, c.out.String(), c.err.String())
	}
	c.out.Reset()
	if c.run([]string{"help"}); !strings.Contains(c.out.String(), "greet") {
		t.Errorf("help does not name it: %q", c.out.String())
	}
}
