package runtime

import (
	"errors"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// Why a turn's context has ended; see [context.Cause].
var (
	ErrCanceled = task.ErrCanceled // a caller canceled the task
	ErrTimeout  = task.ErrTimeout  // the turn took too long ([WithTurnTimeouts]); wrapped
	ErrShutdown = task.ErrShutdown // the workspace ends, and the drain deadline is over
)

// errFailed stands for an error of the agent in the heartbeats.
var errFailed = errors.New("the agent failed; its log says why")

// errPanicked stands for a panic of the agent in the error rate.
var errPanicked = errors.New("the agent panicked")

// Public makes an error whose message the caller may read; err, which may be
// nil, is for the log.
func Public(err error, message string) error { return task.Public(err, message) }
