package task

import "errors"

// Why a turn's context has ended; ask [context.Cause]. A write to the reply
// after that returns the same error.
var (
	// ErrCanceled is the cause when a caller has canceled the task.
	ErrCanceled = errors.New("task: canceled by the caller")

	// ErrShutdown is the cause when [Engine.Drain] has run out of time. It is
	// also in the error of a message that comes after Drain was called.
	ErrShutdown = errors.New("task: the agent is shutting down")

	// ErrEnded is returned by a write to a turn that is over, and is the cause
	// of its context from then on.
	ErrEnded = errors.New("task: the turn is over")
)

// ErrBusy is in the error of a message that came while as many turns were
// running as [Limits] allows. Nothing was begun; the message may be sent again.
var ErrBusy = errors.New("task: too many turns are running")

// PublicError is an error with a message that the caller may read. Make it with
// [Public], find it with [errors.As].
type PublicError struct {
	Message string // for the caller
	Err     error  // for the log; may be nil
}

// Error is for the log: the message, and the cause if there is one.
func (e *PublicError) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *PublicError) Unwrap() error { return e.Err }

// Public makes an error whose message the caller may read: a turn that returns
// it, wrapped or not, fails with that text. err is the cause, for the log only;
// it may be nil.
func Public(err error, message string) error {
	return &PublicError{Message: message, Err: err}
}
