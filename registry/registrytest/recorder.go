package registrytest

import (
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
	return slices.Clone(p.requests)
}

// RequestsTo returns those that went to one method and path.
func (p *Platform) RequestsTo(method, path string) []Request {
	return slices.DeleteFunc(p.Requests(), func(r Request) bool { return r.Method != method || r.Path != path })
}

// record notes a request and returns its index.
func (p *Platform) record(x *exchange) int {
	header := x.r.Header.Clone()
	header.Del("Authorization")
	r := Request{At: x.at, Method: x.r.Method, Path: x.r.URL.Path, Header: header, Body: x.body}
	id := subject(x)
	p.mu.Lock()
	defer p.mu.Unlock()
	if bearer := x.bearer(); bearer != "" {
		r.TokenGen = -1
		if w := p.find(id); w != nil {
			r.TokenGen = w.generation(bearer)
			r.Live = w.accepts(w.id, bearer)
		}
	}
	p.requests = append(p.requests, r)
	return len(p.requests) - 1
}

// recordStatus notes the answer, and wakes those who wait for something.
func (p *Platform) recordStatus(index, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[index].Status = status
	p.touch()
}

// generation is which of w's tokens text is, -1 if none. p.mu is held.
func (w *row) generation(text string) int {
	if text == "" {
		return 0
	}
	for _, t := range w.tokens {
		if t.text == text {
			return t.gen
		}
	}
	return -1
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
	}
	x.decode(&body)
	if body.ID != "" {
		return body.ID
	}
	return body.WorkspaceID
}
