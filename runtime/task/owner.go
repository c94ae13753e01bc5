package task

import (
	"context"

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
