package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// MemoryScope says who may read a memory.
type MemoryScope string

// The scopes of the platform.
const (
	MemoryLocal  MemoryScope = "LOCAL"  // this workspace
	MemoryTeam   MemoryScope = "TEAM"   // its parent and siblings, or itself and its children when it has no parent
	MemoryGlobal MemoryScope = "GLOBAL" // everybody; only a workspace without a parent writes it
)

var memoryScopes = []MemoryScope{MemoryLocal, MemoryTeam, MemoryGlobal}

// Memory is something a workspace has been told to remember.
type Memory struct {
	ID          string      `json:"id"`
	WorkspaceID string      `json:"workspace_id"` // whose it is
	Content     string      `json:"content"`
	Scope       MemoryScope `json:"scope"`
	Namespace   string      `json:"namespace"`
	CreatedAt   time.Time   `json:"created_at"`
}

// CommitMemoryRequest is what is to be remembered.
type CommitMemoryRequest struct {
	Content   string      `json:"content"`             // required
	Scope     MemoryScope `json:"scope"`               // empty is MemoryLocal
	Namespace string      `json:"namespace,omitempty"` // at most 50 bytes; the platform's default is "general"
}

// CommitMemoryResponse names what was stored.
type CommitMemoryResponse struct {
	ID        string      `json:"id"`
	Scope     MemoryScope `json:"scope"`
	Namespace string      `json:"namespace"`
}

// CommitMemory stores a memory: POST /workspaces/{id}/memories. [ErrForbidden]
// is the answer to a global one from a workspace that has a parent.
//
// The platform stores another text than it is given, and does not say so:
// whatever looks like a key, a token or a run of more than 32 characters of
// base64, long paths included, becomes "[REDACTED:...]".
//
// It is not repeated here, since each call stores another one.
func (c *Client) CommitMemory(ctx context.Context, r CommitMemoryRequest) (*CommitMemoryResponse, error) {
	if r.Scope == "" {
		r.Scope = MemoryLocal
	}
	switch {
	case r.Content == "":
		return nil, errors.New("registry: CommitMemory: no content: say what is to be remembered")
	case !slices.Contains(memoryScopes, r.Scope):
		return nil, fmt.Errorf("registry: CommitMemory: scope %q: use LOCAL, TEAM or GLOBAL", excerpt([]byte(r.Scope)))
	case len(r.Namespace) > 50:
		return nil, fmt.Errorf("registry: CommitMemory: namespace %q has %d bytes: use at most 50", excerpt([]byte(r.Namespace)), len(r.Namespace))
	}
	var out CommitMemoryResponse
	err := c.do(ctx, call{
		op: "CommitMemory", method: http.MethodPost, path: c.own("/memories"), asks: never, body: r,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// MemoryQuery chooses memories; the zero value is the newest 50 of this
// workspace's own, of every scope.
type MemoryQuery struct {
	// Text is searched for as whole English words, best match first; one
	// character alone is searched for anywhere, newest first. Words such as
	// "the" match nothing.
	Text string
	// Scope chooses LOCAL ones of this workspace, TEAM ones of its team, or all
	// GLOBAL ones, whose content the platform puts behind a mark that says whose
	// it is.
	Scope     MemoryScope
	Namespace string
	Limit     int // 1 to 50; 0 is 50
}

// Memories recalls what was committed: GET /workspaces/{id}/memories. The
// platform gives at most 50 and knows no paging.
func (c *Client) Memories(ctx context.Context, q MemoryQuery) ([]Memory, error) {
	switch {
	case q.Scope != "" && !slices.Contains(memoryScopes, q.Scope): // the platform would give its own rows
		return nil, fmt.Errorf("registry: Memories: scope %q: use LOCAL, TEAM or GLOBAL, or none", excerpt([]byte(q.Scope)))
	case q.Limit < 0 || q.Limit > 50:
		return nil, fmt.Errorf("registry: Memories: limit %d: use 1 to 50, or 0 for 50", q.Limit)
	}
	var out []Memory
	err := c.do(ctx, call{
		op: "Memories", method: http.MethodGet, path: c.own("/memories"), asks: reads,
		query: query("q", q.Text, "scope", string(q.Scope), "namespace", q.Namespace, "limit", count(q.Limit)),
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteMemory forgets one of this workspace's own memories: DELETE
// /workspaces/{id}/memories/{memory}. [ErrNotFound] says that there is none of
// that id, which is also the answer to a repeat when the first answer was lost.
func (c *Client) DeleteMemory(ctx context.Context, id string) error {
	if err := checkUUID("memory id", id); err != nil {
		return fmt.Errorf("registry: DeleteMemory: %w", err)
	}
	return c.do(ctx, call{
		op: "DeleteMemory", method: http.MethodDelete, path: c.own("/memories/" + segment(id)), asks: removes,
	}, nil)
}
