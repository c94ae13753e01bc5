package task

import (
	"context"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Notifier delivers push notifications; package push has one. Both methods are
// called from several goroutines.
type Notifier interface {
	// Check says what is wrong with a target before it is taken; the caller who
	// has named it reads the text.
	Check(url string) error

	// Notify makes one delivery. It must return soon after the end of ctx. An
	// error in which there is a [NotifyError] says whether and when to try
	// again; after any other error it is tried again.
	Notify(ctx context.Context, n Notification) error
}

// Notification is one delivery.
type Notification struct {
	ID     string          // the same each time it is tried
	Config *a2a.PushConfig // where to, and with which credentials
	Body   []byte          // an A2A 1.0 StreamResponse as JSON
}

// NotifyError says what is to be made of a delivery that has failed.
type NotifyError struct {
	Permanent  bool          // it will not be taken, however often it is tried
	RetryAfter time.Duration // when the target wants it again; 0: it does not say
	Err        error         // without credentials: it is logged
}

func (e *NotifyError) Error() string { return fmt.Sprintf("push notification: %v", e.Err) }

// Unwrap returns the cause.
func (e *NotifyError) Unwrap() error { return e.Err }

// WithPush lets callers have push notifications: whoever registers a target for
// a task is told of each change of its status, in order, at least once, also
// across restarts. The reply's pieces are not pushed; the target asks for the
// task, or streams it. Default: the methods for it answer
// a2a.ErrPushNotificationNotSupported.
//
// A target that cannot be reached is tried again with growing pauses; after
// eight failures in a row, or one that is permanent, it is told nothing more,
// which is logged.
func WithPush(n Notifier) Option {
	return optionFunc(func(c *config) { c.notifier = n })
}
