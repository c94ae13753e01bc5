package config

import (
	"math"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// This file holds the values that are more than a text, a number or a list.

// runtimeConfig reads the keys all adapters share and keeps the whole section
// for the adapter's own.
func (c *Config) runtimeConfig(r *reader, n *yaml.Node, key string) {
	rc := &c.RuntimeConfig
	if n.Kind != yaml.MappingNode {
		r.fault(n, key, "is "+describe(n)+"; expected a map of keys and values", "write the keys below it, each on a line of its own and indented")
		return
	}
	rc.Raw = r.raw(n, key)
	fields := rc.fields()
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := deref(n.Content[i]).Value
		if _, ok := fields[name]; ok || slices.Contains(adapterKeys, name) {
			continue
		}
		if near := closest(name, fields, slip); near != "" {
			r.problem(Warning, n.Content[i], join(key, name), "is not a key of the library, so only the adapter sees it", "did you mean "+near+"?")
		}
	}
	r.section(n, key, fields, anyKey) // whatever else is there is the adapter's
}

func (c *Config) allowedActions(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, key, "is "+describe(n)+"; expected a map of roles", "write each role on a line of its own, with the list of its actions")
		return
	}
	c.RBAC.AllowedActions = map[string][]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		role, actions := deref(n.Content[i]).Value, deref(n.Content[i+1])
		if deref(n.Content[i]).ShortTag() == "!!merge" {
			r.fault(n.Content[i], key, "a merge key (<<) is not supported here", "write the roles out")
			continue
		}
		var list []string
		if !isNull(actions) {
			texts(&list, action)(r, actions, join(key, role))
		}
		c.RBAC.AllowedActions[role] = list
	}
}

// The actions and built-in roles that the platform's documentation lists.
var (
	actions = []string{"delegate", "approve", "memory.read", "memory.write"}
	roles   = []string{"admin", "operator", "read-only", "memory-readonly", "no-delegation", "no-approval"}
)

func action(r *reader, n *yaml.Node, key string) {
	if !slices.Contains(actions, n.Value) {
		fix := "use " + list(actions)
		if near := nearest(n.Value, actions, mistake); near != "" {
			fix = "did you mean " + near + "?"
		}
		r.problem(Warning, n, key, "is not a known action", fix)
	}
}

// strangeRoles warns of roles that are neither built in nor defined: they allow
// nothing.
func (c *Config) strangeRoles(r *reader) {
	for _, role := range c.RBAC.Roles {
		if _, ok := c.RBAC.AllowedActions[role]; ok || slices.Contains(roles, role) {
			continue
		}
		fix := "define it under rbac.allowed_actions, or use " + list(roles)
		if near := nearest(role, roles, mistake); near != "" {
			fix = "did you mean " + near + "?"
		}
		r.warnOf("rbac.roles", "the role "+quote(role)+" is neither built in nor defined, so it allows nothing", fix)
	}
}

// requirement is a variable's name, or several with a bar between.
func requirement(r *reader, n *yaml.Node, key string) {
	for _, v := range alternatives(n.Value) {
		if !variable.MatchString(v) {
			r.fault(n, key, "is not the name of a variable", "write a name such as API_KEY, or several of which one is enough: API_KEY|OAUTH_TOKEN")
			return
		}
	}
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// alternatives splits an entry of required_env.
func alternatives(entry string) []string {
	names := strings.Split(entry, "|")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

func (c *Config) channels(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, key, "is "+describe(n)+"; expected a list", "write each channel after a dash, beginning with its type")
		return
	}
	var all []Channel
	for i, item := range n.Content {
		item, at := deref(item), key+"["+strconv.Itoa(i)+"]"
		if isNull(item) {
			r.problem(Warning, item, at, "is empty and left out", "remove it")
			continue
		}
		if item.Kind != yaml.MappingNode {
			r.fault(item, at, "is "+describe(item)+"; expected a map with a type", "write it as - type: dashboard")
			continue
		}
		channel := Channel{Raw: r.raw(item, at)}
		r.section(item, at, map[string]field{"type": choice(&channel.Type, "dashboard", "slack", "email")}, anyKey) // the options of the type are its own
		if channel.Type == "" {
			if _, tried := r.keys[at+".type"]; !tried {
				r.fault(item, at, "has no type", "add type: dashboard, slack or email")
			}
			continue
		}
		all = append(all, channel)
	}
	if len(all) > 0 || len(n.Content) == 0 {
		c.HITL.Channels = all
	}
}

