package registrytest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// health asks for GET /health and tells what came of it in a word or two.
func health(t testing.TB, p *registrytest.Platform, c *http.Client) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return "cut"
	case err != nil:
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.Status + " and a body that never ends"
	}
	return strings.TrimSpace(resp.Status + " " + resp.Header.Get("Retry-After") + " " + string(body))
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault registrytest.Fault
		want  string
	}{
		{"status", registrytest.Fault{Status: 503}, `503 Service Unavailable  {"error":"scripted fault"}`},
		{"retry after", registrytest.Fault{Status: 429, RetryAfter: 7}, `429 Too Many Requests 7 {"error":"scripted fault"}`},
		{"retry after nothing", registrytest.Fault{Status: 429, RetryAfter: -1}, `429 Too Many Requests 0 {"error":"scripted fault"}`},
		{"empty", registrytest.Fault{Status: 500, Empty: true}, "500 Internal Server Error"},
		{"reset", registrytest.Fault{Reset: true}, "cut"},
		{"lost", registrytest.Fault{Lost: true}, "cut"},
		{"hang", registrytest.Fault{Hang: true}, "timeout"},
		{"half open", registrytest.Fault{HalfOpen: true}, "200 OK and a body that never ends"},
		{"slow", registrytest.Fault{Delay: time.Minute}, "timeout"},
		{"truncate", registrytest.Fault{Truncate: true}, `200 OK  {"statu`},
		{"duplicate", registrytest.Fault{Duplicate: true}, `200 OK  {"status":"ok"}`},
		{"html", registrytest.Fault{HTML: true}, "200 OK  <!doctype html><title>Sign in</title>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := registrytest.NewPlatform(t, registrytest.WithInMemory())
				c := &http.Client{Transport: &http.Transport{DialContext: p.DialContext, DisableKeepAlives: true}}
				p.Fail(registrytest.To(http.MethodGet, "/health"), test.fault)
				if diff := cmp.Diff(test.want, health(t, p, c)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got := health(t, p, c); got != `200 OK  {"status":"ok"}` {
					t.Errorf("after the fault: %s", got)
				}
			})
		})
	}
}

func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	run := func(seed uint64) (out []string) {
		synctest.Test(t, func(t *testing.T) {
			p := registrytest.NewPlatform(t, registrytest.WithInMemory(),
				registrytest.WithFaults(seed, registrytest.Plan{Rate: 0.5}))
			c := &http.Client{Transport: &http.Transport{DialContext: p.DialContext, DisableKeepAlives: true}}
			for range 60 {
				out = append(out, health(t, p, c))
			}
		})
		return out
	}
	if diff := cmp.Diff(run(7), run(7)); diff != "" {
		t.Errorf("two runs with one seed differ:\n%s", diff)
	}
	if cmp.Equal(run(7), run(8)) {
		t.Error("two seeds gave the same faults")
	}
}

func TestDownRefusesAndUpKeepsTheAddress(t *testing.T) {
	for name, opts := range map[string][]registrytest.Option{"loopback": nil, "in memory": {registrytest.WithInMemory()}} {
		t.Run(name, func(t *testing.T) {
			p := registrytest.NewPlatform(t, opts...)
			c := p.Client()
			for range 3 {
				if got := health(t, p, c); !strings.HasPrefix(got, "200") {
					t.Fatalf("up: %s", got)
				}
				p.Down()
				if got := health(t, p, c); got != "refused" {
					t.Fatalf("down: %s", got)
				}
				if err := p.Up(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRotateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".auth_token")
	synctest.Test(t, func(t *testing.T) {
		p := registrytest.NewPlatform(t, registrytest.WithInMemory())
		w := p.AddWorkspace(id)
		for _, how := range []registrytest.Rotation{
			{Path: path, Lag: time.Second},
			{Path: path, Lag: time.Second, Torn: time.Second},
			{Path: path, Atomic: true},
		} {
			before := w.IssueToken()
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			r := w.RotateFile(how)
			c := p.Client()
			if status := post(t, p, c, "/registry/heartbeat", before, beatBody); status != 401 {
				t.Errorf("the old token gets %d at once, want 401", status)
			}
			<-r.Written
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			if got := r.At().Sub(begin); got != how.Lag+how.Torn {
				t.Errorf("written after %v, want %v", got, how.Lag+how.Torn)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != r.Token {
				t.Errorf("the file does not hold the new token (%v)", err)
			}
			if status := post(t, p, c, "/registry/heartbeat", r.Token, beatBody); status != 200 {
				t.Errorf("the new token gets %d", status)
			}
			if last := w.LastHeartbeat(); last.TokenGen != w.Generation() {
				t.Errorf("the beat came with token %d, want %d", last.TokenGen, w.Generation())
			}
		}
	})
}
