package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// NotifyRequest is a message to the workspace's user.
type NotifyRequest struct {
	Message     string       `json:"message"` // required
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Attachment is a file that the platform has.
type Attachment struct {
	URI      string `json:"uri"`  // required, as an upload returned it
	Name     string `json:"name"` // required
	MIMEType string `json:"mimeType,omitempty"`
	Size     int64  `json:"size,omitempty"` // bytes
}

// Notify shows the workspace's user a message: POST /workspaces/{id}/notify.
// It is not repeated here, since each call is a message.
func (c *Client) Notify(ctx context.Context, r NotifyRequest) error {
	if r.Message == "" {
		return errors.New("registry: Notify: no message; the platform refuses an empty one")
	}
	for i, a := range r.Attachments {
		if a.URI == "" || a.Name == "" {
			return fmt.Errorf("registry: Notify: attachment %d: it needs a URI, as an upload returned it, and a name", i)
		}
	}
	return c.do(ctx, call{
		op: "Notify", method: http.MethodPost, path: c.own("/notify"), asks: never, body: r,
	}, nil)
}
