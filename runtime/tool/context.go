package tool

import (
	"context"

	"github.com/google/uuid"
)

type (
	callKey     struct{}
	taskKey     struct{}
	progressKey struct{}
)

// WithCallID gives the call its identity: what is done for it at the platform
// and at peers is done under this id, so that a call that is made again, after a
// restart or a broken connection, does not do it twice. Use what is the same
// then, such as the task's id with the id that the model gave the call; at most
// 200 printable ASCII characters. Default: a fresh UUID, each call is another.
func WithCallID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, callKey{}, id)
}

// CallID is the identity of the call that ctx belongs to; empty outside of one.
func CallID(ctx context.Context) string {
	id, _ := ctx.Value(callKey{}).(string)
	return id
}

// WithTask says which task the call serves: the platform shows it beside an
// approval, and what was asked in one task is not asked there a second time. The
// runtime does this for the context of each turn.
func WithTask(ctx context.Context, taskID string) context.Context {
	return context.WithValue(ctx, taskKey{}, taskID)
}

// TaskID is the task that ctx belongs to; empty when none is known.
func TaskID(ctx context.Context) string {
	id, _ := ctx.Value(taskKey{}).(string)
	return id
}

// Progress is how far a call has come.
type Progress struct {
	Message string
	Done    float64 // grows
	Total   float64 // 0 when it is not known
}

// WithProgress sets who is told how far the call has come. f is called from the
// goroutine of the call and must be quick.
func WithProgress(ctx context.Context, f func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// Report tells whoever listens how far the call has come.
func Report(ctx context.Context, p Progress) {
	if f, ok := ctx.Value(progressKey{}).(func(Progress)); ok && f != nil {
		f(p)
	}
}

// identified makes sure that the call has an identity that can stand in
// messages and headers.
func identified(ctx context.Context) (context.Context, error) {
	id := CallID(ctx)
	if id == "" {
		return WithCallID(ctx, uuid.NewString()), nil
	}
	if len(id) > 200 {
		return ctx, Bad("", "has a call id of more than 200 bytes", "give a shorter one to WithCallID")
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return ctx, Bad("", "has a call id that is not printable ASCII", "give another one to WithCallID")
		}
	}
	return ctx, nil
}
