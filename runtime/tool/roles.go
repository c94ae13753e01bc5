package tool

import (
	"slices"
	"strings"
)

// What the tools of the platform need a role for.
const (
	ActionDelegate    = "delegate"
	ActionApprove     = "approve"
	ActionReadMemory  = "memory.read"
	ActionWriteMemory = "memory.write"
)

// builtin are the roles that every workspace knows; admin is above them.
var builtin = map[string][]string{
	"operator":        {ActionDelegate, ActionApprove, ActionReadMemory, ActionWriteMemory},
	"read-only":       {ActionReadMemory},
	"memory-readonly": {ActionReadMemory},
	"no-delegation":   {ActionApprove, ActionReadMemory, ActionWriteMemory},
	"no-approval":     {ActionDelegate, ActionReadMemory, ActionWriteMemory},
}

// Roles say what a workspace may do. The zero Roles allow nothing.
type Roles struct {
	names   []string
	defined map[string][]string
}

// NewRoles are the roles a workspace has, with those that its configuration
// defines: role and the complete list of its actions, which then is not what a
// built-in role of that name allows. Built in are
//
//	admin                       everything
//	operator                    delegate, approve, memory.read, memory.write
//	no-delegation, no-approval  the same without one
//	read-only, memory-readonly  memory.read
//
// A role that is neither built in nor defined allows nothing.
func NewRoles(names []string, defined map[string][]string) Roles {
	r := Roles{names: slices.Clone(names), defined: make(map[string][]string, len(defined))}
	for role, actions := range defined {
		r.defined[role] = slices.Clone(actions)
	}
	return r
}

// Allow reports whether any of the roles allows the action. The empty action is
// always allowed.
func (r Roles) Allow(action string) bool {
	if action == "" {
		return true
	}
	return slices.ContainsFunc(r.names, func(name string) bool {
		if name == "admin" {
			return true
		}
		actions, ok := r.defined[name]
		if !ok {
			actions = builtin[name]
		}
		return slices.Contains(actions, action)
	})
}

// String lists the names.
func (r Roles) String() string {
	if len(r.names) == 0 {
		return "none"
	}
	return strings.Join(r.names, ", ")
}
