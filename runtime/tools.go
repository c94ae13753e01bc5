package runtime

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// DefaultAttachmentRoot is the directory whose files the agent may send to its
// user when [WithAttachmentRoots] does not say otherwise.
const DefaultAttachmentRoot = "/workspace"

// approvalsDir is where approvals that are waited for are kept, below the
// configuration directory.
const approvalsDir = ".runtime/approvals"

// WithTools gives the workspace the platform's tools (see [Workspace.Tools]),
// for the agent and, as sub-commands of [Main], for shells:
//
//	peers [QUERY]                  who work can be delegated to
//	info                           who this workspace is
//	delegate [--async] ID TEXT     hand work to a peer
//	status [ID]                    how that stands
//	notify TEXT                    show the user a message
//	memory commit TEXT             remember
//	memory recall [QUERY]          recall
//	tools                          all tools, with their inputs
//
// Tools of the adapter's own stand beside them; one of the same name takes the
// platform's place. Given several times, they add up. Default: no tools, and a
// binary that is most of a megabyte smaller.
func WithTools(tools ...*tool.Tool) Option {
	return optionFunc(func(s *settings) {
		s.tools = append(s.tools, tools...)
		if s.makeTools == nil {
			s.makeTools = (*Runtime).newToolbox
			s.commands = append(s.commands, shellCommands()...)
		}
	})
}

// WithToolObserver adds one who sees every call of a tool, refused ones
// included: for an audit trail, for traces. Given several times, all see it.
func WithToolObserver(o tool.Observer) Option {
	return optionFunc(func(s *settings) { s.toolObservers = append(s.toolObservers, o) })
}

// WithAttachmentRoots sets the directories below which files may be sent to the
// user. The token's file and the runtime's own are never sent, wherever they
// are. Default: [DefaultAttachmentRoot]; none at all when called without any.
func WithAttachmentRoots(dirs ...string) Option {
	return optionFunc(func(s *settings) { s.attachmentRoots = append([]string{}, dirs...) })
}

// toolbox is what a workspace has for its agent: made with the configuration,
// idle until somebody asks for it.
type toolbox struct {
	table     *tool.Table
	team      *tool.Team
	approvals *tool.Approvals
	follow    func(context.Context) // keeps the team up to date until its context ends

	once sync.Once
	used chan struct{} // closed when somebody has asked
}

// use notes that the tools are wanted, so that what keeps them up to date
// starts with the workspace, or now.
func (b *toolbox) use() { b.once.Do(func() { close(b.used) }) }

// newToolbox makes the tools for a configuration. It does no I/O.
func (r *Runtime) newToolbox(cfg *config.Config) (*toolbox, error) {
	b := &toolbox{used: make(chan struct{})}
	b.team = tool.NewTeam(r.client, r.heard, r.log)
	b.approvals = tool.NewApprovals(r.client, tool.ApprovalOptions{
		Dir: filepath.Join(r.set.configDir, approvalsDir), Timeout: cfg.HITL.DefaultTimeout, Events: r.client.Events, Logger: r.log,
	})
	roots := r.set.attachmentRoots
	if roots == nil {
		roots = []string{DefaultAttachmentRoot}
	}
	platform := tool.Platform{
		Client: r.client, Team: b.team, Approvals: b.approvals, Logger: r.log,
		Delegation: tool.Delegation{
			Timeout: cfg.Delegation.Timeout, Attempts: max(1, cfg.Delegation.RetryAttempts), Delay: cfg.Delegation.RetryDelay,
		},
		Files: tool.Files{Roots: roots, Never: []string{
			filepath.Join(r.set.configDir, ".auth_token"),
			filepath.Join(r.set.configDir, ".platform_inbound_secret"),
			filepath.Join(r.set.configDir, ".runtime"),
		}},
	}
	own := map[string]bool{}
	for _, t := range r.set.tools {
		if t != nil {
			own[t.Name()] = true
		}
	}
	var tools []*tool.Tool
	for _, t := range platform.Tools() {
		if !own[t.Name()] {
			tools = append(tools, t)
		}
	}
	opts := []tool.TableOption{tool.WithRoles(tool.NewRoles(cfg.RBAC.Roles, cfg.RBAC.AllowedActions)), tool.WithLogger(r.log), tool.WithObserver(r.observeTool)}
	for _, o := range r.set.toolObservers {
		opts = append(opts, tool.WithObserver(o))
	}
	table, err := tool.NewTable(append(tools, r.set.tools...), opts...)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	b.table = table
	b.follow = b.team.Run
	b.team.OnChange(table.Change)
	return b, nil
}

// Tools is the one table of tools that this workspace has: the platform's
// (peers, delegation, messages to the user, memory, approvals) and those of
// [WithTools], with the roles of config.yaml enforced. Give its
// [tool.Table.Functions] to a model and what the model calls to
// [tool.Table.Call], with the context of the turn.
//
// With the first call of Tools or [Workspace.Team] the workspace begins to
// follow who is in its team. Without [WithTools], and on a Workspace that no
// Runtime has made, as in a test, the table is empty.
func (w *Workspace) Tools() *tool.Table {
	if w.toolbox == nil {
		table, _ := tool.NewTable(nil) // an empty table has no fault
		return table
	}
	w.toolbox.use()
	return w.toolbox.table
}

// Team is who this workspace works with, and what the platform tells it to do.
// It is empty until the workspace is registered, and nil without [WithTools] and
// on a Workspace that no Runtime has made.
func (w *Workspace) Team() *tool.Team {
	if w.toolbox == nil {
		return nil
	}
	w.toolbox.use()
	return w.toolbox.team
}

// Approvals ask people for leave, for an agent that does so in its own code
// instead of leaving it to a model; nil without [WithTools] and on a Workspace
// that no Runtime has made.
func (w *Workspace) Approvals() *tool.Approvals {
	if w.toolbox == nil {
		return nil
	}
	return w.toolbox.approvals
}
