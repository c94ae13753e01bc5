package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// platformPatience is how long the preflight waits for the platform's answer.
const platformPatience = 5 * time.Second

// PreflightEnv is what [Preflight] needs to know besides the configuration.
type PreflightEnv struct {
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
	// AdapterName is compared with the key runtime; empty skips that.
	AdapterName string
	// TokenPath is the workspace's token file; empty means .auth_token in the
	// config directory.
	TokenPath string
	// SkipToken leaves the token file alone, and lets the config directory be
	// read-only: the token is kept elsewhere.
	SkipToken bool
	// SkipPort leaves the port alone: somebody else listens, or already does.
	SkipPort bool
	// Platform asks whether the platform answers; nil skips that. An error is
	// a warning: a workspace starts without its platform.
	Platform func(context.Context) error
}

// Preflight looks at the place the workspace is about to start in: variables,
// token, directory, port, files and platform. What it finds are errors when the
// workspace could not work, and warnings when it may well. It runs nothing of
// the adapter, and works on the Config that [Load] returns beside an error, so
// that both can be shown at once.
//
// The port is looked at by listening on it for a moment, and the directory by
// making an empty file there and removing it.
func Preflight(ctx context.Context, cfg *Config, env PreflightEnv) Report {
	p := &preflight{cfg: cfg, env: env}
	if p.env.Getenv == nil {
		p.env.Getenv = func(string) string { return "" }
	}
	if p.env.TokenPath == "" {
		p.env.TokenPath = filepath.Join(cfg.Dir, ".auth_token")
	}
	p.adapter()
	p.variables()
	p.authTokenFile()
	p.directory(env.SkipToken || p.token())
	if !env.SkipPort {
		p.port(ctx)
	}
	p.promptFiles()
	p.skills()
	if env.Platform != nil {
		p.platform(ctx)
	}
	return p.report
}

type preflight struct {
	cfg    *Config
	env    PreflightEnv
	report Report
}

// add reports a problem of the place; when a key of the file asks for what is
// missing there, the problem says where.
func (p *preflight) add(s Severity, key, message, fix string, cause error) {
	problem := Problem{Severity: s, Key: key, Message: message, Fix: fix, Cause: cause}
	if at, ok := p.cfg.keys[key]; ok {
		problem.File, problem.Line, problem.Column = p.cfg.name, at.line, at.column
	}
	p.report = append(p.report, problem)
}

func (p *preflight) adapter() {
	if name := p.env.AdapterName; name != "" && p.cfg.Has("runtime") && p.cfg.Runtime != name {
		p.add(Warning, "runtime", "names another adapter than this one, which is "+name, "write runtime: "+name, nil)
	}
}

// port has to be free. Range is checked again, for a Config made by hand.
func (p *preflight) port(ctx context.Context) {
	if n := p.cfg.A2A.Port; n < 1 || n > 65535 {
		p.add(Error, "a2a.port", fmt.Sprintf("%d is out of range", n), "write a number from 1 to 65535", nil)
		return
	}
	addr := ":" + strconv.Itoa(p.cfg.A2A.Port)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		_ = l.Close() // nobody has connected
		return
	}
	if ctx.Err() != nil {
		return // the caller has gone; that says nothing of the port
	}
	message, fix := "the port cannot be listened on", "set a2a.port to another one"
	if errors.Is(err, syscall.EADDRINUSE) {
		message, fix = fmt.Sprintf("port %d is in use", p.cfg.A2A.Port), "stop what uses it, or set a2a.port to another one"
	} else if errors.Is(err, syscall.EACCES) {
		fix = "set a2a.port to one above 1023"
	}
	p.add(Error, "a2a.port", message, fix, err)
}

// platform has to answer some time, not now.
func (p *preflight) platform(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, platformPatience)
	defer cancel()
	if err := p.env.Platform(ctx); err != nil {
		p.add(Warning, "PLATFORM_URL", "the platform does not answer as it should: "+err.Error(), "check the address; the workspace starts without it and goes on trying", err)
	}
}
