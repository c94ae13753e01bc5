package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// fault is a JSON-RPC error object.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (f *fault) json() []byte {
	b, err := json.Marshal(f)
	if err != nil { // an int and a string always can
		return []byte(`{"code":-32603,"message":"internal error"}`)
	}
	return b
}

// Error makes a fault an error that a method can return.
func (f *fault) Error() string { return f.Message }

var errInternal = &fault{-32603, "internal error"}

func parseFault(text string) *fault     { return &fault{-32700, "parse error: " + text} }
func invalidRequest(text string) *fault { return &fault{-32600, "invalid request: " + text} }
func invalidParams(text string) *fault  { return &fault{-32602, "invalid params: " + text} }

// codes are the JSON-RPC codes of A2A's errors (1.0 section 9.5, 0.3 section
// 8). The first that matches counts.
var codes = []struct {
	err  error
	code int
}{
	{a2a.ErrTaskNotFound, -32001},
	{a2a.ErrTaskNotCancelable, -32002},
	{a2a.ErrPushNotificationNotSupported, -32003},
	{a2a.ErrUnsupportedOperation, -32004},
	{a2a.ErrUnsupportedContentType, -32005},
	{a2a.ErrInvalidAgentResponse, -32006},
	{a2a.ErrExtendedCardNotConfigured, -32007},
	{a2a.ErrExtensionSupportRequired, -32008},
	{a2a.ErrVersionNotSupported, -32009},
	{a2a.ErrUnauthenticated, -31401},
	{a2a.ErrUnauthorized, -31403},
	{a2a.ErrParseError, -32700},
	{a2a.ErrInvalidRequest, -32600},
	{a2a.ErrMethodNotFound, -32601},
	{a2a.ErrInvalidParams, -32602},
	{a2a.ErrServerError, -32000},
}

// faultOf is what the caller may know of err: the code and text of one of
// A2A's errors, and of the text only what was written for callers (that of an
// [a2a.Error]). Anything else is "internal error" here and a line in the log.
func (h *handler) faultOf(ctx context.Context, method string, err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // mostly a caller that left; if not, it waits for an answer
		h.logger.DebugContext(ctx, "a2a: the request ended", "method", method, "error", err)
		return errInternal
	}
	for _, known := range codes {
		if !errors.Is(err, known.err) {
			continue
		}
		f := &fault{known.code, known.err.Error()}
		var public *a2a.Error
		if errors.As(err, &public) && public.Message != "" {
			f.Message = public.Message
		}
		h.logger.DebugContext(ctx, "a2a: refused", "method", method, "code", f.Code, "error", err)
		return f
	}
	h.logger.ErrorContext(ctx, "a2a: internal error", "method", method, "error", err)
	return errInternal
}
