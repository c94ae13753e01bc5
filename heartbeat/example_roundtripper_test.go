package heartbeat_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// The platform has rotated the token and written the file. The call that finds
// out is refused, reads the file, and is sent once more; its caller sees only
// the second answer.
func ExampleRoundTripper() {
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if r.Header.Get("Authorization") != "Bearer second-token" {
			status = http.StatusUnauthorized
		}
		fmt.Println("platform answers", status)
		w.WriteHeader(status)
	}))
	defer platform.Close()
	dir, _ := os.MkdirTemp("", "example-")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, ".auth_token")
	_ = os.WriteFile(file, []byte("first-token"), 0o600)

	tokens := platformauth.NewStore(file)
	rt, err := heartbeat.NewRoundTripper(platform.URL, tokens)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: rt, Timeout: 10 * time.Second}

	_, _ = tokens.Token() // the old one is in use
	_ = os.WriteFile(file, []byte("second-token"), 0o600)
	resp, err := client.Get(platform.URL + "/workspaces/w/delegations")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	fmt.Println("caller sees", resp.StatusCode)
	// Output:
	// platform answers 401
	// platform answers 200
	// caller sees 200
}

// Everything that is wrong is said at once.
func ExampleNewRoundTripper() {
	_, err := heartbeat.NewRoundTripper("localhost:8080", nil)
	fmt.Println(err)
	// Output:
	// heartbeat: NewRoundTripper: tokens is nil; give it a *platformauth.Store
	// heartbeat: NewRoundTripper: platform URL "localhost:8080" needs a scheme and a host, such as http://localhost:8080
}

// A transport of one's own below, some patience with a file that lags, and a
// log of the refreshes.
func ExampleWithGrace() {
	rt, err := heartbeat.NewRoundTripper("https://platform.example.com", platformauth.NewStore(""),
		heartbeat.WithBase(&http.Transport{MaxIdleConnsPerHost: 4}),
		heartbeat.WithGrace(5*time.Second), // while platformauth.Store.Watch runs
		heartbeat.WithRoundTripperLogger(slog.Default()),
	)
	fmt.Println(rt != nil, err)
	// Output: true <nil>
}
