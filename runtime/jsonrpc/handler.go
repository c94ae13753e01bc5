package jsonrpc

import (
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
	// A deadline for the body alone: one on the whole connection would end the
	// context of every turn that takes longer.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every ResponseWriter has one
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.limits.MaxBody))
	_ = rc.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes", tooLarge.Limit))
		return
	case err != nil:
		return // the caller is gone
	}
	env, fault := parseEnvelope(body, h.limits.MaxDepth)
	if fault != nil {
		h.answerFault(w, env.id, fault)
		return
	}
	m, fault := choose(env.method, version(r))
	if fault != nil {
		h.answerFault(w, env.id, fault)
		return
	}
	h.call(w, r, env, m)
}

// call runs one method. A panic below ends this call and nothing else.
func (h *handler) call(w http.ResponseWriter, r *http.Request, env envelope, m method) {
	ctx, _ := a2asrv.NewCallContext(r.Context(), a2asrv.NewServiceParams(r.Header))
	guarded := &headerGuard{ResponseWriter: w}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // compared by identity, as net/http does
			panic(p)
		}
		h.logger.ErrorContext(ctx, "a2a: panic", "method", env.method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if !guarded.began {
			h.answerFault(w, env.id, errInternal)
		}
	}()
	if m.stream != nil {
		h.serveStream(ctx, guarded, r, env, m)
		return
	}
	result, err := m.unary(ctx, h.to, env.params)
	if err != nil {
		h.answerError(ctx, guarded, env, err)
		return
	}
	h.answerResult(ctx, guarded, env, result)
}

// headerGuard remembers whether anything was sent.
type headerGuard struct {
	http.ResponseWriter
	began bool
}

func (g *headerGuard) WriteHeader(status int) {
	g.began = true
	g.ResponseWriter.WriteHeader(status)
}

func (g *headerGuard) Write(b []byte) (int, error) {
	g.began = true
	return g.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (g *headerGuard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

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
