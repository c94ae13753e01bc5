package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// RegisterRequest announces where the workspace can be reached.
type RegisterRequest struct {
	// URL is what the platform posts A2A requests to, path and query included;
	// http or https. A self-hosted platform refuses addresses that are, or
	// resolve to, loopback, private or reserved ones, but for the literal name
	// localhost.
	URL string
	// AgentCard is stored as it is; any JSON value.
	AgentCard json.RawMessage
}

// RegisterResponse is the answer to a registration.
type RegisterResponse struct {
	Status string `json:"status"` // "registered"
	// AuthToken is set when the workspace had no valid token: the platform has
	// issued this one and will not show it again. Save it before anything else.
	AuthToken Secret `json:"auth_token"`
}

// Register announces the workspace: POST /registry/register.
//
// It sets the status online from any other but removed, which un-pauses a
// paused workspace, and it is the only call that makes the platform watch the
// workspace's heartbeats (180 s). A refused URL is [ErrBadRequest], and is
// judged before the token. [ErrUnauthorized] means that a valid token exists
// and the one sent is not it.
//
// It is not repeated here: whether the platform issues a token depends on
// whether it has done so before, so the caller decides, one call at a time.
func (c *Client) Register(ctx context.Context, r RegisterRequest) (*RegisterResponse, error) {
	if r.URL == "" {
		return nil, errors.New("registry: Register: no URL")
	}
	card := r.AgentCard
	if len(card) == 0 {
		card = json.RawMessage("null")
	}
	var out RegisterResponse
	err := c.do(ctx, call{
		op: "Register", method: http.MethodPost, path: "/registry/register", asks: never,
		body: struct {
			ID        string          `json:"id"`
			URL       string          `json:"url"`
			AgentCard json.RawMessage `json:"agent_card"`
		}{c.workspace, r.URL, card},
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// UpdateCard replaces the stored agent card: POST /registry/update-card. It
// changes nothing else, and no URL is judged, so it is how the card of a
// workspace whose registration is refused gets there. null clears the card.
func (c *Client) UpdateCard(ctx context.Context, card json.RawMessage) error {
	if len(card) == 0 {
		card = json.RawMessage("null")
	}
	return c.do(ctx, call{
		op: "UpdateCard", method: http.MethodPost, path: "/registry/update-card", asks: upsert,
		body: struct {
			WorkspaceID string          `json:"workspace_id"`
			AgentCard   json.RawMessage `json:"agent_card"`
		}{c.workspace, card},
	}, nil)
}
