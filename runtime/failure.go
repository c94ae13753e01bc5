package runtime

import "errors"

// Why a turn's context has ended; see [context.Cause].
var (
	ErrCanceled = errors.New("runtime: the caller canceled the task")
	ErrShutdown = errors.New("runtime: the workspace is shutting down")
)

// Public makes an error whose message the caller may read; err, which may be
// nil, is for the log.
func Public(err error, message string) error { return errors.New(message) }
