package platformauth_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// watch runs Watch until the test ends.
func watch(t *testing.T, s *platformauth.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Watch(ctx); err != nil {
			t.Errorf("Watch() = %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

// await waits until the store's token is want, waking only when it changes.
func await(t *testing.T, s *platformauth.Store, want string) {
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
			t.Fatalf("the watch has not seen the change")
		}
	}
}

func TestWatchSees(t *testing.T) {
	replace := func(t *testing.T, path, content string) {
		t.Helper()
		temp := path + ".new"
		write(t, temp, content)
		if err := os.Rename(temp, path); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"a rename into place", func(t *testing.T, path string) { replace(t, path, tokenB) }},
		{"a write in place", func(t *testing.T, path string) { write(t, path, tokenB) }},
		{"a write in place in two writes", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, half := range []string{tokenB[:20], tokenB[20:]} {
				if _, err := f.WriteString(half); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"a file deleted and made again", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, tokenB)
		}},
		{"a directory deleted and made again", func(t *testing.T, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, tokenB)
		}},
		{"another directory in its place", func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.Mkdir(dir+".new", 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir+".new", filepath.Base(path)), tokenB)
			if err := os.Rename(dir, dir+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+".new", dir); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "configs", ".auth_token")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, tokenA)
			s := platformauth.NewStore(path)
			watch(t, s)
			await(t, s, tokenA)
			c.change(t, path)
			await(t, s, tokenB)
			write(t, path, tokenC) // and goes on seeing
			await(t, s, tokenC)
		})
	}
}

// Kubernetes mounts a secret as links: .auth_token -> ..data/.auth_token, and
// ..data -> a directory that is swapped.
func TestWatchSeesASymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	for name, token := range map[string]string{"..1": tokenA, "..2": tokenB} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, ".auth_token"), token)
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link(filepath.Join("..data", ".auth_token"), ".auth_token")
	s := platformauth.NewStore(filepath.Join(dir, ".auth_token"))
	watch(t, s)
	await(t, s, tokenA)

	link("..2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	await(t, s, tokenB)
}

func TestWatchSeesADirectoryBehindALinkThatIsSwapped(t *testing.T) {
	dir := t.TempDir()
	for name, token := range map[string]string{"v1": tokenA, "v2": tokenB} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, ".auth_token"), token)
	}
	configs := filepath.Join(dir, "configs")
	if err := os.Symlink("v1", configs); err != nil {
		t.Fatal(err)
	}
	s := platformauth.NewStore(filepath.Join(configs, ".auth_token"))
	watch(t, s)
	await(t, s, tokenA)
	if err := os.Symlink("v2", configs+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(configs+".new", configs); err != nil {
		t.Fatal(err)
	}
	await(t, s, tokenB)
	write(t, filepath.Join(dir, "v2", ".auth_token"), tokenC)
	await(t, s, tokenC)
}

func TestTwoStoresWatchOneFile(t *testing.T) {
	one, path := newFile(t, tokenA)
	two := platformauth.NewStore(path)
	watch(t, one)
	watch(t, two)
	await(t, one, tokenA)
	await(t, two, tokenA)
	if err := one.Save(tokenB); err != nil {
		t.Fatal(err)
	}
	await(t, two, tokenB)
	write(t, path, tokenC)
	await(t, one, tokenC)
	await(t, two, tokenC)
}

func TestWatchSeesAFileBehindALinkWrittenInPlace(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	write(t, target, tokenA)
	path := filepath.Join(t.TempDir(), ".auth_token")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	s := platformauth.NewStore(path)
	watch(t, s)
	await(t, s, tokenA)
	write(t, target, tokenB)
	await(t, s, tokenB)
}

func TestWatchWaitsForTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", ".auth_token")
	s := platformauth.NewStore(path)
	watch(t, s)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, tokenA)
	await(t, s, tokenA)
	write(t, path, tokenB)
	await(t, s, tokenB)
}

func TestWatchSeesTheFileGo(t *testing.T) {
	s, path := newFile(t, tokenA)
	watch(t, s)
	await(t, s, tokenA)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, s, "")
}

// Half a token must not become the token, however the platform writes it.
func TestWatchDoesNotTakeHalfAToken(t *testing.T) {
	s, path := newFile(t, tokenA)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			changed := s.Changed()
			token, _ := s.Token()
			mu.Lock()
			if n := len(seen); n == 0 || seen[n-1] != token.Reveal() {
				seen = append(seen, token.Reveal())
			}
			mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	watch(t, s)
	for _, token := range []string{tokenB, tokenC} {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []string{token[:10], token[10:30], token[30:]} {
			if _, err := f.WriteString(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, s, token)
	}
	cancel()
	running.Wait()
	mu.Lock()
	defer mu.Unlock()
	for _, got := range seen {
		if !slices.Contains([]string{tokenA, tokenB, tokenC}, got) {
			t.Errorf("%d characters of a token were taken for one", len(got))
		}
	}
}

func TestChangedFiresOnlyOnARealChange(t *testing.T) {
	s, path := newFile(t, tokenA)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	watch(t, s)
	changed := s.Changed()
	write(t, path, tokenA+"\n")                           // the same token, written anew
	write(t, filepath.Join(filepath.Dir(path), "x"), "y") // a neighbour
	other, otherPath := newFile(t, tokenA)                // a fence: events of one system, seen in order
	watch(t, other)
	write(t, otherPath, tokenB)
	await(t, other, tokenB)
	select {
	case <-changed:
		t.Error("Changed fired although the token is the same")
	default:
	}
}

func TestSeveralWatchesOnOneStore(t *testing.T) {
	s, path := newFile(t, tokenA)
	watch(t, s)
	watch(t, s)
	await(t, s, tokenA)
	write(t, path, tokenB)
	await(t, s, tokenB)
}
