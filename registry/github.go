package registry

import (
	"context"
	"net/http"
	"time"
)

// GitHubToken is a token for GitHub that lasts for an hour.
type GitHubToken struct {
	Token     Secret    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// GitHubToken fetches a token of the platform's GitHub App for this workspace's
// repositories: GET /workspaces/{id}/github-installation-token. Do not keep one
// for longer than 50 minutes. A platform without an App answers 500, which is
// why the call is not repeated here.
func (c *Client) GitHubToken(ctx context.Context) (*GitHubToken, error) {
	var out GitHubToken
	err := c.do(ctx, call{
		op: "GitHubToken", method: http.MethodGet, path: c.own("/github-installation-token"), asks: never,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}
