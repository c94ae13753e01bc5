package task

import (
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Why a turn's context has ended; ask [context.Cause]. A write to the reply
// after that returns the same error. A caller that hangs up ends no turn.
var (
	// ErrCanceled is the cause when a caller has canceled the task.
	ErrCanceled = errors.New("task: canceled by the caller")

	// ErrTimeout is in the cause when the turn, or its silence, was longer than
	// [Timeouts] allow.
	ErrTimeout = errors.New("task: the turn takes too long")

	// ErrReplyTooLarge is in the cause when the turn has tried to write more
	// than Limits.MaxReplyBytes allow.
	ErrReplyTooLarge = errors.New("task: the reply is too large")

	// ErrShutdown is the cause when [Engine.Drain] has run out of time. It is
	// also in the error of a message that comes after Drain was called, and of
	// calls that wait for a task which goes on in the next process.
	ErrShutdown = errors.New("task: the agent is shutting down")

	// ErrElsewhere is the cause when another process has taken the task over.
	// It is also in the error of who waits here for a task that does not run
	// here.
	ErrElsewhere = errors.New("task: it is in the hands of another process")

	// ErrEnded is returned by a write to a turn that is over, and is the cause
	// of its context from then on.
	ErrEnded = errors.New("task: the turn is over")
)

// What else goes wrong.
var (
	// ErrBusy is in the error of a message that came while as many turns were
	// running and waiting as [Limits] allow; the error is a [BusyError].
	// Nothing was begun; the message may be sent again.
	ErrBusy = errors.New("task: too many turns are running")

	// ErrStore is in the error of a call while the store cannot be written to.
	// A message that was refused with it may be sent again, under the same id.
	ErrStore = errors.New("task: the store cannot be written to")

	// ErrFormat is in the error of [Open] for a store that a later version of
	// this package has written.
	ErrFormat = errors.New("task: unknown format of the store")
)

// BusyError says when a message that could not be taken may be sent again. Its
// message is for the caller; the error wraps [ErrBusy].
type BusyError struct {
	RetryAfter time.Duration // a guess, from 1 s to 1 min
	err        error
}

func newBusyError(after time.Duration, format string, args ...any) error {
	after = after.Round(time.Second)
	text := fmt.Sprintf(format, args...) + fmt.Sprintf(": send the message again in %d s, under the same id", int(after.Seconds()))
	return &BusyError{RetryAfter: after, err: a2a.NewError(errors.Join(ErrBusy, a2a.ErrServerError), text)}
}

// Error is the message for the caller.
func (e *BusyError) Error() string { return e.err.Error() }

// Unwrap returns an *a2a.Error with [ErrBusy] and a2a.ErrServerError.
func (e *BusyError) Unwrap() error { return e.err }

func errStore() error {
	return refused(errors.Join(ErrStore, a2a.ErrServerError), "the agent cannot store tasks at the moment: send the message again later, under the same id")
}

func errDraining() error {
	return refused(errors.Join(ErrShutdown, a2a.ErrServerError), "the agent is shutting down: send the message again later, under the same id")
}

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
