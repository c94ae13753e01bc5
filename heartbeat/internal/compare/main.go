// Compare measures what callers see of a token rotation through this library's
// RoundTripper and through client-go's two file-token transports. The server
// rotates the token and the file follows later; one call is made every 100 ms
// until one is accepted.
//
//	cd heartbeat/internal/compare && go run .
//	cd heartbeat/internal/compare && go test -bench . -benchmem -count 5
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/transport"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

const (
	oldToken = "ooooooooooooooooooooooooooooooooooooooooooo"
	newToken = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	every    = 100 * time.Millisecond
	patience = 70 * time.Second // client-go re-reads once a minute
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	fmt.Printf("%-44s %-12s %16s %14s\n", "transport", "file lags", "whole again", "failed calls")
	for _, lag := range []time.Duration{0, 2 * time.Second} {
		for _, c := range contestants {
			if err := c.race(ctx, lag); err != nil {
				fmt.Fprintln(os.Stderr, "compare:", err)
				os.Exit(1)
			}
		}
	}
}

// contestant makes a transport on a token file; stop ends what it started.
type contestant struct {
	name string
	make func(url, file string) (rt http.RoundTripper, stop func(), err error)
}

var contestants = []contestant{
	{"ours", func(url, file string) (http.RoundTripper, func(), error) { return ours(url, file, 0) }},
	{"ours, with 5 s of grace", func(url, file string) (http.RoundTripper, func(), error) { return ours(url, file, 5*time.Second) }},
	{"client-go ResettableTokenSource", func(_, file string) (http.RoundTripper, func(), error) {
		wrap := transport.ResettableTokenSourceWrapTransport(transport.NewCachedFileTokenSource(file))
		return wrap(http.DefaultTransport), func() {}, nil
	}},
	{"client-go BearerTokenFile", func(_, file string) (http.RoundTripper, func(), error) {
		rt, err := transport.NewBearerAuthWithRefreshRoundTripper("", file, http.DefaultTransport)
		return rt, func() {}, err
	}},
}

func ours(url, file string, grace time.Duration) (http.RoundTripper, func(), error) {
	tokens := platformauth.NewStore(file)
	rt, err := heartbeat.NewRoundTripper(url, tokens, heartbeat.WithGrace(grace))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { _ = tokens.Watch(ctx) })
	return rt, func() { cancel(); watching.Wait() }, nil
}

func (c contestant) race(ctx context.Context, lag time.Duration) error {
	var mu sync.Mutex
	good := oldToken
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(oldToken), 0o600); err != nil {
		return err
	}
	rt, stop, err := c.make(server.URL, file)
	if err != nil {
		return err
	}
	defer stop()
	client := &http.Client{Transport: rt}
	call := func() (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := call(); err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: first call: %d, %w", c.name, status, err)
	}

	mu.Lock()
	good = newToken
	mu.Unlock()
	begin := time.Now()
	var wrote sync.WaitGroup
	wrote.Go(func() {
		time.Sleep(lag)
		_ = os.WriteFile(file, []byte(newToken), 0o600)
	})
	defer wrote.Wait()
	if lag == 0 {
		wrote.Wait()
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for failed := 0; ; failed++ {
		status, err := call()
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			fmt.Printf("%-44s %-12v %13.1f ms %14d\n", c.name, lag, float64(time.Since(begin).Microseconds())/1000, failed)
			return nil
		}
		if time.Since(begin) > patience {
			fmt.Printf("%-44s %-12v %16s %14d\n", c.name, lag, "not in 70 s", failed+1)
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
