package registrytest

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault is one way in which a request may fail. Of Status, Reset, Hang and
// HalfOpen the first that is set is what happens instead of an answer; the
// others shape the real answer.
type Fault struct {
	// Status answers with this status and a JSON error, before anything else
	// is looked at.
	Status int
	// Empty goes with Status: no body at all, as after a panic in the platform
	// (500) or from its tenant guard (404).
	Empty bool
	// RetryAfter goes with Status: seconds, sent as they are. 0 sends none, a
	// negative number sends 0, as the platform's limiter does in the last second
	// of its minute.
	RetryAfter int
	// Reset cuts the connection without an answer.
	Reset bool
	// Hang never answers; the request ends when the client leaves or the
	// platform closes.
	Hang bool
	// HalfOpen does what was asked, sends the headers of the answer and then
	// nothing more.
	HalfOpen bool
	// Lost does what was asked and then cuts the connection, so that the
	// answer is lost.
	Lost bool

	// Delay waits before anything else.
	Delay time.Duration
	// Truncate cuts the answer's body in the middle; its length is right, its
	// JSON is not.
	Truncate bool
	// HTML answers 200 with a page, as a proxy in front of the platform may.
	HTML bool
	// Duplicate does what was asked twice, as a proxy that repeats requests.
	Duplicate bool
	// MintFails makes a registration answer 200 without the token that it should
	// have issued, which none of its callers is ever told.
	MintFails bool

	// Times is how many requests fail so; 0 is one, negative is all.
	Times int
}

// Match chooses requests.
type Match func(*http.Request) bool

// Any matches every request.
func Any(*http.Request) bool { return true }

// To matches the requests to a method and path; an empty method is any.
func To(method, path string) Match {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && r.URL.Path == path
	}
}

type script struct {
	match Match
	fault Fault
	left  int // negative: for ever
}

// Fail makes the next requests that match fail. Several calls queue up: for
// each request the first script with something left decides.
func (p *Platform) Fail(match Match, f Fault) {
	left := f.Times
	if left == 0 {
		left = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts = append(p.scripts, &script{match, f, left})
}

// Heal forgets every fault: scripted, planned, and the database's. It does not
// bring a platform up that is down.
func (p *Platform) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts, p.plan, p.dbDown = nil, nil, false
	p.touch()
}

func (p *Platform) nextFault(r *http.Request) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.scripts {
		if s.left == 0 || !s.match(r) {
			continue
		}
		if s.left > 0 {
			s.left--
		}
		f := s.fault
		return &f
	}
	if p.plan != nil {
		return p.plan.next()
	}
	return nil
}

// before does what comes in place of the platform's own work and reports
// whether that was all.
func (f *Fault) before(p *Platform, x *exchange) (done bool) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-x.r.Context().Done():
			return true
		case <-p.life.Done():
			return true
		}
	}
	switch {
	case f.Status != 0:
		if f.RetryAfter != 0 {
			x.w.Header().Set("Retry-After", strconv.Itoa(max(f.RetryAfter, 0)))
		}
		if f.Empty {
			x.w.WriteHeader(f.Status)
			return true
		}
		x.fail(f.Status, "scripted fault")
	case f.Reset:
		cut(x.w)
	case f.Hang:
		x.hang(p)
	case f.HTML:
		x.w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(x.w, "<!doctype html><title>Sign in</title>")
	case f.Lost:
		p.route(x.again())
		cut(x.w)
	case f.HalfOpen:
		p.route(x.again())
		x.w.Header().Set("Content-Length", "100")
		x.w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(x.w).Flush()
		x.hang(p)
	default:
		return false
	}
	return true
}

// hang keeps the client waiting for as long as it wants to, and cuts the
// connection then.
func (x *exchange) hang(p *Platform) {
	select {
	case <-x.r.Context().Done():
	case <-p.life.Done():
	}
	panic(http.ErrAbortHandler)
}

// wrap puts f's hand on the answer.
func (f *Fault) wrap(w http.ResponseWriter) http.ResponseWriter {
	if f.Truncate {
		return &truncating{w}
	}
	return w
}

type truncating struct{ http.ResponseWriter }

func (t *truncating) Write(b []byte) (int, error) {
	if _, err := t.ResponseWriter.Write(b[:len(b)/2]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (t *truncating) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// cut breaks the connection: a reset where the system can send one.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if c, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