// securityScan is a map or, in short, the mode alone.
func (c *Config) securityScan(r *reader, n *yaml.Node, key string) {
	mode := func(r *reader, n *yaml.Node, key string) {
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && strings.EqualFold(n.Value, "false") {
			c.SecurityScan.Mode = "off" // what older YAML makes of a bare off
			return
		}
		choice(&c.SecurityScan.Mode, "off", "warn", "block")(r, n, key)
	}
	if n.Kind == yaml.ScalarNode {
		mode(r, n, key)
		return
	}
	r.section(n, key, map[string]field{
		"mode":                    mode,
		"fail_open_if_no_scanner": flag(&c.SecurityScan.FailOpenIfNoScanner),
	})
}

func (c *Config) subWorkspaces(r *reader, n *yaml.Node, key string) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, key, "is "+describe(n)+"; expected a list", "write each workspace after a dash")
		return
	}
	for i, item := range n.Content {
		item, at := deref(item), key+"["+strconv.Itoa(i)+"]"
		if isNull(item) {
			r.problem(Warning, item, at, "is empty and left out", "remove it")
			continue
		}
		if item.Kind != yaml.MappingNode {
			r.fault(item, at, "is "+describe(item)+"; expected a map", "write the keys of the workspace after the dash")
			continue
		}
		c.SubWorkspaces = append(c.SubWorkspaces, r.raw(item, at))
	}
}

// named is a text for which the empty one means the default.
func named(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		v := *into
		if text(&v)(r, n, key); strings.TrimSpace(v) != "" {
			*into = strings.TrimSpace(v)
		}
	}
}

// deprecated warns of a key of the time before required_env.
func deprecated(read field) field {
	return func(r *reader, n *yaml.Node, key string) {
		r.problem(Warning, n, key, "is deprecated", "name the variable in runtime_config.required_env")
		read(r, n, key)
	}
}

// schemaVersion is that of the platform's templates; there has been one.
func schemaVersion(r *reader, n *yaml.Node, key string) {
	if v, ok := number(n); !ok || v != 1 {
		r.problem(Warning, n, key, "this library knows version 1 and reads the file as that", "use a newer version of the library, or write 1")
	}
}

// memoryLimit is a size as Docker writes it.
func memoryLimit(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		v := *into
		if named(&v)(r, n, key); !dockerSize.MatchString(v) {
			r.fault(n, key, "is not a size", "write it as Docker does, such as 256m or 1g")
			return
		}
		*into = v
	}
}

var dockerSize = regexp.MustCompile(`^[0-9]+[bkmgBKMG]?$`)

func httpURL(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		var s string
		text(&s)(r, n, key)
		if s == "" {
			return
		}
		if u, err := url.Parse(s); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			r.fault(n, key, "is not an http or https URL", "write it like https://host/path")
			return
		}
		*into = s
	}
}

func policyFile(into *string) field {
	return func(r *reader, n *yaml.Node, key string) {
		var s string
		text(&s)(r, n, key)
		if s != "" && !slices.Contains([]string{".rego", ".yaml", ".yml", ".cedar"}, filepath.Ext(s)) {
			r.fault(n, key, "is not the name of a policy file", "name a file that ends in .rego, .yaml, .yml or .cedar")
			return
		}
		*into = s
	}
}

// taskBudget is 0 for none, or what models accept as a budget.
func taskBudget(into *int) field {
	return func(r *reader, n *yaml.Node, key string) {
		var v int
		whole(&v, 0, math.MaxInt32)(r, n, key)
		if v != 0 && v < 20_000 {
			r.fault(n, key, "is too small to be of use", "write 0 for no budget, or at least 20000 tokens")
			return
		}
		*into = v
	}
}
