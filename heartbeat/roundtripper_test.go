package heartbeat_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// gate is a server that accepts one token and remembers what it was shown.
type gate struct {
	*httptest.Server
	mu     sync.Mutex
	good   string
	status int // what a refused request gets
	seen   []string
	bodies []string
	conns  atomic.Int32
}

func newGate(t *testing.T, good string) *gate {
	t.Helper()
	g := &gate{good: good, status: http.StatusUnauthorized}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		g.seen = append(g.seen, token)
		g.bodies = append(g.bodies, string(body))
		ok, status := token == g.good, g.status
		g.mu.Unlock()
		if !ok {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":"invalid workspace auth token"}`)
			return
		}
		_, _ = io.WriteString(w, "in")
	}))
	g.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			g.conns.Add(1)
		}
	}
	g.Start()
	t.Cleanup(g.Close)
	return g
}

func (g *gate) shown() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string{}, g.seen...)
}

// tokenFile is a file with a token and the Store on it.
func tokenFile(t *testing.T, token string) (*platformauth.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".auth_token")
	writeToken(t, path, token)
	return platformauth.NewStore(path, platformauth.WithMinReread(0)), path
}

func writeToken(t *testing.T, path, token string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

func roundTripper(t *testing.T, url string, tokens heartbeat.TokenSource, opts ...heartbeat.RoundTripperOption) *heartbeat.RoundTripper {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	rt, err := heartbeat.NewRoundTripper(url, tokens, append([]heartbeat.RoundTripperOption{heartbeat.WithBase(base)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// do sends req and returns the status, and the body as read to its end.
func do(t *testing.T, rt http.RoundTripper, req *http.Request) (int, string) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func post(t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func rejected(rt *heartbeat.RoundTripper) bool {
	select {
	case <-rt.Rejected():
		return true
	default:
		return false
	}
}

func TestThe401RetryUsesTheRefreshedToken(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")

	status, body := do(t, rt, get(t, g.URL+"/registry/heartbeat"))
	if status != http.StatusOK || body != "in" {
		t.Errorf("got %d %q, want the second answer", status, body)
	}
	if diff := cmp.Diff([]string{"old", "new"}, g.shown()); diff != "" {
		t.Errorf("tokens sent mismatch (-want +got):\n%s", diff)
	}
	if rejected(rt) {
		t.Error("Rejected fired for a call that was repaired")
	}
	do(t, rt, get(t, g.URL))
	if diff := cmp.Diff([]string{"old", "new", "new"}, g.shown()); diff != "" {
		t.Errorf("the next call does not begin with the new token (-want +got):\n%s", diff)
	}
}

func TestThe401RetryDoesNotLoopWhenTheTokenOnDiskIsAlsoStale(t *testing.T) {
	t.Run("the same token", func(t *testing.T) {
		g := newGate(t, "new")
		tokens, _ := tokenFile(t, "old")
		rt := roundTripper(t, g.URL, tokens)
		if status, body := do(t, rt, get(t, g.URL)); status != http.StatusUnauthorized || !strings.Contains(body, "invalid") {
			t.Errorf("got %d %q, want the 401 with its body", status, body)
		}
		if diff := cmp.Diff([]string{"old"}, g.shown()); diff != "" {
			t.Errorf("tokens sent mismatch (-want +got):\n%s", diff)
		}
		if !rejected(rt) {
			t.Error("Rejected has not fired")
		}
	})
	t.Run("another stale one", func(t *testing.T) {
		g := newGate(t, "new")
		tokens, path := tokenFile(t, "old")
		rt := roundTripper(t, g.URL, tokens)
		if _, err := tokens.Token(); err != nil {
			t.Fatal(err)
		}
		writeToken(t, path, "stale")
		if status, _ := do(t, rt, get(t, g.URL)); status != http.StatusUnauthorized {
			t.Errorf("got %d, want the second 401", status)
		}
		if diff := cmp.Diff([]string{"old", "stale"}, g.shown()); diff != "" {
			t.Errorf("never a third attempt: tokens sent mismatch (-want +got):\n%s", diff)
		}
		if !rejected(rt) {
			t.Error("Rejected has not fired")
		}
	})
	t.Run("a file that is gone", func(t *testing.T) {
		g := newGate(t, "new")
		tokens, path := tokenFile(t, "old")
		rt := roundTripper(t, g.URL, tokens)
		if _, err := tokens.Token(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		do(t, rt, get(t, g.URL))
		if diff := cmp.Diff([]string{"old"}, g.shown()); diff != "" {
			t.Errorf("a repeat without a token helps nobody (-want +got):\n%s", diff)
		}
	})
}

func TestA403RefreshesNothing(t *testing.T) {
	g := newGate(t, "new")
	g.status = http.StatusForbidden
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	if status, _ := do(t, rt, get(t, g.URL)); status != http.StatusForbidden {
		t.Errorf("got %d, want 403", status)
	}
	if got, _ := tokens.Token(); got.Reveal() != "old" {
		t.Error("a 403 has refreshed the token")
	}
	if rejected(rt) {
		t.Error("Rejected fired for a 403")
	}
}

func TestWithoutATokenTheRequestGoesOutAndMayLearnOne(t *testing.T) {
	g := newGate(t, "new")
	path := filepath.Join(t.TempDir(), ".auth_token")
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	late := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if req.Header.Get("Authorization") == "" && req.URL.Path == "/late" {
			writeToken(t, path, "new") // the file comes while the call is under way
		}
		return resp, err
	})
	rt := roundTripper(t, g.URL, platformauth.NewStore(path), heartbeat.WithBase(late))
	if status, _ := do(t, rt, get(t, g.URL)); status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", status)
	}
	if status, _ := do(t, rt, get(t, g.URL+"/late")); status != http.StatusOK {
		t.Errorf("got %d, want the retry with the token that has appeared", status)
	}
	if diff := cmp.Diff([]string{"", "", "new"}, g.shown()); diff != "" {
		t.Errorf("tokens sent mismatch (-want +got):\n%s", diff)
	}
}

func TestTheBodyIsRewound(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	if status, _ := do(t, rt, post(t, g.URL, strings.NewReader("whole"))); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if diff := cmp.Diff([]string{"whole", "whole"}, g.bodies); diff != "" {
		t.Errorf("bodies mismatch (-want +got):\n%s", diff)
	}
}

func TestABodyThatCannotBeRewoundIsNotSentAgain(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	status, body := do(t, rt, post(t, g.URL, io.MultiReader(strings.NewReader("once"))))
	if status != http.StatusUnauthorized || !strings.Contains(body, "invalid") {
		t.Errorf("got %d %q, want the 401", status, body)
	}
	if diff := cmp.Diff([]string{"once"}, g.bodies); diff != "" {
		t.Errorf("bodies mismatch (-want +got):\n%s", diff)
	}
	if got, _ := tokens.Token(); got.Reveal() != "new" {
		t.Error("the token is not refreshed for the next call")
	}
	if rejected(rt) {
		t.Error("Rejected fired although the next call will pass")
	}
}

func TestTheFirstAnswerIsDrainedSoThatItsConnectionIsReused(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	do(t, rt, get(t, g.URL))
	if n := g.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestTheRequestIsNeverMutated(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	for _, n := range []int{0, 3, 7, 8, 9, 20} {
		req := post(t, g.URL+"/x?y=z", strings.NewReader("body"))
		for i := range n {
			req.Header.Add("X-"+string(rune('A'+i)), "v")
		}
		header, url, host := req.Header.Clone(), *req.URL, req.Host
		do(t, rt, req)
		if diff := cmp.Diff(header, req.Header); diff != "" {
			t.Errorf("header mutated (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(url.String(), req.URL.String()); diff != "" || host != req.Host {
			t.Errorf("URL or host mutated: %s", diff)
		}
	}
	req := get(t, g.URL)
	req.Header = nil
	do(t, rt, req)
	if req.Header != nil {
		t.Error("a nil header map was replaced")
	}
}

func TestTheAnswerDoesNotCarryTheToken(t *testing.T) {
	g := newGate(t, "good")
	tokens, _ := tokenFile(t, "good")
	rt := roundTripper(t, g.URL, tokens)
	req := get(t, g.URL)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Request != req {
		t.Error("resp.Request is not the caller's request")
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestACallersOwnAuthorizationIsLeftAlone(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	writeToken(t, path, "new")
	req := get(t, g.URL)
	req.Header.Set("Authorization", "Bearer mine")
	if status, _ := do(t, rt, req); status != http.StatusUnauthorized {
		t.Errorf("got %d, want the 401 as it is", status)
	}
	if diff := cmp.Diff([]string{"mine"}, g.shown()); diff != "" {
		t.Errorf("tokens sent mismatch (-want +got):\n%s", diff)
	}
}

func TestConcurrent401sAreAllRepaired(t *testing.T) {
	g := newGate(t, "new")
	tokens, path := tokenFile(t, "old")
	rt := roundTripper(t, g.URL, tokens)
	if _, err := tokens.Token(); err != nil {
		t.Fatal(err)
	}
	writeToken(t, path, "new")
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if status, _ := do(t, rt, get(t, g.URL)); status != http.StatusOK {
				t.Errorf("got %d, want 200", status)
			}
		})
	}
	calls.Wait()
	if n := len(g.shown()); n > 100 {
		t.Errorf("%d requests for 50 calls", n)
	}
}

func TestAContextThatEndsBetweenTheTries(t *testing.T) {
	tokens, path := tokenFile(t, "old")
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	base := roundTripFunc(func(*http.Request) (*http.Response, error) {
		tries++
		writeToken(t, path, "new")
		cancel()
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("x"))}, nil
	})
	rt, err := heartbeat.NewRoundTripper("http://p.test", tokens, heartbeat.WithBase(base))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(get(t, "http://p.test").WithContext(ctx))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("RoundTrip() = %v, %v; want the context's error", resp, err)
	}
	if tries != 1 {
		t.Errorf("%d tries, want 1", tries)
	}
}

// failing is a token source that cannot answer.
type failing struct{ first, refresh error }

func (f failing) Authorization() ([]string, error) {
	return []string{"Bearer old"}, f.first
}
func (f failing) RefreshAuthorization([]string) ([]string, error) { return nil, f.refresh }

type closeSpy struct {
	io.Reader
	closed bool
}

func (c *closeSpy) Close() error { c.closed = true; return nil }

func TestATokenSourceThatFails(t *testing.T) {
	broken := errors.New("the disk is on fire")
	t.Run("at first", func(t *testing.T) {
		rt := roundTripper(t, "http://p.test", failing{first: broken})
		body := &closeSpy{Reader: strings.NewReader("x")}
		resp, err := rt.RoundTrip(post(t, "http://p.test", body))
		if !errors.Is(err, broken) {
			t.Errorf("RoundTrip() = %v, %v; want the source's error", resp, err)
		}
		if !body.closed {
			t.Error("the request's body is not closed")
		}
	})
	t.Run("at the refresh", func(t *testing.T) {
		g := newGate(t, "new")
		rt := roundTripper(t, g.URL, failing{refresh: broken})
		if status, body := do(t, rt, get(t, g.URL)); status != http.StatusUnauthorized || body == "" {
			t.Errorf("got %d %q, want the 401", status, body)
		}
		if !rejected(rt) {
			t.Error("Rejected has not fired")
		}
	})
}

func TestNewRoundTripperSaysAllThatIsWrong(t *testing.T) {
	_, err := heartbeat.NewRoundTripper("localhost:8080", nil, heartbeat.WithGrace(-1))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"tokens is nil", "needs a scheme and a host", "grace"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if _, err := heartbeat.NewRoundTripper("http://p.test", failing{}, heartbeat.WithGrace(1)); err == nil {
		t.Error("a grace period without Changed is accepted")
	}
}
