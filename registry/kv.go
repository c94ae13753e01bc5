package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// KVEntry is a value that a workspace has stored under a key.
type KVEntry struct {
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`      // as the database writes it: keys in another order, numbers as they were
	Version   int64           `json:"version"`    // from 1, one more with each write
	ExpiresAt time.Time       `json:"expires_at"` // zero is never
	UpdatedAt time.Time       `json:"updated_at"`
}

// ListKV lists all that is stored, by key: GET /workspaces/{id}/memory. Expired
// entries are left out.
func (c *Client) ListKV(ctx context.Context) ([]KVEntry, error) {
	var out []KVEntry
	err := c.do(ctx, call{op: "ListKV", method: http.MethodGet, path: c.own("/memory"), asks: reads}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetKV reads one entry: GET /workspaces/{id}/memory/{key}. It is [ErrNotFound]
// when there is none or it has expired. The platform cannot look up a key with a
// slash; [Client.ListKV] has it.
func (c *Client) GetKV(ctx context.Context, key string) (*KVEntry, error) {
	if err := checkSegment("key", key); err != nil {
		return nil, fmt.Errorf("registry: GetKV: %w", err)
	}
	var out KVEntry
	err := c.do(ctx, call{op: "GetKV", method: http.MethodGet, path: c.own("/memory/" + escape(key)), asks: reads}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// SetKVRequest is what is to be stored.
type SetKVRequest struct {
	Key   string          // required
	Value json.RawMessage // required, any JSON
	// TTL is how long the entry lasts, in whole seconds, rounded up; 0 is for
	// ever.
	TTL time.Duration
	// IfVersion, unless it is nil, makes the write conditional: the stored entry
	// has to have this version, 0 being none, where an expired one still counts.
	// Otherwise it is [ErrConflict], with the version found in
	// Error.CurrentVersion.
	IfVersion *int64
}

// SetKV stores a value and returns its version: POST /workspaces/{id}/memory.
// The last write wins, and a repeat leaves the same value, one version later. A
// conditional write is not repeated, since it would find its own version.
func (c *Client) SetKV(ctx context.Context, r SetKVRequest) (version int64, err error) {
	switch {
	case r.Key == "":
		return 0, errors.New("registry: SetKV: no key")
	case strings.Contains(r.Key, "\x00"): // without it, it would be another key
		return 0, fmt.Errorf("registry: SetKV: key %q has a NUL: take it out", excerpt([]byte(r.Key)))
	case len(r.Value) == 0:
		return 0, errors.New("registry: SetKV: no value: give any JSON, null included")
	case r.TTL < 0: // the platform would store an entry that has expired
		return 0, fmt.Errorf("registry: SetKV: TTL %v: use a positive duration, or 0 for ever", r.TTL)
	}
	asks := upsert
	if r.IfVersion != nil {
		asks = never
	}
	var out struct {
		Version int64 `json:"version"`
	}
	err = c.do(ctx, call{
		op: "SetKV", method: http.MethodPost, path: c.own("/memory"), asks: asks,
		body: struct {
			Key            string          `json:"key"`
			Value          json.RawMessage `json:"value"`
			TTLSeconds     int64           `json:"ttl_seconds,omitempty"`
			IfMatchVersion *int64          `json:"if_match_version,omitempty"`
		}{r.Key, r.Value, int64((r.TTL + time.Second - 1) / time.Second), r.IfVersion},
	}, &out)
	return out.Version, err
}

// DeleteKV removes an entry, whether there is one or not: DELETE
// /workspaces/{id}/memory/{key}.
func (c *Client) DeleteKV(ctx context.Context, key string) error {
	if err := checkSegment("key", key); err != nil {
		return fmt.Errorf("registry: DeleteKV: %w", err)
	}
	return c.do(ctx, call{op: "DeleteKV", method: http.MethodDelete, path: c.own("/memory/" + escape(key)), asks: upsert}, nil)
}
