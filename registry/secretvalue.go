package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// SecretInfo names a secret of the workspace, or of the whole platform.
type SecretInfo struct {
	Key       string    `json:"key"`
	Scope     string    `json:"scope"` // "workspace", or "global" when the workspace has none of this key
	HasValue  bool      `json:"has_value"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Secrets lists the workspace's secrets without their values: GET
// /workspaces/{id}/secrets.
func (c *Client) Secrets(ctx context.Context) ([]SecretInfo, error) {
	var out []SecretInfo
	err := c.do(ctx, call{op: "Secrets", method: http.MethodGet, path: c.own("/secrets"), asks: reads}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SecretValues reads the values of all secrets, the workspace's before the
// platform's: GET /workspaces/{id}/secrets/values. It is all or nothing: when
// one cannot be decrypted the platform answers 500. While its database is away
// it may answer with none at all.
func (c *Client) SecretValues(ctx context.Context) (map[string]Secret, error) {
	var out map[string]Secret
	err := c.do(ctx, call{op: "SecretValues", method: http.MethodGet, path: c.own("/secrets/values"), asks: reads}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SetSecret stores a secret of the workspace: PUT /workspaces/{id}/secrets. A
// platform that runs the workspace in a container restarts it for that: whoever
// does this from inside ends itself, and its token.
func (c *Client) SetSecret(ctx context.Context, key string, value Secret) error {
	if key == "" || value == "" {
		return errors.New("registry: SetSecret: a key and a value are required; DeleteSecret removes one")
	}
	return c.do(ctx, call{
		op: "SetSecret", method: http.MethodPut, path: c.own("/secrets"), asks: upsert,
		body: struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		}{key, value.Reveal()},
	}, nil)
}

// DeleteSecret removes a secret of the workspace, and restarts it as
// [Client.SetSecret] does: DELETE /workspaces/{id}/secrets/{key}. It is
// [ErrNotFound] when there is none, also for a repeat when the first answer was
// lost.
func (c *Client) DeleteSecret(ctx context.Context, key string) error {
	if err := checkSegment("key", key); err != nil {
		return fmt.Errorf("registry: DeleteSecret: %w", err)
	}
	return c.do(ctx, call{op: "DeleteSecret", method: http.MethodDelete, path: c.own("/secrets/" + escape(key)), asks: removes}, nil)
}
