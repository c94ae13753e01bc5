package registrytest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Workspace is a handle on one of the platform's workspaces: what an operator,
// a provisioner or a test may look at and do.
type Workspace struct {
	p *Platform
	w *row
}

// WorkspaceOption changes what [Platform.AddWorkspace] makes.
type WorkspaceOption interface{ applyRow(*row) }

type rowOption func(*row)

func (f rowOption) applyRow(w *row) { f(w) }

// WithName sets the name. Default: the id.
func WithName(name string) WorkspaceOption { return rowOption(func(w *row) { w.name = name }) }

// WithRole sets the role. Default: none.
func WithRole(role string) WorkspaceOption { return rowOption(func(w *row) { w.role = role }) }

// WithParent puts the workspace below another one.
func WithParent(id string) WorkspaceOption {
	return rowOption(func(w *row) { w.parent = strings.ToLower(id) })
}

// WithRuntime sets the runtime. "external" ones count as silent after 90 s.
func WithRuntime(name string) WorkspaceOption { return rowOption(func(w *row) { w.runtime = name }) }

// WithURL sets the address, as the provisioner does for a container. One that
// begins with http://127.0.0.1 is not replaced by registrations.
func WithURL(url string) WorkspaceOption { return rowOption(func(w *row) { w.url = url }) }

// WithMaxConcurrent sets how many tasks the workspace may have and still be
// handed queued messages. Default: 1.
func WithMaxConcurrent(n int) WorkspaceOption { return rowOption(func(w *row) { w.maxConcurrent = n }) }

// AddWorkspace makes a workspace as the platform's users do: provisioning,
// without a token, waiting for its first registration.
func (p *Platform) AddWorkspace(id string, opts ...WorkspaceOption) *Workspace {
	w := p.newRow(strings.ToLower(id))
	w.status = "provisioning"
	for _, o := range opts {
		o.applyRow(w)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(w)
	p.touch()
	return &Workspace{p, w}
}

// add makes w a workspace. p.mu is held.
func (p *Platform) add(w *row) {
	p.added++
	w.seq = p.added
	p.rows[w.id] = w
}

// Workspace returns a handle on the workspace with this id, nil if there is
// none.
func (p *Platform) Workspace(id string) *Workspace {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.find(id); w != nil {
		return &Workspace{p, w}
	}
	return nil
}

// change does something to the row and wakes those who wait.
func (w *Workspace) change(f func(*row)) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.w.settle()
	f(w.w)
	w.p.touch()
}

func look[T any](w *Workspace, f func(*row) T) T {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.w.settle()
	return f(w.w)
}

// ID is the workspace's id.
func (w *Workspace) ID() string { return w.w.id }

// Status is what the platform thinks of the workspace now.
func (w *Workspace) Status() string { return look(w, func(r *row) string { return r.status }) }

// History is every change of the status so far.
func (w *Workspace) History() []Transition {
	return look(w, func(r *row) []Transition { return slices.Clone(r.history) })
}

// URL is the registered address, "" when there is none.
func (w *Workspace) URL() string { return look(w, func(r *row) string { return r.url }) }

// Card is the agent card as it was sent, nil when there is none or it was null.
func (w *Workspace) Card() json.RawMessage {
	return look(w, func(r *row) json.RawMessage {
		if string(r.card) == "null" {
			return nil
		}
		return slices.Clone(r.card)
	})
}

// Heartbeats are all accepted ones, oldest first.
func (w *Workspace) Heartbeats() []Beat {
	return look(w, func(r *row) []Beat { return slices.Clone(r.beats) })
}

// LastHeartbeat is the newest accepted one, the zero Beat before the first.
func (w *Workspace) LastHeartbeat() Beat { return look(w, func(r *row) Beat { return r.beat }) }

// Notifications are the messages the workspace has sent to its user.
func (w *Workspace) Notifications() []Notification {
	return look(w, func(r *row) []Notification { return slices.Clone(r.messages) })
}

// Queued is how many messages wait to be delivered.
func (w *Workspace) Queued() int { return look(w, (*row).queueDepth) }

// Watched reports whether the platform would notice the workspace's silence:
// whether there is a liveness key, which only a registration makes.
func (w *Workspace) Watched() bool { return look(w, func(r *row) bool { return !r.expiry.IsZero() }) }

// LiveTokens is how many valid tokens the workspace has.
func (w *Workspace) LiveTokens() int { return look(w, (*row).liveTokens) }

// Generation is how many tokens the workspace has ever been issued.
func (w *Workspace) Generation() int { return look(w, func(r *row) int { return len(r.tokens) }) }

// IssueToken makes one more valid token, as an operator may.
func (w *Workspace) IssueToken() (token string) {
	w.change(func(r *row) { token = r.issue() })
	return token
}

// Revoke makes all tokens invalid and issues none: what a restart on a hosted
// platform does. Heartbeats go on being accepted, with any bearer or none.
func (w *Workspace) Revoke() { w.change((*row).revoke) }

// Rotate makes all tokens invalid and issues one, without telling anybody.
func (w *Workspace) Rotate() (token string) {
	w.change(func(r *row) { r.revoke(); token = r.issue() })
	return token
}

// SetStatus sets the status, whatever it was.
func (w *Workspace) SetStatus(status string) {
	w.change(func(r *row) { r.become(status, time.Now()) })
}

// SetBudget sets what the workspace may spend a month, in US cents; 0 is any
// sum. Once its heartbeats report as much, calls to it are refused with 402.
func (w *Workspace) SetBudget(cents int64) { w.change(func(r *row) { r.budget = cents }) }

// Pause pauses the workspace: its address is forgotten, and heartbeats do not
// wake it. A registration does.
func (w *Workspace) Pause() {
	w.change(func(r *row) {
		r.become("paused", time.Now())
		r.url, r.expiry, r.cachedUntil = "", time.Time{}, time.Time{}
		r.emit("WORKSPACE_PAUSED", map[string]any{"name": r.name})
	})
}

// Restart is what the row sees of a restart: provisioning, no address, though
// the proxy remembers the old one for up to five minutes. The tokens are
// rotated by [Workspace.RotateFile] (on a local platform) or [Workspace.Revoke]
// (on a hosted one with containers).
func (w *Workspace) Restart() {
	w.change(func(r *row) { r.become("provisioning", time.Now()); r.url = "" })
}

// Remove deletes the workspace. Its row stays and says so; its tokens are
// revoked.
func (w *Workspace) Remove() {
	w.change(func(r *row) {
		r.revoke()
		r.become("removed", time.Now())
		r.expiry, r.cachedUntil = time.Time{}, time.Time{}
		r.emit("WORKSPACE_REMOVED", map[string]any{"cascade_deleted": 0})
	})
}

// Purge deletes the workspace without a trace.
func (w *Workspace) Purge() {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	delete(w.p.rows, w.w.id)
	w.p.touch()
}
