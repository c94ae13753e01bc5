package registry

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// TokenInfo describes a valid token of the workspace.
type TokenInfo struct {
	ID         string    `json:"id"`
	Prefix     string    `json:"prefix"` // its first 8 characters
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"` // zero is never
}

// tokenPage is how many tokens are asked for at once; the platform gives 200 at
// most.
const tokenPage = 50

// Tokens lists the workspace's valid tokens, newest first: GET
// /workspaces/{id}/tokens, page after page. The sequence ends with the first
// error. Tokens that come or go meanwhile may be missing or come twice.
func (c *Client) Tokens(ctx context.Context) iter.Seq2[TokenInfo, error] {
	return func(yield func(TokenInfo, error) bool) {
		for offset := 0; ; offset += tokenPage {
			var page struct {
				Tokens []TokenInfo `json:"tokens"`
			}
			err := c.do(ctx, call{
				op: "Tokens", method: http.MethodGet, path: c.own("/tokens"), asks: reads,
				query: query("limit", strconv.Itoa(tokenPage), "offset", count(offset)),
			}, &page)
			if err != nil {
				yield(TokenInfo{}, err)
				return
			}
			for _, t := range page.Tokens {
				if !yield(t, nil) {
					return
				}
			}
			if len(page.Tokens) < tokenPage {
				return
			}
		}
	}
}

// MintToken issues one more token for this workspace: POST
// /workspaces/{id}/tokens. The others stay valid; 50 are the most, and one more
// is [ErrRateLimited]. It is not repeated here, since each call issues another.
func (c *Client) MintToken(ctx context.Context) (Secret, error) {
	var out struct {
		AuthToken Secret `json:"auth_token"`
	}
	err := c.do(ctx, call{op: "MintToken", method: http.MethodPost, path: c.own("/tokens"), asks: never, body: struct{}{}}, &out)
	return out.AuthToken, err
}

// RevokeToken makes a token invalid: DELETE /workspaces/{id}/tokens/{token}.
// Once the last one is gone, whoever registers first gets a new one. It is
// [ErrNotFound] when there is no such valid token, also for a repeat when the
// first answer was lost; and a repeat may be [ErrUnauthorized] when the token
// was the caller's own.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	if err := checkUUID("token id", id); err != nil {
		return fmt.Errorf("registry: RevokeToken: %w", err)
	}
	return c.do(ctx, call{op: "RevokeToken", method: http.MethodDelete, path: c.own("/tokens/" + segment(id)), asks: removes}, nil)
}
