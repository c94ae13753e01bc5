package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	// SkipPort leaves the port alone: somebody else listens, or already does.
	SkipPort bool
	// Platform asks whether the platform answers; nil skips that. An error is
	// a warning: a workspace starts without its platform.
	Platform func(context.Context) error
}

// Preflight looks at the place the workspace is about to start in: variables,
// files, directory, port, token and platform. What it finds are errors when the
// workspace could not work, and warnings when it may well.
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
	p.directory()
	if !env.SkipPort {
		p.port(ctx)
	}
	p.promptFiles()
	p.skills()
	p.token()
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

// variables checks required_env. "A|B" asks for any one of them.
func (p *preflight) variables() {
	for _, entry := range p.cfg.RuntimeConfig.RequiredEnv {
		names := strings.FieldsFunc(entry, func(r rune) bool { return r == '|' || r == ' ' })
		if p.anySet(names) {
			continue
		}
		message, fix := "the variable "+entry+" is not set", "set it in the workspace's environment, for example as a secret on the platform"
		if len(names) > 1 {
			message = "none of the variables " + strings.Join(names, ", ") + " is set"
			fix = "set one of them in the workspace's environment, for example as a secret on the platform"
		}
		p.add(Error, "runtime_config.required_env", message, fix, nil)
	}
}

func (p *preflight) anySet(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return p.env.Getenv(n) != "" })
}

// authTokenFile is the deprecated way to give an agent its key; it is good
// when the file is there or the variables make up for it.
func (p *preflight) authTokenFile() {
	rc := p.cfg.RuntimeConfig
	if rc.AuthTokenFile == "" {
		return
	}
	p.add(Warning, "runtime_config.auth_token_file", "is deprecated", "use required_env", nil)
	path := rc.AuthTokenFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.cfg.Dir, path)
	}
	if _, err := os.Stat(path); err == nil {
		return
	}
	if rc.AuthTokenEnv != "" && p.env.Getenv(rc.AuthTokenEnv) != "" {
		return
	}
	if len(rc.RequiredEnv) > 0 && !slices.ContainsFunc(rc.RequiredEnv, func(n string) bool {
		return !p.anySet(strings.FieldsFunc(n, func(r rune) bool { return r == '|' || r == ' ' }))
	}) {
		return
	}
	p.add(Error, "runtime_config.auth_token_file", "the file does not exist", "write the file, or use required_env", nil)
}

// directory has to be writable: the token the platform issues goes there, and
// it issues one only once.
func (p *preflight) directory() {
	dir := p.cfg.Dir
	if dir == "" {
		return
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Saving a token makes it, if its parent lets us.
		if parent := existingParent(dir); !writable(parent) {
			p.add(Error, dir, "the config directory does not exist and cannot be made", "make it, or set CONFIGS_DIR to one that exists", err)
		}
		return
	case err != nil:
		p.add(Error, dir, "the config directory cannot be looked at: "+reason(err), "set CONFIGS_DIR to a directory of this process", err)
		return
	case !info.IsDir():
		p.add(Error, dir, "the config directory is not a directory", "set CONFIGS_DIR to a directory", nil)
		return
	}
	if !writable(dir) {
		p.add(Error, dir, "the config directory is not writable, so a token that the platform issues would be lost", "let the user of this process write there, or set CONFIGS_DIR to another directory", nil)
	}
}

func existingParent(dir string) string {
	for {
		parent := filepath.Dir(dir)
		if _, err := os.Stat(parent); err == nil || parent == dir {
			return parent
		}
		dir = parent
	}
}

// writable finds out by writing: modes do not tell of read-only file systems.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".preflight-*")
	if err != nil {
		return false
	}
	_ = f.Close()
	return os.Remove(f.Name()) == nil
}

func (p *preflight) port(ctx context.Context) {
	addr := ":" + strconv.Itoa(p.cfg.A2A.Port)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		_ = l.Close()
		return
	}
	message, fix := "the port cannot be listened on", "set a2a.port to another one"
	if errors.Is(err, syscall.EADDRINUSE) {
		message, fix = fmt.Sprintf("port %d is in use", p.cfg.A2A.Port), "stop what uses it, or set a2a.port to another one"
	} else if errors.Is(err, syscall.EACCES) {
		fix = "set a2a.port to one above 1023"
	}
	p.add(Error, "a2a.port", message, fix, err)
}

func (p *preflight) promptFiles() {
	files := p.cfg.PromptFiles
	if !p.cfg.Has("prompt_files") {
		return // system-prompt.md by default, and nobody asked for it
	}
	for _, name := range files {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.cfg.Dir, name)
		}
		if _, err := os.Stat(path); err != nil {
			p.add(Warning, "prompt_files", "the prompt file "+quote(name)+" is missing", "write it, or remove the entry", err)
		}
	}
}

func (p *preflight) skills() {
	seen := map[string]bool{}
	for _, name := range p.cfg.Skills {
		if seen[name] {
			p.add(Warning, "skills", "the skill "+quote(name)+" is listed twice", "remove one of the two", nil)
			continue
		}
		seen[name] = true
		if _, err := os.Stat(filepath.Join(p.cfg.Dir, "skills", name, "SKILL.md")); err != nil {
			p.add(Warning, "skills", "the skill "+quote(name)+" has no file skills/"+name+"/SKILL.md", "install the skill, or remove the entry", err)
		}
	}
}

// token is a warning: the first registration brings one.
func (p *preflight) token() {
	info, err := os.Stat(p.env.TokenPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.add(Warning, p.env.TokenPath, "there is no token yet", "nothing, if this workspace has never been registered: the platform will issue one", nil)
	case err != nil:
		p.add(Warning, p.env.TokenPath, "the token file cannot be looked at: "+reason(err), "let the user of this process read it", err)
	case info.Mode().Perm()&0o007 != 0:
		p.add(Warning, p.env.TokenPath, fmt.Sprintf("the token file can be read by others (mode %04o)", info.Mode().Perm()), "chmod 600 "+p.env.TokenPath, nil)
	}
}

func (p *preflight) platform(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, platformPatience)
	defer cancel()
	if err := p.env.Platform(ctx); err != nil {
		p.add(Warning, "PLATFORM_URL", "the platform does not answer as it should: "+err.Error(), "check the address; the workspace starts without it and goes on trying", err)
	}
}
