package runtime

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// Handler is everything the workspace serves:
//
//	POST / and /a2a                   A2A over JSON-RPC, versions 1.0 and 0.3
//	/rest/...                         A2A over HTTP+JSON, version 1.0, with [WithREST]
//	GET  /.well-known/agent-card.json the agent card
//	GET  /.well-known/agent.json      the same, under its older name
//	GET  /livez                       200 while the heartbeats go on
//	GET  /readyz                      200 when the platform can use the workspace,
//	                                  else 503 and why not
//
// [Runtime.Run] serves it by itself. To mount it on a server of your own, use
// [WithoutServer] and run Run beside the server. Before Run has come to the
// point of listening, and after it has begun to drain, messages are answered
// with 503: a platform that delivers from its queue keeps the message then, and
// delivers it again. (A JSON-RPC error with status 200 would count as delivered,
// and a broken connection as lost; but a stream has its headers out before
// there is anything to refuse, so there the error is the first event.) Shut
// your server down after Run has returned.
func (r *Runtime) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", r.serveA2A)
	mux.HandleFunc("/a2a", r.serveA2A)
	if r.set.rest {
		mux.HandleFunc(restPath+"/", r.serveREST)
	}
	mux.HandleFunc("/.well-known/agent-card.json", r.serveCard)
	mux.HandleFunc("/.well-known/agent.json", r.serveCard)
	mux.HandleFunc("GET /livez", r.serveLive)
	mux.HandleFunc("GET /readyz", r.serveReady)
	return mux
}

// server is the HTTP server of Run. It has no write timeout, since streams last
// as long as turns; the front end bounds each read and write. The platform
// keeps idle connections for 90 s, so they are kept longer here: one that is
// closed under its hand would be a message delivered twice.
func (r *Runtime) server() *http.Server {
	return &http.Server{
		Handler:           r.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}

func (r *Runtime) serveA2A(w http.ResponseWriter, req *http.Request) {
	if req, ok := r.admit(w, req); ok {
		serveGated(r.rpc, w, req)
	}
}

// admit lets a request in that speaks A2A, with the name of its caller in its
// context.
func (r *Runtime) admit(w http.ResponseWriter, req *http.Request) (*http.Request, bool) {
	switch phase(r.phase.Load()) {
	case starting:
		unavailable(w, "the workspace is starting")
		return nil, false
	case stopped:
		unavailable(w, "the workspace has stopped")
		return nil, false
	}
	if r.set.who == nil {
		return req, true
	}
	name, err := r.set.who(req)
	if err != nil {
		r.log.Warn("a caller was turned away", "error", err)
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "authentication is required"})
		return nil, false
	}
	return req.WithContext(context.WithValue(req.Context(), callerKey{}, name)), true
}

// callerKey finds the name of the caller in the context of a request: the
// bindings make contexts of their own, with users nobody has authenticated.
type callerKey struct{}

func callerOf(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}

func (r *Runtime) serveCard(w http.ResponseWriter, req *http.Request) {
	card := r.card.Load()
	if card == nil {
		unavailable(w, "the workspace is starting")
		return
	}
	card.ServeHTTP(w, req)
}

// unavailable answers before there is anybody to answer. The platform shows the
// text of "error" to its callers.
func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "1")
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked and left need not know
}
