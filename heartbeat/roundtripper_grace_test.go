package heartbeat_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

// late is a token source whose token arrives when told, without a file: reads
// of a real one do not stop a synctest clock, but inotify does.
type late struct {
	mu      sync.Mutex
	token   string
	changed chan struct{}
	reads   int
}

func newLate(token string) *late { return &late{token: token, changed: make(chan struct{})} }

func (l *late) Authorization() ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []string{"Bearer " + l.token}, nil
}

func (l *late) RefreshAuthorization(stale []string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stale[0] == "Bearer "+l.token {
		l.reads++
	}
	return []string{"Bearer " + l.token}, nil
}

func (l *late) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *late) arrive(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token = token
	close(l.changed)
	l.changed = make(chan struct{})
}

// onlyNew accepts the token "new".
var onlyNew = roundTripFunc(func(req *http.Request) (*http.Response, error) {
	status := http.StatusUnauthorized
	if req.Header.Get("Authorization") == "Bearer new" {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Body: http.NoBody}, nil
})

func TestWithGraceAFileThatLagsIsNotVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newLate("old")
		rt, err := heartbeat.NewRoundTripper("http://p.test", tokens, heartbeat.WithBase(onlyNew), heartbeat.WithGrace(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(2 * time.Second)
			tokens.arrive("new")
		}()
		begin := time.Now()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if status, _ := do(t, rt, get(t, "http://p.test")); status != http.StatusOK {
					t.Errorf("got %d, want 200", status)
				}
			})
		}
		calls.Wait()
		if got := time.Since(begin); got > 2*time.Second {
			t.Errorf("the calls took %v, want no longer than the file", got)
		}
	})
}

func TestTheGracePeriodEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt, err := heartbeat.NewRoundTripper("http://p.test", newLate("old"), heartbeat.WithBase(onlyNew), heartbeat.WithGrace(3*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if status, _ := do(t, rt, get(t, "http://p.test")); status != http.StatusUnauthorized {
			t.Errorf("got %d, want the 401", status)
		}
		if got := time.Since(begin); got != 3*time.Second {
			t.Errorf("waited %v, want the grace period", got)
		}
		if !rejected(rt) {
			t.Error("Rejected has not fired")
		}
	})
}

func TestEachCallerWaitsOnItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newLate("old")
		rt, err := heartbeat.NewRoundTripper("http://p.test", tokens, heartbeat.WithBase(onlyNew), heartbeat.WithGrace(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var calls sync.WaitGroup
		calls.Go(func() {
			begin := time.Now()
			_, err := rt.RoundTrip(get(t, "http://p.test").WithContext(impatient))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want the context's", err)
			}
			if got := time.Since(begin); got != time.Second {
				t.Errorf("the impatient caller waited %v", got)
			}
		})
		calls.Go(func() {
			if status, _ := do(t, rt, get(t, "http://p.test")); status != http.StatusOK {
				t.Errorf("the patient caller got %d", status)
			}
		})
		time.Sleep(10 * time.Second)
		tokens.arrive("new")
		calls.Wait()
	})
}

func TestTheRoundTripperAllocatesLittle(t *testing.T) {
	rt, err := heartbeat.NewRoundTripper("http://p.test", fixed{[]string{"Bearer new"}}, heartbeat.WithBase(answerOK))
	if err != nil {
		t.Fatal(err)
	}
	// Request, map header and map group; from eight headers on the map of the
	// runtime needs a table and a second group.
	for n, most := range map[int]float64{0: 3, 2: 3, 6: 3, 7: 3, 8: 5, 15: 5} {
		req := get(t, "http://p.test/registry/heartbeat")
		for i := range n {
			req.Header.Set("X-"+strings.Repeat("a", i+1), "v")
		}
		got := testing.AllocsPerRun(100, func() {
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		})
		if got > most {
			t.Errorf("%v allocations with %d headers, want at most %v", got, n, most)
		}
	}
}

type fixed struct{ value []string }

func (f fixed) Authorization() ([]string, error)                { return f.value, nil }
func (f fixed) RefreshAuthorization([]string) ([]string, error) { return f.value, nil }

var okResponse = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}

var answerOK = roundTripFunc(func(*http.Request) (*http.Response, error) { return okResponse, nil })

func BenchmarkRoundTripper(b *testing.B) {
	rt, err := heartbeat.NewRoundTripper("http://p.test", fixed{[]string{"Bearer x"}}, heartbeat.WithBase(answerOK))
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://p.test/registry/heartbeat", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}
