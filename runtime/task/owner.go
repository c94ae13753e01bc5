package task

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// userOf is who sends a request: the name that an interceptor of a2asrv, or
// whoever else made the call's context, has put there once it was sure of it.
// Empty is somebody unknown.
func userOf(ctx context.Context) string {
	if call, ok := a2asrv.CallContextFrom(ctx); ok && call.User != nil && call.User.Authenticated {
		return call.User.Name
	}
	return ""
}

// storable gives names that are no UTF-8, as old systems put them into headers,
// a form that is: the record of a task is JSON, which would make one name of
// several.
func storable(owner func(context.Context) string) func(context.Context) string {
	return func(ctx context.Context) string {
		name := owner(ctx)
		if utf8.ValidString(name) && !strings.HasPrefix(name, "\x00") {
			return name
		}
		return "\x00" + strconv.QuoteToASCII(name)
	}
}
