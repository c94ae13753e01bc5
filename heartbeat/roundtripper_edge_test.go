package heartbeat_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

// answers is a base transport that gives one answer after the other and keeps
// what it was sent.
type answers struct {
	next []func(*http.Request) (*http.Response, error)
	sent []*http.Request
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	a.sent = append(a.sent, req)
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	if len(a.sent) > len(a.next) {
		return nil, errors.New("a request too many")
	}
	return a.next[len(a.sent)-1](req)
}

func answer(status int, body io.ReadCloser) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: body}, nil
	}
}

func text(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// rotating is a source whose refresh always has another token.
type rotating struct{}

func (rotating) Authorization() ([]string, error) { return []string{"Bearer old"}, nil }
func (rotating) RefreshAuthorization([]string) ([]string, error) {
	return []string{"Bearer new"}, nil
}

func over(t *testing.T, base http.RoundTripper, tokens heartbeat.TokenSource, opts ...heartbeat.RoundTripperOption) *heartbeat.RoundTripper {
	t.Helper()
	rt, err := heartbeat.NewRoundTripper("http://p.test", tokens, append(opts, heartbeat.WithBase(base))...)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestTheCallersRequestIsTheSameAfterwards(t *testing.T) {
	for name, base := range map[string]*answers{
		"accepted":          {next: []func(*http.Request) (*http.Response, error){answer(200, text(""))}},
		"refused and again": {next: []func(*http.Request) (*http.Response, error){answer(401, text("x")), answer(200, text(""))}},
		"refused twice":     {next: []func(*http.Request) (*http.Response, error){answer(401, text("x")), answer(401, text("x"))}},
	} {
		t.Run(name, func(t *testing.T) {
			rt := over(t, base, rotating{})
			req := post(t, "http://p.test/a?b=c", strings.NewReader("body"))
			req.Header.Set("X-One", "1")
			req.Header.Add("X-Many", "1")
			req.Header.Add("X-Many", "2")
			before, header, address := *req, req.Header.Clone(), *req.URL
			do(t, rt, req)
			for i := range reflect.TypeFor[http.Request]().NumField() {
				field := reflect.TypeFor[http.Request]().Field(i)
				if !field.IsExported() || field.Name == "GetBody" {
					continue // functions cannot be compared
				}
				was, is := reflect.ValueOf(before).Field(i), reflect.ValueOf(*req).Field(i)
				if !reflect.DeepEqual(was.Interface(), is.Interface()) {
					t.Errorf("%s is %v, was %v", field.Name, is, was)
				}
			}
			if diff := cmp.Diff(header, req.Header); diff != "" {
				t.Errorf("header mutated (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(address, *req.URL); diff != "" {
				t.Errorf("URL mutated (-before +after):\n%s", diff)
			}
			for _, sent := range base.sent {
				if sent == req || sent.Header.Get("Authorization") == "" {
					t.Error("the base got the caller's request, or no token")
				}
			}
		})
	}
}

func TestARedirectBackFromAnotherOriginCarriesNoToken(t *testing.T) {
	var platform *httptest.Server
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, platform.URL+"/chosen-by-the-other", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(other.Close)
	seen := map[string]string{}
	platform = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen[r.URL.Path] = r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/within":
			http.Redirect(w, r, "/away", http.StatusTemporaryRedirect)
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(platform.Close)
	client := &http.Client{Transport: roundTripper(t, platform.URL, fixed{[]string{"Bearer good"}})}
	resp, err := client.Do(get(t, platform.URL+"/within"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	want := map[string]string{"/within": "Bearer good", "/away": "Bearer good", "/chosen-by-the-other": ""}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("tokens the platform was shown (-want +got):\n%s", diff)
	}
}

func TestACallersOwnEmptyAuthorizationIsLeftAlone(t *testing.T) {
	base := &answers{next: []func(*http.Request) (*http.Response, error){answer(401, text("no token"))}}
	req := get(t, "http://p.test")
	req.Header["Authorization"] = nil
	if status, body := do(t, over(t, base, rotating{}), req); status != http.StatusUnauthorized || body != "no token" {
		t.Errorf("got %d %q, want the 401 as it is", status, body)
	}
	if got := base.sent[0].Header["Authorization"]; len(base.sent) != 1 || got != nil {
		t.Errorf("%d requests, Authorization %q; want one without", len(base.sent), got)
	}
}

func TestABodyWhoseRewindFailsIsNotSentAgain(t *testing.T) {
	base := &answers{next: []func(*http.Request) (*http.Response, error){answer(401, text("refused"))}}
	rt := over(t, base, rotating{})
	req := post(t, "http://p.test", strings.NewReader("body"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") }
	if status, body := do(t, rt, req); status != http.StatusUnauthorized || body != "refused" {
		t.Errorf("got %d %q, want the 401 as it is", status, body)
	}
	if rejected(rt) {
		t.Error("Rejected fired although the next call will pass")
	}
}

func TestASecondTryThatFailsReturnsItsError(t *testing.T) {
	broken := errors.New("connection reset")
	base := &answers{next: []func(*http.Request) (*http.Response, error){
		answer(401, text("refused")),
		func(*http.Request) (*http.Response, error) { return nil, broken },
	}}
	rt := over(t, base, rotating{})
	if resp, err := rt.RoundTrip(get(t, "http://p.test")); !errors.Is(err, broken) {
		t.Errorf("RoundTrip() = %v, %v; want the second error", resp, err)
	}
	if rejected(rt) {
		t.Error("Rejected fired although nobody has refused the new token")
	}
}

// endless is a body that never ends.
type endless struct{ closed bool }

func (e *endless) Read(p []byte) (int, error) {
	if e.closed {
		return 0, errors.New("closed")
	}
	return len(p), nil
}
func (e *endless) Close() error { e.closed = true; return nil }

// stuck is a body that gives one byte and then nothing until it is closed.
type stuck struct {
	first sync.Once
	done  chan struct{}
	close func()
}

func newStuck() *stuck {
	s := &stuck{done: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.done) })
	return s
}

func (s *stuck) Read(p []byte) (n int, err error) {
	s.first.Do(func() { n = copy(p, "x") })
	if n > 0 {
		return n, nil
	}
	<-s.done
	return 0, errors.New("closed")
}
func (s *stuck) Close() error { s.close(); return nil }

func TestAnAnswerThatNeverEndsDoesNotHoldUpTheRepeat(t *testing.T) {
	for name, body := range map[string]func() io.ReadCloser{
		"endless": func() io.ReadCloser { return &endless{} },
		"stuck":   func() io.ReadCloser { return newStuck() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &answers{next: []func(*http.Request) (*http.Response, error){answer(401, body()), answer(200, text("in"))}}
				begin := time.Now()
				if status, got := do(t, over(t, base, rotating{}), get(t, "http://p.test")); status != http.StatusOK || got != "in" {
					t.Errorf("got %d %q, want the second answer", status, got)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestWhatIsWrongWithTheURLIsSaidWithoutItsPassword(t *testing.T) {
	for _, address := range []string{"http://user:s3cr3t@p.test", "http://user:s3cr3t@p.test:port", "ftp://user:s3cr3t@p.test", "http://user:s3cr3t%zz@p.test"} {
		_, err := heartbeat.NewRoundTripper(address, rotating{})
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("NewRoundTripper() error = %v; want one that does not show the password", err)
		}
	}
}

func TestTheLogDoesNotHoldTheToken(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	base := &answers{next: []func(*http.Request) (*http.Response, error){answer(401, text("x")), answer(401, text("x"))}}
	do(t, over(t, base, fixedThen{"Bearer s3cr3t-1", "Bearer s3cr3t-2"}, heartbeat.WithRoundTripperLogger(log)), get(t, "http://p.test/path?q=s3cr3t"))
	if got := logged.String(); !strings.Contains(got, "/path") || strings.Contains(got, "s3cr3t") {
		t.Errorf("log = %s", got)
	}
}

// fixedThen is one token and, after a refresh, another.
type fixedThen [2]string

func (f fixedThen) Authorization() ([]string, error)                { return f[:1], nil }
func (f fixedThen) RefreshAuthorization([]string) ([]string, error) { return f[1:], nil }

func TestUnwrapAndCloseIdleConnectionsReachTheBase(t *testing.T) {
	base := &closer{}
	rt := over(t, base, rotating{})
	if rt.Unwrap() != http.RoundTripper(base) {
		t.Error("Unwrap() is not the base")
	}
	(&http.Client{Transport: rt}).CloseIdleConnections()
	if !base.closed {
		t.Error("CloseIdleConnections did not reach the base")
	}
	over(t, &answers{}, rotating{}).CloseIdleConnections() // a base that cannot is no fault
}

type closer struct {
	answers
	closed bool
}

func (c *closer) CloseIdleConnections() { c.closed = true }

// What a deadline within the grace period makes of a 401: an error that tells
// the truth to a caller, and a signal for the Loop.
func TestADeadlineWithinTheGracePeriodTellsOfThe401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := over(t, onlyNew, newLate("old"), heartbeat.WithGrace(time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		client := &http.Client{Transport: rt}
		resp, err := client.Do(get(t, "http://p.test").WithContext(ctx))
		var from *url.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &from) || !from.Timeout() || !strings.Contains(err.Error(), "401") {
			t.Errorf("Do() = %v, %v; want a timeout that tells of the 401", resp, err)
		}
		if !rejected(rt) {
			t.Error("Rejected has not fired: a Loop whose deadline is short would never recover")
		}

		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if resp, err := rt.RoundTrip(get(t, "http://p.test").WithContext(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("RoundTrip() = %v, %v; want the context's error", resp, err)
		}
		if rejected(rt) {
			t.Error("Rejected fired for a call that nobody waits for")
		}
	})
}

func TestTheGracePeriodEndsWithOneMoreLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newLate("old")
		rt := over(t, onlyNew, tokens, heartbeat.WithGrace(3*time.Second))
		go func() {
			time.Sleep(time.Second)
			tokens.mu.Lock() // the file changes, and nobody watches it
			tokens.token = "new"
			tokens.mu.Unlock()
		}()
		if status, _ := do(t, rt, get(t, "http://p.test")); status != http.StatusOK {
			t.Errorf("got %d, want 200", status)
		}
	})
}

func TestDuringTheGracePeriodThe401IsWholeAndKeepsNoConnection(t *testing.T) {
	g := newGate(t, "new")
	base := &http.Transport{MaxConnsPerHost: 1}
	t.Cleanup(base.CloseIdleConnections)
	tokens := newLate("old")
	rt := roundTripper(t, g.URL, tokens, heartbeat.WithBase(base), heartbeat.WithGrace(time.Minute))
	ctx, giveUp := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if status, body := do(t, rt, get(t, g.URL)); status != http.StatusOK || body != "in" {
				t.Errorf("got %d %q, want the repeat", status, body)
			}
		})
		waiting.Go(func() { _, _ = rt.RoundTrip(get(t, g.URL).WithContext(ctx)) })
	}
	// With six calls waiting, the one connection there may be is free for the
	// call that brings the token.
	req := get(t, g.URL)
	req.Header.Set("Authorization", "Bearer new")
	if status, _ := do(t, rt, req); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	giveUp()
	tokens.arrive("new")
	waiting.Wait()
}

func TestAfterTheGracePeriodThe401IsWhole(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "large": 100_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := strings.Repeat("x", size)
				body := &closeSpy{Reader: strings.NewReader(want)}
				base := &answers{next: []func(*http.Request) (*http.Response, error){answer(401, body)}}
				status, got := do(t, over(t, base, newLate("old"), heartbeat.WithGrace(time.Second)), get(t, "http://p.test"))
				if status != http.StatusUnauthorized || got != want {
					t.Errorf("got %d with %d bytes, want 401 with %d", status, len(got), len(want))
				}
				if !body.closed {
					t.Error("the answer's body is not closed")
				}
			})
		})
	}
}
