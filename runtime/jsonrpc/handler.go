package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// bodyTimeout is how long a request's body may take to arrive.
const bodyTimeout = 30 * time.Second

type handler struct {
	config
	to      a2asrv.RequestHandler
	origins *http.CrossOriginProtection
}

// NewHandler makes the HTTP handler that speaks A2A 1.0 and 0.3 over JSON-RPC
// for rh. Mount it where the agent card says; it looks at no path.
func NewHandler(rh a2asrv.RequestHandler, opts ...Option) http.Handler {
	h := &handler{to: rh, origins: http.NewCrossOriginProtection()}
	for _, o := range opts {
		o.apply(&h.config)
	}
	h.setDefaults()
	return h
}

// ServeHTTP refuses what is no JSON-RPC call before anything of it is decoded,
// then hands the call to the method's function.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A deadline for the body, also for one that is refused unread: net/http
	// reads the rest of it before it answers.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every ResponseWriter has one
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "send a POST request")
		return
	}
	if err := h.origins.Check(r); err != nil {
		refuse(w, http.StatusForbidden, "cross-origin request refused")
		return
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		refuse(w, http.StatusUnsupportedMediaType, "send Content-Type: application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.limits.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes", tooLarge.Limit))
		return
	case err != nil: // too slow, or gone
		refuse(w, http.StatusBadRequest, "the request did not arrive whole")
		return
	}
	// And for the body alone: one on the connection would end the context of
	// every turn that takes longer, the server's own ReadTimeout included.
	_ = rc.SetReadDeadline(time.Time{})
	env, fault := parseEnvelope(body, h.limits.MaxDepth)
	env.eventsOnly = wantsEventsOnly(r)
	if fault != nil {
		h.answerFault(w, env, fault)
		return
	}
	m, fault := choose(env.method, version(r))
	if fault != nil {
		h.answerFault(w, env, fault)
		return
	}
	h.call(w, r, env, m)
}

// call runs one method.
func (h *handler) call(w http.ResponseWriter, r *http.Request, env envelope, m method) {
	env.dialect = m.dialect
	traced, span := h.begin(r, env)
	defer span.End()
	ctx, _ := a2asrv.NewCallContext(traced, serviceParams(r.Header))
	if m.stream != nil {
		h.serveStream(ctx, w, r, env, m)
		return
	}
	var value []byte
	err := h.guard(ctx, env.method, func() error {
		result, err := m.unary(ctx, h.to, env.params)
		if err != nil {
			return err
		}
		value, err = encode(result)
		return err
	})
	if err != nil {
		h.answerError(ctx, w, env, err)
		return
	}
	h.answer(w, appendResponse(nil, env.id, "result", value))
}

// serviceParams are the headers as the request handler sees them. What 1.0
// calls A2A-Extensions was X-A2A-Extensions in 0.3.
func serviceParams(header http.Header) *a2asrv.ServiceParams {
	params := a2asrv.NewServiceParams(header)
	if older := header.Values("X-" + a2a.SvcParamExtensions); len(older) > 0 {
		params = params.With(map[string][]string{a2a.SvcParamExtensions: older})
	}
	return params
}

// guard runs what belongs to somebody else. A panic in it ends this call and
// nothing else.
func (h *handler) guard(ctx context.Context, method string, run func() error) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // net/http's own way out
			panic(p)
		default:
			h.logger.ErrorContext(ctx, "a2a: panic", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	return run()
}

// isJSON reports whether a body of this type is JSON. A browser can send other
// types to a local agent without asking, so the type is not guessed.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || (strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")))
}

// version is the A2A version a request asks for: the A2A-Version header or, as
// the specification (1.0, section 3.6.2) allows, the query parameter. "" means
// that it does not ask.
func version(r *http.Request) string {
	if v := r.Header.Get(a2a.SvcParamVersion); v != "" {
		return strings.TrimSpace(v)
	}
	return strings.TrimSpace(r.URL.Query().Get(a2a.SvcParamVersion))
}
