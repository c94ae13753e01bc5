package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// exchange is one request on its way through the platform.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	at    time.Time
	fault *Fault // nil when all is well
}

// serve is the platform's front: record, faults, route. The real one reads the
// body later; reading it first means that a client that leaves is noticed.
func (p *Platform) serve(w http.ResponseWriter, r *http.Request) {
	if !p.begin() {
		panic(http.ErrAbortHandler)
	}
	defer p.work.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	x := &exchange{w: w, r: r, body: body, at: time.Now()}
	request := p.record(x)
	watched := &statusWriter{ResponseWriter: w}
	x.w = watched
	defer func() { p.recordStatus(request, watched.status) }()

	x.fault = p.nextFault(r)
	if x.fault != nil {
		x.w = x.fault.wrap(watched)
		if x.fault.before(p, x) {
			return
		}
		x.at = time.Now()
	}
	p.route(x)
	if x.fault != nil && x.fault.Duplicate {
		p.route(x.again())
	}
}

// again is the same exchange once more, with nobody to hear the answer.
func (x *exchange) again() *exchange {
	return &exchange{w: discardWriter{http.Header{}}, r: x.r, body: x.body, at: time.Now(), fault: x.fault}
}

// route does what the real platform's router and middleware do, in its order.
func (p *Platform) route(x *exchange) {
	path := x.r.URL.Path
	handle := p.handler(x.r.Method, path)
	if bare := strings.TrimRight(path, "/"); handle == nil && bare != path && p.handler(x.r.Method, bare) != nil {
		status := http.StatusTemporaryRedirect
		if x.r.Method == http.MethodGet {
			status = http.StatusMovedPermanently
		}
		http.Redirect(x.w, x.r, bare, status)
		return
	}
	if x.stopsAtCORS() || !p.withinRate(x) {
		return
	}
	if p.cfg.org != "" && x.r.Header.Get("X-Molecule-Org-Id") != p.cfg.org &&
		!slices.Contains([]string{"/health", "/metrics", "/registry/register", "/registry/heartbeat"}, path) {
		x.w.WriteHeader(http.StatusNotFound)
		return
	}
	security(x.w.Header())
	if handle == nil {
		x.w.Header().Set("Content-Type", "text/plain")
		x.w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(x.w, "404 page not found")
		return
	}
	handle(x)
}

// stopsAtCORS answers what browsers ask and refuses what foreign pages do. A
// runtime sends no Origin and never gets here.
func (x *exchange) stopsAtCORS() bool {
	origin := x.r.Header.Get("Origin")
	if origin == "" || origin == "http://"+x.r.Host || origin == "https://"+x.r.Host {
		return false
	}
	h := x.w.Header()
	if origin != "http://localhost:3000" && origin != "http://localhost:3001" { // the default list
		x.w.WriteHeader(http.StatusForbidden)
		return true
	}
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Vary", "Origin")
	if x.r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Headers", "Origin,Content-Type,X-Workspace-Id,Authorization")
	h.Set("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS")
	h["Vary"] = append(h["Vary"], "Access-Control-Request-Method", "Access-Control-Request-Headers")
	x.w.WriteHeader(http.StatusNoContent)
	return true
}

// handler finds what serves a path; anything else, a wrong method included, is
// a 404 as on the real platform.
func (p *Platform) handler(method, path string) func(*exchange) {
	switch method + " " + path {
	case "GET /ws":
		return p.socket
	case "POST /registry/check-access":
		return p.checkAccess
	case "GET /approvals/pending":
		return p.pendingApprovals
	case "GET /health":
		return func(x *exchange) { x.json(http.StatusOK, map[string]any{"status": "ok"}) }
	case "POST /registry/register":
		return p.register
	case "POST /registry/heartbeat":
		return p.heartbeat
	case "POST /registry/update-card":
		return p.updateCard
	}
	if handle := p.registryHandler(method, path); handle != nil {
		return handle
	}
	rest, ok := strings.CutPrefix(path, "/workspaces/")
	if !ok {
		return nil
	}
	id, sub, _ := strings.Cut(rest, "/")
	with := func(h func(*exchange, string)) func(*exchange) { return func(x *exchange) { h(x, id) } }
	if token, ok := strings.CutPrefix(sub, "tokens/"); ok && method == http.MethodDelete && !strings.Contains(token, "/") {
		return func(x *exchange) { p.revokeToken(x, id, token) }
	}
	switch method + " " + sub {
	case "GET ":
		return with(p.getWorkspace)
	case "GET state":
		return with(p.getState)
	case "GET delegations":
		return with(p.getDelegations)
	case "POST delegate":
		return with(p.delegate)
	case "GET tokens":
		return with(p.listTokens)
	case "POST tokens":
		return with(p.createToken)
	case "POST notify":
		return with(p.notify)
	case "POST a2a":
		return with(p.proxy)
	}
	return p.subHandler(method, id, sub)
}

// security sets the headers that every answer of a handler has.
func security(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// json answers; map keys come out sorted and HTML is escaped, as there.
func (x *exchange) json(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		body = []byte(`{"error":"registrytest: ` + err.Error() + `"}`)
	}
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}

func (x *exchange) fail(status int, text string) {
	x.json(status, map[string]any{"error": text})
}

// decode reads the first JSON value of the body and ignores what follows, as
// the real platform does. Unknown fields are ignored, keys match whatever
// their case, and 1.0 is no integer.
func (x *exchange) decode(into any) bool {
	return json.NewDecoder(bytes.NewReader(x.body)).Decode(into) == nil
}

// bearer is the token of an Authorization header: the scheme is matched byte
// by byte, the rest is trimmed.
func (x *exchange) bearer() string {
	rest, ok := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(rest)
}

// bucket counts the requests of one address within a window of a minute.
type bucket struct {
	from time.Time
	n    int
}

func (p *Platform) withinRate(x *exchange) bool {
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		host = x.r.RemoteAddr
	}
	p.mu.Lock()
	b := p.buckets[host]
	if b == nil || x.at.Sub(b.from) >= time.Minute {
		b = &bucket{from: x.at}
		p.buckets[host] = b
	}
	b.n++
	left := p.cfg.rate - b.n
	// Rounded down, and never the full minute, not even when no time passes.
	reset := int((b.from.Add(time.Minute).Sub(x.at) - 1) / time.Second)
	p.mu.Unlock()

	h := x.w.Header()
	h.Set("X-Ratelimit-Limit", fmt.Sprint(p.cfg.rate))
	h.Set("X-Ratelimit-Remaining", fmt.Sprint(max(left, 0)))
	h.Set("X-Ratelimit-Reset", fmt.Sprint(reset))
	if left >= 0 {
		return true
	}
	h.Set("Retry-After", fmt.Sprint(reset))
	x.json(http.StatusTooManyRequests, map[string]any{"error": "rate limit exceeded", "retry_after": reset})
	return false
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discardWriter takes the answer of a delivery that nobody waits for.
type discardWriter struct{ h http.Header }

func (w discardWriter) Header() http.Header         { return w.h }
func (w discardWriter) WriteHeader(int)             {}
func (w discardWriter) Write(b []byte) (int, error) { return len(b), nil }
