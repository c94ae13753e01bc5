package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// scripted is a transport that gives its answers one after another, the last
// one again and again, and notes when it was asked.
type scripted struct {
	mu      sync.Mutex
	answers []func() (*http.Response, error)
	asked   []time.Time
	closed  int
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	resp, err := next()
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// CloseIdleConnections counts: the client must leave its transport's alone.
func (s *scripted) CloseIdleConnections() { s.closed++ }

func says(status int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func breaks(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func TestOnlySafeCallsAreRepeated(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answers: []func() (*http.Response, error){says(503, `{"error":"x"}`), breaks(io.ErrUnexpectedEOF), says(200, e.ok)}}
				err := e.call(t.Context(), mustClient(t, "http://p.test", registry.WithTransport(s)))
				want := 1
				if e.repeated {
					want = 3
				}
				if len(s.asked) != want || (err == nil) != e.repeated {
					t.Errorf("%d attempts and %v, want %d", len(s.asked), err, want)
				}
				if s.closed != 0 {
					t.Error("the transport's idle connections were closed")
				}
			})
		})
	}
}

func TestA401IsNeverRepeated(t *testing.T) {
	for _, e := range endpoints {
		s := &scripted{answers: []func() (*http.Response, error){says(401, `{"error":"invalid workspace auth token"}`)}}
		err := e.call(t.Context(), mustClient(t, "http://p.test", registry.WithTransport(s)))
		if !errors.Is(err, registry.ErrUnauthorized) || len(s.asked) != 1 {
			t.Errorf("%s: %d attempts and %v", e.op, len(s.asked), err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	inTwo := func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		name, header string
		attempts     int
		least, most  time.Duration // before the second attempt
	}{
		{"seconds, and one more because the platform rounds down", "3", 2, 4 * time.Second, 4250 * time.Millisecond},
		{"zero", "0", 2, time.Second, 1250 * time.Millisecond},
		{"a date", "date", 2, time.Second, 3250 * time.Millisecond},
		{"a day is not waited for", "86400", 1, 0, 0},
		{"more than an int64 is not waited for", "9223372036854775807", 1, 0, 0},
		{"negative counts as absent", "-5", 2, 0, 250 * time.Millisecond},
		{"rubbish counts as absent", "soon", 2, 0, 250 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				header := c.header
				if header == "date" {
					header = inTwo()
				}
				s := &scripted{answers: []func() (*http.Response, error){says(429, `{"error":"rate limit exceeded"}`, "Retry-After", header), says(200, `[]`)}}
				_, err := mustClient(t, "http://p.test", registry.WithTransport(s)).Delegations(t.Context())
				if len(s.asked) != c.attempts {
					t.Fatalf("%d attempts, want %d (%v)", len(s.asked), c.attempts, err)
				}
				if c.attempts == 1 {
					var e *registry.Error
					if !errors.As(err, &e) || e.RetryAfter < 24*time.Hour {
						t.Errorf("the error does not say how long: %v", err)
					}
					return
				}
				if waited := s.asked[1].Sub(s.asked[0]); waited < c.least || waited > c.most {
					t.Errorf("waited %v, want %v to %v", waited, c.least, c.most)
				}
			})
		})
	}
}

func TestWaitsAreJitteredAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 50 {
			s := &scripted{answers: []func() (*http.Response, error){says(500, `{"error":"x"}`)}}
			c := mustClient(t, "http://p.test", registry.WithTransport(s), registry.WithRetry(registry.Retry{Attempts: 6, MinWait: 100 * time.Millisecond, MaxWait: time.Second}))
			_, err := c.Workspace(t.Context(), "")
			if !errors.Is(err, registry.ErrUnavailable) || len(s.asked) != 6 {
				t.Fatalf("%d attempts and %v, want six and the last answer", len(s.asked), err)
			}
			for i := 1; i < len(s.asked); i++ {
				wait, bound := s.asked[i].Sub(s.asked[i-1]), min(100*time.Millisecond<<(i-1), time.Second)
				if wait > bound {
					t.Errorf("wait %d is %v, want at most %v", i, wait, bound)
				}
				seen[wait] = true
			}
		}
		if len(seen) < 100 {
			t.Errorf("%d different waits in 250: that is no jitter", len(seen))
		}
	})
}

func TestAContextThatEndsDuringAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answers: []func() (*http.Response, error){says(503, `{"error":"x"}`, "Retry-After", "20")}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := mustClient(t, "http://p.test", registry.WithTransport(s)).Delegations(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

func TestARedirectToAnotherOriginIsRefused(t *testing.T) {
	other := serve(t, answer(200, `[]`))
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/x", http.StatusTemporaryRedirect)
	})
	_, err := b.client(t).Delegations(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another origin") || registry.FromPlatform(err) {
		t.Errorf("error = %v", err)
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("%d requests reached the other origin", n)
	}
}

func TestARedirectWithinTheOriginKeepsMethodAndBody(t *testing.T) {
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/registry/update-card" {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
			return
		}
		answer(200, `{"status":"updated"}`)(w, r)
	})
	if err := b.client(t).UpdateCard(t.Context(), []byte(`{"name":"t"}`)); err != nil {
		t.Fatal(err)
	}
	got := b.requests()
	if len(got) != 2 || got[1].Method != http.MethodPost || got[1].Body != got[0].Body {
		t.Errorf("requests: %+v", got)
	}
}

func TestEveryCallNamesItsOrganisation(t *testing.T) {
	t.Setenv("MOLECULE_ORG_ID", " org-1 ")
	for _, e := range endpoints {
		b := serve(t, answer(200, e.ok))
		if err := e.call(t.Context(), b.client(t, registry.FromEnv())); err != nil {
			t.Errorf("%s: %v", e.op, err)
		}
		if err := e.call(t.Context(), b.client(t)); err != nil {
			t.Errorf("%s: %v", e.op, err)
		}
		got := []string{}
		for _, r := range b.requests() {
			got = append(got, r.Header.Get("X-Molecule-Org-Id"))
		}
		if diff := cmp.Diff([]string{"org-1", ""}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.op, diff)
		}
	}
}

func TestBodiesAreBoundedBothWays(t *testing.T) {
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/a2a") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"1","result":"`)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 12<<20))
			_, _ = io.WriteString(w, `"}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	})
	c := b.client(t)
	_, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send", Params: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)})
	if !errors.Is(err, registry.ErrTooLarge) || registry.FromPlatform(err) || len(b.requests()) != 0 {
		t.Errorf("a request over 1 MiB: %v, %d requests sent", err, len(b.requests()))
	}
	if _, err = c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send"}); err == nil || len(err.Error()) > 1000 {
		t.Errorf("an answer over 10 MiB: %.100v", err)
	}
	if _, err = c.Delegations(t.Context()); !errors.Is(err, registry.ErrUnavailable) || len(err.Error()) > 1000 {
		t.Errorf("a large error page: %.100v", err)
	}
}

// A token that the transport adds, or that the platform issues, is in no error
// and no log.
func TestNoSecretInErrorsAndLogs(t *testing.T) {
	const secret = "s3cr3t-s3cr3t-s3cr3t"
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	shown := []string{}
	for _, e := range endpoints {
		for _, status := range []int{200, 401, 500} {
			b := serve(t, answer(status, `{"error":"x","auth_token":"`+secret+`"`)) // cut: no JSON
			rt := b.Client().Transport
			c := b.client(t, registry.WithLogger(logger), registry.WithRetry(registry.Retry{Attempts: 2, MinWait: 1}),
				registry.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
					req = req.Clone(req.Context())
					req.Header.Set("Authorization", "Bearer "+secret)
					return rt.RoundTrip(req)
				})))
			if err := e.call(t.Context(), c); err != nil && status == 200 {
				shown = append(shown, err.Error())
			}
		}
	}
	shown = append(shown, log.String())
	b := serve(t, answer(200, `{"status":"registered","auth_token":"`+secret+`"}`))
	got, err := b.client(t).Register(t.Context(), registry.RegisterRequest{URL: "http://localhost:1"})
	if err != nil || got.AuthToken.Reveal() != secret {
		t.Fatalf("Register() = %v, %v", got, err)
	}
	logger.Info("registered", "answer", got, "token", got.AuthToken)
	shown = append(shown, log.String(), strconv.Quote(got.AuthToken.String()))
	for _, s := range shown {
		if strings.Contains(s, secret) {
			t.Errorf("a token is shown: %s", s)
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
