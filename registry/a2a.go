package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// A2ARequest is one A2A call to a workspace, itself included.
type A2ARequest struct {
	// ID is the JSON-RPC id. Empty lets the platform choose one.
	ID string
	// Method is an A2A method, such as "message/send" or "SendMessage".
	Method string
	// Params are the method's. Give a message an id that stays the same when
	// the call is made again: receivers tell repeats by it.
	Params json.RawMessage
}

// A2AResponse is what came of an A2A call. At most one of Result, Err and
// Queued is set; none is when the agent answered without saying anything.
// Only Queued stands for a message that was accepted and not answered.
type A2AResponse struct {
	// Result is the agent's JSON-RPC result, in its own words. nil when the
	// agent answered with nothing.
	Result json.RawMessage
	// Err is the agent's JSON-RPC error: the agent answered, and refused.
	Err *A2AError
	// Queued is set when the platform took the message and will deliver it
	// later. No answer will ever come to this caller.
	Queued *Queued
}

// A2AError is a JSON-RPC error object.
type A2AError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error gives the code and the agent's words.
func (e *A2AError) Error() string { return fmt.Sprintf("agent answered %d: %s", e.Code, e.Message) }

// Queued says where a message waits that could not be delivered at once.
type Queued struct {
	ID      string `json:"queue_id"`
	Depth   int    `json:"queue_depth"`
	Message string `json:"message"`
}

// SendA2A calls the agent of workspace target through the platform: POST
// /workspaces/{target}/a2a with X-Workspace-ID set to this workspace. Sent to
// itself it is how a workspace talks to its own agent so that the platform
// records it.
//
// The call lasts as long as the agent's turn and is bounded by ctx alone;
// ending ctx does not stop the agent. The body may have 1 MiB, more is
// [ErrTooLarge] before anything is sent.
//
// It is never repeated here, not even with the same message id: whether a
// second delivery is harmless depends on the agent at the other end. For the
// caller's own decision: [ErrRestarting] did not arrive and may be sent again
// after some 8 s, Waking after RetryAfter; [ErrBusy] may have arrived, send it
// again with the same message id only; DeliveryConfirmed true has arrived.
//
// The platform passes on the status of an agent that answers 300 or more, with
// a body of its own, so an [Error] here may come from the agent: its 401 is
// [ErrUnauthorized] too.
func (c *Client) SendA2A(ctx context.Context, target string, r A2ARequest) (*A2AResponse, error) {
	if err := checkID(target); err != nil {
		return nil, fmt.Errorf("registry: SendA2A: target %w", err)
	}
	body := struct {
		JSONRPC string          `json:"jsonrpc,omitempty"`
		ID      string          `json:"id,omitempty"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params,omitempty"`
	}{Method: r.Method, Params: r.Params}
	if r.ID != "" {
		body.JSONRPC, body.ID = "2.0", r.ID
	}
	k := call{
		op: "SendA2A", method: http.MethodPost, path: "/workspaces/" + segment(target) + "/a2a", asks: never,
		body: &body, params: &body.Params, caller: true, limit: maxA2A, open: true,
	}
	a, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	if a.status < 200 || a.status > 299 {
		return nil, answerError(k, a)
	}
	return readA2A(k, a)
}

// readA2A tells the shapes of a 2xx answer apart.
func readA2A(k call, a *answer) (*A2AResponse, error) {
	if a.status == http.StatusNoContent || len(a.body) == 0 {
		return &A2AResponse{}, nil // the agent said nothing
	}
	var body struct {
		JSONRPC json.RawMessage `json:"jsonrpc"`
		Result  json.RawMessage `json:"result"`
		Error   *A2AError       `json:"error"`
		Queued  bool            `json:"queued"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, unexpected(k, a, err)
	}
	switch {
	case a.status == http.StatusAccepted && body.Queued:
		var q Queued
		if err := json.Unmarshal(a.body, &q); err != nil {
			return nil, unexpected(k, a, err)
		}
		return &A2AResponse{Queued: &q}, nil
	case body.Error != nil:
		return &A2AResponse{Err: body.Error}, nil
	case body.Result == nil && body.JSONRPC == nil:
		return nil, unexpected(k, a, errors.New("no JSON-RPC response"))
	}
	return &A2AResponse{Result: body.Result}, nil
}
