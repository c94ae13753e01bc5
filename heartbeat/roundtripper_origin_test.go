package heartbeat_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

func TestOtherOriginsGetNoToken(t *testing.T) {
	g := newGate(t, "good")
	other := newGate(t, "")
	tokens, _ := tokenFile(t, "good")
	rt := roundTripper(t, g.URL, tokens)
	if status, _ := do(t, rt, get(t, other.URL)); status != http.StatusOK {
		t.Errorf("got %d, want the request to pass without a token", status)
	}
	if diff := cmp.Diff([]string{""}, other.shown()); diff != "" {
		t.Errorf("tokens sent to another port (-want +got):\n%s", diff)
	}
	// The same address under another name is another origin.
	named := strings.Replace(g.URL, "127.0.0.1", "localhost", 1)
	do(t, rt, get(t, named))
	if diff := cmp.Diff([]string{""}, g.shown()); diff != "" {
		t.Errorf("tokens sent to another name (-want +got):\n%s", diff)
	}
	// Another Host header may be another server behind the same address.
	req := get(t, g.URL)
	req.Host = "other.test"
	do(t, rt, req)
	if diff := cmp.Diff([]string{"", ""}, g.shown()); diff != "" {
		t.Errorf("tokens sent to another Host (-want +got):\n%s", diff)
	}
}

func TestARedirectToAnotherOriginCarriesNoToken(t *testing.T) {
	other := newGate(t, "")
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			t.Errorf("the platform got %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(platform.Close)
	tokens, _ := tokenFile(t, "good")
	client := &http.Client{Transport: roundTripper(t, platform.URL, tokens)}
	resp, err := client.Do(get(t, platform.URL))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if diff := cmp.Diff([]string{""}, other.shown()); diff != "" {
		t.Errorf("tokens that crossed the redirect (-want +got):\n%s", diff)
	}
}

func TestOriginsAreComparedAsTheyAreMeant(t *testing.T) {
	for _, c := range []struct {
		platform, url string
		want          bool
	}{
		{"http://p.test", "http://p.test/x", true},
		{"http://p.test", "http://P.TEST/x", true},
		{"http://p.test:80", "http://p.test/x", true},
		{"http://p.test", "http://p.test:80/x", true},
		{"https://p.test", "https://p.test:443/x", true},
		{"HTTPS://P.test/base/", "https://p.test/x", true},
		{"https://p.test", "http://p.test/x", false},
		{"http://p.test", "http://p.test:8080/x", false},
		{"http://p.test", "http://p.test.evil/x", false},
		{"http://p.test:443", "https://p.test/x", false},
	} {
		var got string
		base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			got = req.Header.Get("Authorization")
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})
		tokens, _ := tokenFile(t, "good")
		rt, err := heartbeat.NewRoundTripper(c.platform, tokens, heartbeat.WithBase(base))
		if err != nil {
			t.Fatal(err)
		}
		do(t, rt, get(t, c.url))
		if (got != "") != c.want {
			t.Errorf("platform %s, request to %s: token sent = %v, want %v", c.platform, c.url, got != "", c.want)
		}
	}
}
