package runtime

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// Handler is everything the workspace serves:
//
//	POST / and /a2a                   A2A over JSON-RPC, versions 1.0 and 0.3
//	GET  /.well-known/agent-card.json the agent card
//	GET  /.well-known/agent.json      the same, under its older name
//	GET  /livez                       200 while the heartbeats go on
//	GET  /readyz                      200 when the platform can use the workspace,
//	                                  else 503 and why not
//
// [Runtime.Run] serves it by itself. To mount it on a server of your own, use
// [WithoutServer] and run Run beside the server. Before Run has come to the
// point of listening, and after it has begun to drain, messages are answered
// with 503.
func (r *Runtime) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", r.serveA2A)
	mux.HandleFunc("/a2a", r.serveA2A)
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
	if phase(r.phase.Load()) == starting {
		unavailable(w, "the workspace is starting")
		return
	}
	r.rpc.ServeHTTP(w, req)
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
	writeJSON(w, http.StatusServiceUnavailable, map[string]any{"error": text})
}

func (r *Runtime) serveLive(w http.ResponseWriter, _ *http.Request) {
	if late := r.late(time.Now()); late > 0 {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"live": false, "reasons": []string{"no heartbeat was tried for " + late.Round(time.Second).String()}})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"live": true})
}

// late is how long ago the next heartbeat should have been tried, 0 while all
// is well. A heartbeat has a deadline of its own, so only a Loop that hangs is
// ever late.
func (r *Runtime) late(now time.Time) time.Duration {
	loop := r.loop.Load()
	if loop == nil || phase(r.phase.Load()) != serving {
		return 0
	}
	due := loop.Status().NextBeat
	if due.IsZero() {
		return 0
	}
	if late := now.Sub(due); late > 30*time.Second+r.set.interval {
		return late
	}
	return 0
}

func (r *Runtime) serveReady(w http.ResponseWriter, _ *http.Request) {
	reasons := r.notReady()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	body := map[string]any{"ready": len(reasons) == 0}
	if len(reasons) > 0 {
		body["reasons"] = reasons
	}
	writeJSON(w, status, body)
}

// notReady says why the platform cannot use the workspace now; nothing when it
// can.
func (r *Runtime) notReady() []string {
	loop := r.loop.Load()
	switch phase(r.phase.Load()) {
	case draining:
		return []string{"draining"}
	case stopped:
		return []string{"stopped"}
	case starting:
		return []string{"starting"}
	}
	if loop == nil {
		return []string{"starting"}
	}
	_, err := r.tokens.Token()
	return reasons(loop.Status(), err == nil)
}

func reasons(s heartbeat.Status, haveToken bool) []string {
	var why []string
	switch s.Row {
	case registry.StatusRemoved:
		return []string{"the platform has removed this workspace"}
	case registry.StatusPaused, registry.StatusHibernated:
		why = append(why, "the workspace is "+s.Row+" on the platform")
	}
	if !s.Registered && !s.RegisterRefused {
		why = append(why, "not registered yet")
	}
	if s.LastAccepted.IsZero() {
		why = append(why, "no heartbeat accepted yet")
	} else if s.Failures > 0 {
		why = append(why, "the last heartbeat failed")
	}
	// Where the platform refuses the registration and nobody brings a token,
	// the workspace lives by its heartbeats, and that is all there is.
	if !s.TokenAccepted && (haveToken || !s.RegisterRefused) {
		why = append(why, "token not accepted by the platform")
	}
	if !s.TokenPersisted {
		why = append(why, "token not persisted: it would be lost at a restart")
	}
	if s.Alarm != "" {
		why = append(why, s.Alarm)
	}
	return why
}

func writeJSON(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked and left need not know
}
