package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"
)

// fault is a JSON-RPC error object.
type fault struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (f *fault) json() []byte {
	b, err := json.Marshal(f)
	if err != nil { // an int, a string and JSON always can
		return []byte(`{"code":-32603,"message":"internal error"}`)
	}
	return b
}

// Error makes a fault an error that a method can return.
func (f *fault) Error() string { return f.Message }

var errInternal = &fault{Code: -32603, Message: "internal error"}

func parseFault(text string) *fault { return &fault{Code: -32700, Message: "parse error: " + text} }
func invalidRequest(text string) *fault {
	return &fault{Code: -32600, Message: "invalid request: " + text}
}
func invalidParams(text string) *fault {
	return &fault{Code: -32602, Message: "invalid params: " + text}
}

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
func (h *handler) faultOf(ctx context.Context, env envelope, err error) *fault {
	if f := (*fault)(nil); errors.As(err, &f) {
		return f
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // mostly a caller that left; if not, it waits for an answer
		h.logger.DebugContext(ctx, "a2a: the request ended", "method", env.method, "error", err)
		return errInternal
	}
	f, sentinel := *errInternal, a2a.ErrInternalError
	for _, known := range codes {
		if errors.Is(err, known.err) {
			f, sentinel = fault{Code: known.code, Message: known.err.Error()}, known.err
			break
		}
	}
	var public *a2a.Error
	if errors.As(err, &public) && public.Message != "" {
		f.Message = public.Message
	}
	if f.Code == errInternal.Code {
		if public != nil && public.Err != nil {
			err = fmt.Errorf("%w: %w", err, public.Err) // an a2a.Error says what callers read, not why
		}
		h.logger.ErrorContext(ctx, "a2a: internal error", "method", env.method, "error", err)
	} else {
		h.logger.DebugContext(ctx, "a2a: refused", "method", env.method, "code", f.Code, "error", err)
	}
	f.Data = h.dataOf(ctx, env, public, sentinel)
	return &f
}

// dataOf is what a program can read of an error: in 1.0 a list of typed objects
// with an ErrorInfo among them (section 9.5), in 0.3 one object. It is nil when
// there is nothing to say, or when it cannot be written: the code and the text
// matter more.
func (h *handler) dataOf(ctx context.Context, env envelope, public *a2a.Error, sentinel error) json.RawMessage {
	var details map[string]any
	var typed []*errordetails.Typed
	if public != nil {
		details, typed = public.Details, public.TypedDetails
	}
	var data any
	switch {
	case env.dialect == v10:
		var list []*errordetails.Typed
		if len(details) > 0 {
			list = append(list, errordetails.NewFromStruct(details))
		}
		named := false
		for _, t := range typed {
			if t == nil || t.Value == nil { // their MarshalJSON panics
				continue
			}
			list = append(list, t)
			named = named || t.TypeURL == errordetails.ErrorInfoType
		}
		if !named {
			list = append(list, errordetails.NewErrorInfo(a2a.ErrorReason(sentinel), a2a.ProtocolDomain, nil))
		}
		data = list
	case len(details) > 0:
		data = details
	default:
		return nil
	}
	var written json.RawMessage
	err := h.guard(ctx, env.method, func() (err error) { written, err = json.Marshal(data); return err })
	if err != nil {
		h.logger.ErrorContext(ctx, "a2a: the details of an error cannot be encoded", "method", env.method, "error", err)
		return nil
	}
	return written
}
