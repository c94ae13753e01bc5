package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const setIt = "set it in the workspace's environment, for example as a secret on the platform"

// variables checks required_env, and for the model in effect what the
// template's list of models asks for. "A|B" asks for any one of them.
func (p *preflight) variables() {
	const key = "runtime_config.required_env"
	for _, entry := range p.cfg.RuntimeConfig.RequiredEnv {
		p.variable(Error, key, entry, "")
	}
	for _, entry := range p.cfg.modelEnv() {
		if !slices.Contains(p.cfg.RuntimeConfig.RequiredEnv, entry) {
			p.variable(Warning, "runtime_config.models", entry, ", which the chosen model asks for,")
		}
	}
}

func (p *preflight) variable(s Severity, key, entry, why string) {
	if names := alternatives(entry); p.anySet(names) {
		return
	} else if len(names) > 1 {
		p.add(s, key, "none of the variables "+strings.Join(names, ", ")+why+" is set", strings.Replace(setIt, "it", "one of them", 1), nil)
		return
	}
	p.add(s, key, "the variable "+entry+why+" is not set", setIt, nil)
}

// anySet takes an empty variable for one that is not set.
func (p *preflight) anySet(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return p.env.Getenv(n) != "" })
}

// authTokenFile is the deprecated way to give an agent its key. It is good when
// the file is there or the variables make up for it.
func (p *preflight) authTokenFile() {
	rc := p.cfg.RuntimeConfig
	if rc.AuthTokenFile == "" {
		return
	}
	path := rc.AuthTokenFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.cfg.Dir, path)
	}
	if _, err := os.Stat(path); err == nil {
		return
	}
	if rc.AuthTokenEnv != "" && p.anySet([]string{rc.AuthTokenEnv}) {
		return
	}
	missing := func(entry string) bool { return !p.anySet(alternatives(entry)) }
	if len(rc.RequiredEnv) > 0 && !slices.ContainsFunc(rc.RequiredEnv, missing) {
		return
	}
	p.add(Error, "runtime_config.auth_token_file", "the file does not exist, and no variable makes up for it", "name the variable with the key in runtime_config.required_env, and set it", nil)
}
