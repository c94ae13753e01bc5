package push_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = push.WithAllow(netip.MustParsePrefix("127.0.0.0/8"))

func notification(url string) task.Notification {
	return task.Notification{ID: "task-3", Body: []byte(`{"statusUpdate":{}}`), Config: &a2a.PushConfig{
		URL: url, Token: "the token", Auth: &a2a.PushAuthInfo{Scheme: "bearer", Credentials: "the secret"},
	}}
}

func sender(t *testing.T, opts ...push.Option) *push.Sender {
	t.Helper()
	s := push.NewSender(opts...)
	t.Cleanup(s.Close)
	return s
}

func target(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestDelivery(t *testing.T) {
	var got *http.Request
	var body []byte
	url := target(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	s := sender(t, loopback, push.WithSigningKey([]byte("key")))
	if err := s.Notify(t.Context(), notification(url+"/hook?x=1")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer the secret",
		"A2a-Notification-Token": "the token", "Webhook-Id": "task-3",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if got.Method != http.MethodPost || got.URL.String() != "/hook?x=1" || string(body) != `{"statusUpdate":{}}` {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	if !strings.HasPrefix(got.Header.Get("Webhook-Signature"), "v1,") || got.Header.Get("Webhook-Timestamp") == "" {
		t.Errorf("it is not signed: %v", got.Header)
	}
}

func TestVerdicts(t *testing.T) {
	for status, want := range map[int]struct {
		permanent bool
		after     time.Duration
	}{
		400: {true, 0}, 401: {true, 0}, 404: {true, 0}, 410: {true, 0},
		301: {true, 0}, 307: {true, 0},
		408: {false, 7 * time.Second}, 429: {false, 7 * time.Second}, 500: {false, 7 * time.Second}, 503: {false, 7 * time.Second},
	} {
		url := target(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "http://elsewhere.example/")
			w.WriteHeader(status)
		})
		err := sender(t, loopback).Notify(t.Context(), notification(url+"?private=query"))
		var e *task.NotifyError
		if !errors.As(err, &e) || e.Permanent != want.permanent || e.RetryAfter != want.after {
			t.Errorf("%d: %v, want %+v", status, err, want)
		}
		for _, secret := range []string{"the token", "the secret", "private"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%d: the error has %q in it: %v", status, secret, err)
			}
		}
	}
}

// TestRedirectsAreNotFollowed: the token stays where it was meant to go.
func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := false
	other := target(t, func(http.ResponseWriter, *http.Request) { reached = true })
	url := target(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusTemporaryRedirect) })
	if err := sender(t, loopback).Notify(t.Context(), notification(url)); err == nil {
		t.Error("a redirect counts as delivered")
	}
	if reached {
		t.Error("the redirect was followed")
	}
}

// TestInnerAddressesAreOutOfReach by their number, and by a name that resolves
// to one.
func TestInnerAddressesAreOutOfReach(t *testing.T) {
	reached := false
	url := target(t, func(http.ResponseWriter, *http.Request) { reached = true })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	s := sender(t)
	var e *task.NotifyError
	err := s.Notify(t.Context(), notification("http://localhost:"+port))
	if !errors.Is(err, push.ErrBlocked) || !errors.As(err, &e) || !e.Permanent {
		t.Errorf("a name: %v", err)
	}
	for _, host := range []string{
		"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
		"224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
		"[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]",
	} {
		if err := s.Check("http://" + host + ":" + port); err == nil {
			t.Errorf("%s is taken", host)
		}
		if err := s.Notify(t.Context(), notification("http://"+host+":"+port)); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if reached {
		t.Error("it was reached")
	}
	for _, url := range []string{"https://example.com/hook", "http://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/x"} {
		if err := s.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestWhatCannotBeATarget(t *testing.T) {
	for _, url := range []string{
		"", "x", "file:///etc/passwd", "ftp://example.com", "https://", "https://user:pw@example.com/", "https://example.com/#f",
		"https://example.com/\x00", "https://" + strings.Repeat("x", 3000), "gopher://example.com", "//example.com",
	} {
		if err := sender(t).Check(url); err == nil {
			t.Errorf("%.40q is taken", url)
		}
	}
	n := notification("https://example.com")
	n.Config.Token = "two\r\nlines"
	var e *task.NotifyError
	if err := sender(t).Notify(t.Context(), n); !errors.As(err, &e) || !e.Permanent || strings.Contains(err.Error(), "two") {
		t.Errorf("a token that is no header value: %v", err)
	}
}

func TestASlowTargetCostsTheTimeout(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	url := target(t, func(http.ResponseWriter, *http.Request) { <-hang })
	err := sender(t, loopback, push.WithTimeout(30*time.Millisecond)).Notify(t.Context(), notification(url))
	var e *task.NotifyError
	if !errors.As(err, &e) || e.Permanent {
		t.Errorf("%v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("https://example.com/")
	f.Add("http://[::1]:80")
	f.Fuzz(func(_ *testing.T, target string) {
		s := push.NewSender()
		defer s.Close()
		_ = s.Check(target)
	})
}
