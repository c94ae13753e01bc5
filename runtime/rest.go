package runtime

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// restPath is where the HTTP+JSON binding is served.
const restPath = "/rest"

// restBodyTimeout is how long a request's body may take to arrive.
const restBodyTimeout = 30 * time.Second

// serveREST serves the binding of a2a-go, which bounds neither bodies nor the
// time they take, nor the time a reader takes, and lets any web page send
// messages to an agent on its visitor's machine.
func (r *Runtime) serveREST(w http.ResponseWriter, req *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(restBodyTimeout)) // not every ResponseWriter has one
	req, ok := r.admit(w, req)
	if !ok {
		return
	}
	if err := http.NewCrossOriginProtection().Check(req); err != nil {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "cross-origin request refused"})
		return
	}
	limit := r.set.limits.Body
	if limit <= 0 {
		limit = jsonrpc.DefaultMaxBody
	}
	// Read to its end, because net/http notices a caller that leaves only after
	// that, and because the deadline has to be lifted before the turn begins: it
	// would end the context of each one that takes longer.
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]string{"error": "the request is too large"})
		return
	case err != nil:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the request did not arrive whole"})
		return
	}
	_ = rc.SetReadDeadline(time.Time{})
	req.Body = io.NopCloser(bytes.NewReader(body))
	ctx, span := r.traceREST(req, body)
	answer := &statusWriter{ResponseWriter: w}
	defer func() { endREST(span, answer.status) }()
	serveGated(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.rest.ServeHTTP(restWriter{w, rc}, req)
	}), answer, req.WithContext(ctx))
	_ = rc.SetWriteDeadline(time.Time{}) // whoever uses the connection next has none
}

// restWriter gives each write a deadline of its own, so that a reader that stops
// reading is given up, and is the [http.Flusher] that the binding asks for.
type restWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (w restWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Flush implements [http.Flusher]. An error comes back with the next write.
func (w restWriter) Flush() {
	w.extend()
	_ = w.rc.Flush()
}

func (w restWriter) extend() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(jsonrpc.DefaultWriteTimeout))
}
