package platformauth

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

func testStore(t *testing.T, content string, opts ...Option) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".auth_token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewStore(path, opts...)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	return s, path
}

var oldToken, newToken = strings.Repeat("o", 43), strings.Repeat("n", 43)

func TestAHundredRefusedCallersCostOneRead(t *testing.T) {
	s, path := testStore(t, oldToken)
	if err := os.WriteFile(path, []byte(newToken), 0o600); err != nil {
		t.Fatal(err)
	}
	before := s.reads.Load()
	stale := []string{"Bearer " + oldToken}
	var callers sync.WaitGroup
	begin := make(chan struct{})
	for range 100 {
		callers.Go(func() {
			<-begin
			got, err := s.RefreshAuthorization(stale)
			if err != nil || len(got) != 1 || got[0] != "Bearer "+newToken {
				t.Errorf("RefreshAuthorization() = %v, %v", got, err)
			}
		})
	}
	close(begin)
	callers.Wait()
	if n := s.reads.Load() - before; n != 1 {
		t.Errorf("%d disk reads, want 1", n)
	}
}

func TestAHundredCallersOfRefreshFromDiskShareARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path := testStore(t, oldToken)
		put(t, path, newToken)
		before := s.reads.Load()
		s.turn <- struct{}{} // somebody has the file, and all the others come meanwhile
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != newToken {
					t.Errorf("RefreshFromDisk() = %v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		s.leave()
		callers.Wait()
		if n := s.reads.Load() - before; n != 1 {
			t.Errorf("%d disk reads for 100 callers at once, want 1", n)
		}
		if _, err := s.RefreshFromDisk(); err != nil {
			t.Fatal(err)
		}
		if n := s.reads.Load() - before; n != 2 {
			t.Errorf("%d disk reads after one more caller, want 2: it came after the read", n)
		}
	})
}

func TestAHundredCallersWithoutAFileCostTwoReads(t *testing.T) {
	s, path := testStore(t, oldToken, WithMinReread(time.Hour))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	before := s.reads.Load()
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if value, err := s.RefreshAuthorization([]string{"Bearer " + oldToken}); err != nil || value != nil {
				t.Errorf("RefreshAuthorization() = %v, %v; want nil, nil", value, err)
			}
		})
	}
	callers.Wait()
	if n := s.reads.Load() - before; n != 2 { // one to see it, one to believe it
		t.Errorf("%d disk reads, want 2", n)
	}
}

// The same through the transport it is for: a hundred requests under way when
// the token rotates.
func TestConcurrent401sCostOneDiskRead(t *testing.T) {
	const calls = 100
	s, path := testStore(t, oldToken)
	var refused sync.WaitGroup
	refused.Add(calls)
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		status := http.StatusOK
		if req.Header.Get("Authorization") != "Bearer "+newToken {
			status = http.StatusUnauthorized
			refused.Done()
			refused.Wait() // so that all of them are refused
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	})
	rt, err := heartbeat.NewRoundTripper("http://platform.test", s, heartbeat.WithBase(base))
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, newToken)
	before := s.reads.Load()
	var callers sync.WaitGroup
	for range calls {
		callers.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://platform.test/", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := rt.RoundTrip(req)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("RoundTrip() = %v, %v", resp, err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	callers.Wait()
	if n := s.reads.Load() - before; n != 1 {
		t.Errorf("%d disk reads for %d refused calls, want 1", n, calls)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A refresh that comes while the platform writes in place waits for the end.
func TestARefreshDoesNotTakeHalfAToken(t *testing.T) {
	for _, half := range []string{"", newToken[:20]} {
		s, path := testStore(t, oldToken)
		put(t, path, half)
		s.turn <- struct{}{}
		if err := s.read(hurry); !errors.Is(err, errUnsettled) {
			t.Errorf("read() = %v with %d bytes in the file, want errUnsettled", err, len(half))
		}
		put(t, path, newToken)
		err := s.refresh()
		s.leave()
		if got, _ := s.Token(); err != nil || got.Reveal() != newToken {
			t.Errorf("refresh() = %v, and the token is not the whole one", err)
		}
	}
}

func TestALate401ForAnOlderTokenCostsNoRead(t *testing.T) {
	s, path := testStore(t, oldToken)
	if err := os.WriteFile(path, []byte(newToken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RefreshIf(Token(oldToken)); err != nil {
		t.Fatal(err)
	}
	before := s.reads.Load()
	if got, err := s.RefreshIf(Token(oldToken)); err != nil || got.Reveal() != newToken {
		t.Errorf("RefreshIf() = %v, %v", got, err)
	}
	if n := s.reads.Load() - before; n != 0 {
		t.Errorf("%d disk reads, want none", n)
	}
}

func TestAPlatformThatRefusesEverythingDoesNotCostAReadPerCall(t *testing.T) {
	s, path := testStore(t, oldToken, WithMinReread(time.Hour))
	// A file written a moment before it is read may be written again in the
	// same tick of the file system's clock; this one was not.
	long := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if got, err := s.RefreshIf(Token(oldToken)); err != nil || got.Reveal() != oldToken {
			t.Fatalf("RefreshIf() = %v, %v", got, err)
		}
	}
	if n := s.reads.Load(); n > 2 {
		t.Errorf("%d disk reads for an unchanged file, want at most 2", n)
	}
	// The floor holds only while nothing touches the file.
	if err := os.WriteFile(path, []byte(newToken), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.RefreshIf(Token(oldToken)); err != nil || got.Reveal() != newToken {
		t.Errorf("RefreshIf() = %v, %v; want the changed file to be read", got, err)
	}
}

func TestTheHeaderValueCannotBeWrittenThrough(t *testing.T) {
	s, _ := testStore(t, oldToken)
	value, err := s.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	_ = append(value, "Bearer other")
	if cap(value) != 1 {
		t.Errorf("cap = %d: an append writes into the cache", cap(value))
	}
	again, _ := s.Authorization()
	if &again[0] != &value[0] {
		t.Error("the header value is made anew for each call")
	}
}
