package jsonrpc

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Card serves an agent card that clients of A2A 1.0 and of 0.3 both read. Make
// one with [NewCard], mount it on /.well-known/agent-card.json and on the older
// /.well-known/agent.json. It is safe for concurrent use.
type Card struct {
	rendered atomic.Pointer[[]byte]
}

// NewCard renders the card. See [Card.Set].
func NewCard(card *a2a.AgentCard) (*Card, error) {
	c := new(Card)
	if err := c.Set(card); err != nil {
		return nil, err
	}
	return c, nil
}

// Set renders the card and serves it from now on. On an error the card served
// before stays.
func (c *Card) Set(card *a2a.AgentCard) error {
	body, err := json.Marshal(card)
	if err != nil {
		return err
	}
	c.rendered.Store(&body)
	return nil
}

// JSON returns the card as it is served, a copy.
func (c *Card) JSON() json.RawMessage { return bytes.Clone(*c.rendered.Load()) }

// ServeHTTP answers GET and HEAD.
func (c *Card) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(*c.rendered.Load())
}
