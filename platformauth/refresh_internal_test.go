package platformauth

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
