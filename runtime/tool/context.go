package tool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

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
// 200 printable ASCII characters. Default: a fresh UUID, each call is another. A
// call that a tool makes in its own context has an id that follows from the
// tool's, from what it calls with which input, and from how often it has.
func WithCallID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, callKey{}, &identity{id: id})
}

// CallID is the identity of the call that ctx belongs to; empty outside of one.
func CallID(ctx context.Context) string {
	if i, ok := ctx.Value(callKey{}).(*identity); ok {
		return i.id
	}
	return ""
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

// maxCallID is how long a call id may be: it stands in headers.
const maxCallID = 200

// identity is that of one call.
type identity struct {
	id string

	mu    sync.Mutex
	calls map[string]int // what was called in it, how often; nil before it has begun
}

// identified makes sure that the call has an identity that can stand in
// messages and headers. what tells it from others that a tool makes in its own
// context.
func identified(ctx context.Context, what ...string) (context.Context, error) {
	own, _ := ctx.Value(callKey{}).(*identity)
	switch {
	case own == nil || own.id == "":
		return WithCallID(ctx, uuid.NewString()), nil
	case own.calls != nil:
		return WithCallID(ctx, own.inner(what)), nil
	case len(own.id) > maxCallID:
		return ctx, Bad("", fmt.Sprintf("has a call id of more than %d bytes", maxCallID), "give a shorter one to WithCallID")
	}
	for i := range len(own.id) {
		if own.id[i] <= ' ' || own.id[i] >= 0x7f {
			return ctx, Bad("", "has a call id that is not printable ASCII", "give another one to WithCallID")
		}
	}
	return ctx, nil
}

// begun makes the calls in ctx others than the one that ctx belongs to.
func begun(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, &identity{id: CallID(ctx), calls: map[string]int{}})
}

// inner is the id of a call that is made in this one.
func (i *identity) inner(what []string) string {
	key := fmt.Sprintf("%q", what)
	i.mu.Lock()
	i.calls[key]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", key, i.calls[key]))
	i.mu.Unlock()
	suffix := "/" + hex.EncodeToString(sum[:8])
	if len(i.id)+len(suffix) > maxCallID {
		outer := sha256.Sum256([]byte(i.id))
		return hex.EncodeToString(outer[:16]) + suffix
	}
	return i.id + suffix
}
