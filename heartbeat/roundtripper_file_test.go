package heartbeat_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// The headline on a real file, a real watch and a real server: the platform
// rotates forty times, and the file follows only after calls were refused, in
// place and in pieces. No caller sees any of it.
func TestNoCallerSeesARotationWhoseFileLags(t *testing.T) {
	const rotations, callers = 40, 5
	name := func(n int) string { return strings.Repeat(string(rune('A'+n%26)), 43) }
	var mu sync.Mutex
	good, requests := name(0), 0
	refused := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ok := r.Header.Get("Authorization") == "Bearer "+good
		requests++
		mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			select {
			case refused <- struct{}{}:
			default:
			}
		}
	}))
	t.Cleanup(server.Close)

	_, path := tokenFile(t, name(0))
	tokens := platformauth.NewStore(path)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = tokens.Watch(ctx) })
	t.Cleanup(func() { cancel(); watching.Wait() })
	rt := roundTripper(t, server.URL, tokens, heartbeat.WithGrace(20*time.Second))

	for n := 1; n <= rotations; n++ {
		mu.Lock()
		good = name(n)
		mu.Unlock()
		select {
		case <-refused: // left over from the rotation before
		default:
		}
		var calls sync.WaitGroup
		for range callers {
			calls.Go(func() {
				if status, _ := do(t, rt, get(t, server.URL)); status != http.StatusOK {
					t.Errorf("rotation %d: a caller saw %d", n, status)
				}
			})
		}
		<-refused
		inPieces(t, path, name(n))
		calls.Wait()
	}
	if most := rotations * callers * 2; requests > most {
		t.Errorf("%d requests for %d calls, want at most two each", requests, rotations*callers)
	}
	if rejected(rt) {
		t.Error("Rejected fired")
	}
}

// inPieces writes the file in place, as nobody should.
func inPieces(t *testing.T, path, token string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{token[:7], token[7:30], token[30:]} {
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
