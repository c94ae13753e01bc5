package registry

import (
	"context"
	"fmt"
	"net/http"
)

// Instructions reads what the platform's operators tell this workspace's agent,
// as Markdown: GET /workspaces/{id}/instructions/resolve. First come the rules
// for all workspaces, then those for this one; "" is none.
func (c *Client) Instructions(ctx context.Context) (string, error) {
	var out struct {
		Instructions string `json:"instructions"`
	}
	err := c.do(ctx, call{
		op: "Instructions", method: http.MethodGet, path: c.own("/instructions/resolve"), asks: reads,
	}, &out)
	return out.Instructions, err
}

// ContextFile is a file that a workspace shares with its children.
type ContextFile struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// SharedContext reads the files that a workspace shares, this one's when id is
// empty: GET /workspaces/{id}/shared-context.
//
// Do not count on it. The platform admits only the token of the workspace that
// shares, so that asking for a parent's is [ErrUnauthorized] for its children,
// and where workspaces are containers it usually finds no files.
func (c *Client) SharedContext(ctx context.Context, id string) ([]ContextFile, error) {
	if id == "" {
		id = c.workspace
	}
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("registry: SharedContext: %w", err)
	}
	var out []ContextFile
	err := c.do(ctx, call{
		op: "SharedContext", method: http.MethodGet, path: "/workspaces/" + segment(id) + "/shared-context", asks: reads, caller: true,
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}
