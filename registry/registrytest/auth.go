package registrytest

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// token is one the platform has issued. The real platform keeps only a hash.
type token struct {
	id   string
	text string
	gen  int // the how-manieth of its workspace, from 1
	live bool
	made time.Time
	used time.Time // last, zero for never
}

// issue makes a token for w: 32 random bytes as 43 characters of base64url.
// p.mu is held.
func (w *row) issue() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	t := &token{
		id: newUUID(), text: base64.RawURLEncoding.EncodeToString(raw), gen: len(w.tokens) + 1, live: true, made: time.Now(),
	}
	w.tokens = append(w.tokens, t)
	return t.text
}

func (w *row) revoke() {
	for _, t := range w.tokens {
		t.live = false
	}
}

func (w *row) liveTokens() int {
	n := 0
	for _, t := range w.tokens {
		if t.live {
			n++
		}
	}
	return n
}

// accepts reports whether text is a live token of w, which must be known by
// exactly this id: the binding is compared byte by byte.
func (w *row) accepts(id, text string) bool {
	if w == nil || w.status == "removed" || id != w.id {
		return false
	}
	for _, t := range w.tokens {
		if t.live && t.text == text {
			t.used = time.Now()
			return true
		}
	}
	return false
}

// mayRegister is the rule of /registry: open while the workspace has no live
// token, whatever bearer is sent; else only for one of them.
func (p *Platform) mayRegister(x *exchange, id string) bool {
	p.mu.Lock()
	w := p.find(id)
	open := p.dbDown || w == nil || w.liveTokens() == 0
	good := w.accepts(id, x.bearer())
	p.mu.Unlock()
	switch {
	case open || good:
		return true
	case x.bearer() == "":
		x.fail(http.StatusUnauthorized, "missing workspace auth token")
	default:
		x.fail(http.StatusUnauthorized, "invalid workspace auth token")
	}
	return false
}

// mayCall is the rule of /workspaces/{id}/*: a live token of that workspace or
// the operator's, always. While the database is down no workspace's is good.
func (p *Platform) mayCall(x *exchange, id string) bool {
	bearer := x.bearer()
	if bearer == "" {
		x.fail(http.StatusUnauthorized, "missing workspace auth token")
		return false
	}
	p.mu.Lock()
	good := p.cfg.admin != "" && bearer == p.cfg.admin || !p.dbDown && p.find(id).accepts(id, bearer)
	p.mu.Unlock()
	if !good {
		x.fail(http.StatusUnauthorized, "invalid workspace auth token")
	}
	return good
}

// find is the row of an id in any spelling. p.mu is held.
func (p *Platform) find(id string) *row {
	w := p.rows[strings.ToLower(id)]
	if w != nil {
		w.settle()
	}
	return w
}
