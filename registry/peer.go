package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Peer is a workspace that this one may delegate to, as the platform lists it.
// What the platform sends as null is the zero value here.
type Peer struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Role        string          `json:"role"`
	Tier        int             `json:"tier"`
	Status      string          `json:"status"` // one of the Status constants
	URL         string          `json:"url"`    // as registered; never send the token there
	ParentID    string          `json:"parent_id"`
	ActiveTasks int             `json:"active_tasks"`
	AgentCard   json.RawMessage `json:"agent_card"`
}

// Peers lists the workspace's siblings, then its children, then its parent: GET
// /registry/{id}/peers. The siblings of a workspace without a parent are all
// others without one. Removed workspaces are left out, and so are those further
// up or down, which may be called all the same.
//
// The platform can filter by ?q=, which is not used: it answers an empty 500 as
// soon as one peer has no role.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	var out []Peer
	err := c.do(ctx, call{
		op: "Peers", method: http.MethodGet, path: "/registry/" + c.workspace + "/peers", asks: reads, caller: true,
	}, &out)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if string(out[i].AgentCard) == "null" {
			out[i].AgentCard = nil
		}
	}
	return out, nil
}

// DiscoverResponse says where a workspace can be reached without the platform.
type DiscoverResponse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// URL has no path for a container, and may be what the workspace claimed.
	// The workspace's token is for the platform: never send it there.
	URL string `json:"url"`
}

// Discover asks for the address of a workspace: GET /registry/discover/{id}.
// Most callers want [Client.SendA2A] instead, which needs no address.
//
// [ErrForbidden] means that the two may not talk, that there is no such
// workspace, or that the database is away. A 503 carries the row's status in
// RowStatus when the workspace has no address.
func (c *Client) Discover(ctx context.Context, id string) (*DiscoverResponse, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("registry: Discover: %w", err)
	}
	var out DiscoverResponse
	err := c.do(ctx, call{
		op: "Discover", method: http.MethodGet, path: "/registry/discover/" + segment(id), asks: reads, caller: true,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// MayReach reports whether the platform lets this workspace call another one:
// POST /registry/check-access. Allowed are the workspace itself, its siblings,
// and whoever is above or below it. The call is open to everybody, and false
// also for workspaces that do not exist and while the database is away.
func (c *Client) MayReach(ctx context.Context, id string) (bool, error) {
	if err := checkID(id); err != nil {
		return false, fmt.Errorf("registry: MayReach: %w", err)
	}
	var out struct {
		Allowed bool `json:"allowed"`
	}
	err := c.do(ctx, call{
		op: "MayReach", method: http.MethodPost, path: "/registry/check-access", asks: reads,
		body: struct {
			CallerID string `json:"caller_id"`
			TargetID string `json:"target_id"`
		}{c.workspace, strings.ToLower(id)},
	}, &out)
	return out.Allowed, err
}
