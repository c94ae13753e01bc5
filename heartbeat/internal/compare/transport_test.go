package main

import (
	"net/http"
	"testing"

	"golang.org/x/oauth2"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

type fixed struct{ value []string }

func (f fixed) Authorization() ([]string, error)                { return f.value, nil }
func (f fixed) RefreshAuthorization([]string) ([]string, error) { return f.value, nil }

// BenchmarkTransport is what a transport that adds a bearer costs on top of a
// base that does nothing, for a request with two headers.
func BenchmarkTransport(b *testing.B) {
	ok := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	base := roundTripFunc(func(*http.Request) (*http.Response, error) { return ok, nil })
	ours, err := heartbeat.NewRoundTripper("http://platform.test", fixed{[]string{"Bearer x"}}, heartbeat.WithBase(base))
	if err != nil {
		b.Fatal(err)
	}
	static := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "x"})
	for _, c := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"ours", ours},
		{"oauth2-static", &oauth2.Transport{Source: static, Base: base}},
		{"oauth2-reuse", &oauth2.Transport{Source: oauth2.ReuseTokenSource(nil, static), Base: base}},
	} {
		b.Run(c.name, func(b *testing.B) {
			req, err := http.NewRequest(http.MethodPost, "http://platform.test/registry/heartbeat", nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.rt.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
