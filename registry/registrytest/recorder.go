package registrytest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Request is one request that arrived at the platform.
type Request struct {
	At     time.Time
	Method string
	Path   string
	Header http.Header // without Authorization
	Body   []byte
	// TokenGen says which token it carried: n for the n-th that was issued to
	// the workspace in the path or body, dead or alive; 0 for none; -1 for one
	// that was never issued to that workspace.
	TokenGen int
	// Live tells whether that token was valid when the request arrived.
	Live   bool
	Status int // of the answer; 0 while there is none, or when a fault cut it off
}

// Requests returns what has arrived so far, in order.
func (p *Platform) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.requests))
	for i, r := range p.requests {
		out[i] = *r
	}
	return out
}

// ForgetRequests empties the record, for programs that run long. Requests that
// are being answered are forgotten too.
func (p *Platform) ForgetRequests() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// RequestsTo returns those that went to one method and path.
func (p *Platform) RequestsTo(method, path string) []Request {
	return slices.DeleteFunc(p.Requests(), func(r Request) bool { return r.Method != method || r.Path != path })
}

// record notes a request that has arrived, and wakes those who wait for one.
func (p *Platform) record(x *exchange) *Request {
	header := x.r.Header.Clone()
	header.Del("Authorization")
	r := &Request{At: x.at, Method: x.r.Method, Path: x.r.URL.Path, Header: header, Body: x.body}
	id := subject(x)
	p.mu.Lock()
	defer p.mu.Unlock()
	if bearer := x.bearer(); bearer != "" {
		r.TokenGen = -1
		if w := p.find(id); w != nil {
			r.TokenGen, r.Live = w.generation(bearer)
		}
	}
	p.requests = append(p.requests, r)
	p.touch()
	return r
}

// recordStatus notes the answer.
func (p *Platform) recordStatus(r *Request, status int) {
	p.mu.Lock()
	r.Status = status
	p.touch()
	p.mu.Unlock()
	p.log.Debug("answered", "method", r.Method, "path", r.Path, "status", status, "token_gen", r.TokenGen)
}

// generation is which of w's tokens text is, -1 if none, and whether it is good
// now. p.mu is held.
func (w *row) generation(text string) (gen int, live bool) {
	if text == "" {
		return 0, false
	}
	for _, t := range w.tokens {
		if t.text == text {
			return t.gen, t.live && w.status != "removed"
		}
	}
	return -1, false
}

// subject is the workspace whose token a request should carry: the caller's
// for calls between workspaces, else that of the path or of the body.
func subject(x *exchange) string {
	if caller := x.r.Header.Get("X-Workspace-Id"); caller != "" {
		return caller
	}
	if rest, ok := strings.CutPrefix(x.r.URL.Path, "/workspaces/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		return id
	}
	var body struct {
		ID          string `json:"id"`
		WorkspaceID string `json:"workspace_id"`
		CallerID    string `json:"caller_id"`
	}
	x.decode(&body)
	return cmp.Or(body.ID, body.WorkspaceID, body.CallerID)
}
