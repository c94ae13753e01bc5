package platformauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// watching runs Watch on each store until the returned function is called.
func watching(t *testing.T, stores ...*Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range stores {
		running.Go(func() {
			if err := s.Watch(ctx); err != nil {
				t.Errorf("Watch() = %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// becomes waits until the store's token is want.
func becomes(t *testing.T, s *Store, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		changed := s.Changed()
		if got, _ := s.Token(); got.Reveal() == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("the watch has not seen the change")
		}
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMoreWatchesThanTheSystemHasHandlesShareOne(t *testing.T) {
	dir := t.TempDir()
	stores := make([]*Store, 300) // Linux grants a user 128 inotify instances
	for i := range stores {
		path := filepath.Join(dir, string(rune('a'+i%20)), strings.Repeat("x", i/20+1))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, path, oldToken)
		stores[i] = NewStore(path)
		if _, err := stores[i].Token(); err != nil {
			t.Fatal(err)
		}
	}
	stop := watching(t, stores...)
	for i, s := range stores {
		if i%7 == 0 {
			put(t, s.Path(), newToken)
		}
	}
	for i, s := range stores {
		if i%7 == 0 {
			becomes(t, s, newToken)
		} else if got, _ := s.Token(); got.Reveal() != oldToken {
			t.Errorf("store %d has the token of another", i)
		}
	}
	shared.calls.Lock()
	open := shared.watcher
	shared.calls.Unlock()
	if open == nil {
		t.Error("nobody has a handle")
	}
	stop()
	shared.calls.Lock()
	defer shared.calls.Unlock()
	if shared.watcher != nil || shared.open != 0 || len(shared.dirs) != 0 {
		t.Errorf("after the last watch: handle %v, %d subscriptions, %d directories", shared.watcher, shared.open, len(shared.dirs))
	}
}

func TestABusyDirectoryCostsNoReads(t *testing.T) {
	s, path := testStore(t, oldToken)
	long := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	watching(t, s)
	// The watch has begun when it has seen one change.
	put(t, path, newToken)
	becomes(t, s, newToken)
	before := s.reads.Load()
	for range 500 {
		put(t, path+".neighbour", "x")
	}
	put(t, path, oldToken) // events come in order
	becomes(t, s, oldToken)
	if n := s.reads.Load() - before; n > 20 {
		t.Errorf("%d reads of the token file for 500 writes to another", n)
	}
}

// refuse makes the system refuse a handle until the test ends.
func refuse(t *testing.T) {
	t.Helper()
	set := func(at time.Time, err error) {
		shared.calls.Lock()
		defer shared.calls.Unlock()
		if shared.watcher != nil {
			t.Fatal("a handle is open")
		}
		shared.refused, shared.err = at, err
	}
	set(time.Now().Add(time.Hour), errors.New("too many open files"))
	t.Cleanup(func() { set(time.Time{}, nil) })
}

func TestWhereWatchingIsImpossibleItPolls(t *testing.T) {
	refuse(t)
	var logged bytes.Buffer
	path := filepath.Join(t.TempDir(), "later", ".auth_token")
	s := NewStore(path, WithPollInterval(time.Millisecond), WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	stop := watching(t, s)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path, oldToken)
	becomes(t, s, oldToken)
	put(t, path, newToken)
	becomes(t, s, newToken)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	becomes(t, s, "")
	stop()
	if n := strings.Count(logged.String(), "cannot watch"); n != 1 {
		t.Errorf("told %d times that it polls, want once:\n%s", n, logged.String())
	}
	if strings.Contains(logged.String(), newToken) || strings.Contains(logged.String(), oldToken) {
		t.Error("a token is in the log")
	}
}

func TestAPollReadsOnlyAFileThatMayHaveChanged(t *testing.T) {
	s, path := testStore(t, oldToken)
	long := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	look := func(want bool, what string) {
		t.Helper()
		s.turn <- struct{}{}
		defer s.leave()
		if read, err := s.observe(false); read != want || err != nil {
			t.Errorf("%s: read = %v, %v; want %v", what, read, err, want)
		}
	}
	look(true, "another time")
	look(false, "an old file, read before")
	put(t, path, newToken)
	look(true, "a new file")
	look(true, "a file written so shortly before it was read that it may have been written again")
}

func TestAChangeIsNotTakenBeforeItIsWhole(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		atOnce         bool
	}{
		{"the platform's form", oldToken, newToken, true},
		{"from another form to the platform's", "mol_" + oldToken, newToken, true},
		{"another form, as long", "token-1", "token-2", true},
		{"another form, longer", "token-9", "token-10", true},
		{"shorter", oldToken, newToken[:20], false},
		{"gone", oldToken, "", false},
		{"the first, of the platform's form", "", newToken, true},
		{"the first, of another form", "", "token-1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), ".auth_token")
			put(t, path, c.old)
			s := NewStore(path)
			_, _ = s.Token()
			put(t, path, c.new)
			s.turn <- struct{}{}
			defer s.leave()
			_, err := s.observe(true)
			if took := err == nil; took != c.atOnce {
				t.Fatalf("took it at once: %v, want %v", took, c.atOnce)
			}
			for begin := time.Now(); errors.Is(err, errUnsettled); _, err = s.observe(false) {
				if time.Since(begin) > 10*time.Second {
					t.Fatal("never believes it")
				}
			}
			if got := s.current.Load().token.Reveal(); got != c.new {
				t.Errorf("believes %d bytes, want %d", len(got), len(c.new))
			}
		})
	}
}

func TestADiskThatHangsStopsOnlyThoseWhoWantIt(t *testing.T) {
	s, _ := testStore(t, oldToken)
	s.turn <- struct{}{} // a read that does not return
	defer s.leave()
	if got, err := s.Token(); err != nil || got.Reveal() != oldToken {
		t.Errorf("Token() = %v, %v", got, err)
	}
	if value, err := s.Authorization(); err != nil || len(value) != 1 {
		t.Errorf("Authorization() = %v, %v", value, err)
	}
	if !s.Check("Bearer " + oldToken) {
		t.Error("Check fails")
	}
	if !s.Persisted() || s.Changed() == nil {
		t.Error("Persisted or Changed")
	}
	if value, err := s.RefreshAuthorization([]string{"Bearer an older one"}); err != nil || len(value) != 1 {
		t.Errorf("RefreshAuthorization() for a late 401 = %v, %v", value, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Watch(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch() = %v", err)
	}
}

func TestTheWatchTellsOnceWhenTheFileCannotBeRead(t *testing.T) {
	var logged bytes.Buffer
	s := NewStore("x", WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	w := watch{store: s, watching: true}
	for _, err := range []error{nil, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, nil, nil} {
		w.report(err)
	}
	if n := strings.Count(logged.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want one for the fault and one for its end:\n%s", n, logged.String())
	}
}
