package runtime

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// gate is the engine as the front end sees it. It notes when a message was
// turned away before anything was begun, so that the answer gets status 503, at
// which a platform that delivers from its queue keeps it. And it takes from a message what only
// the runtime may say.
type gate struct{ *task.Engine }

func (g gate) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	result, err := g.Engine.SendMessage(ctx, unforged(req))
	if errors.Is(err, task.ErrShutdown) || errors.Is(err, task.ErrBusy) || errors.Is(err, task.ErrStore) {
		if w, ok := ctx.Value(gatedKey{}).(*gatedWriter); ok {
			w.after = retryAfter(err)
		}
	}
	return result, err
}

func (g gate) StreamMessage(ctx context.Context, req *a2a.SendMessageRequest, yield func(seq uint64, ev a2a.Event) bool) error {
	return g.Engine.StreamMessage(ctx, unforged(req), yield)
}

func (g gate) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	return g.Engine.SendStreamingMessage(ctx, unforged(req))
}

// retryAfter is when a message that was turned away may come again, in seconds.
func retryAfter(err error) int {
	var busy *task.BusyError
	if errors.As(err, &busy) {
		return int(busy.RetryAfter.Seconds())
	}
	return 1
}

// serveGated serves a request to next, in reach of the gate.
func serveGated(next http.Handler, w http.ResponseWriter, r *http.Request) {
	gated := &gatedWriter{ResponseWriter: w}
	next.ServeHTTP(gated, r.WithContext(context.WithValue(r.Context(), gatedKey{}, gated)))
}

type gatedKey struct{}

// gatedWriter turns the status of an answer into 503 when the message was
// turned away; the front end calls WriteHeader for every answer. It is used by
// one request, on its goroutine.
type gatedWriter struct {
	http.ResponseWriter
	after int // seconds after which the message may come again; 0: it was not turned away
}

func (w *gatedWriter) WriteHeader(status int) {
	if w.after > 0 {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(w.after))
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find deadlines and flushing.
func (w *gatedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
