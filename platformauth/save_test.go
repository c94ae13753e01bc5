package platformauth_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

func TestSaveWritesTheTokenWithMode0600(t *testing.T) {
	for _, before := range []struct {
		name    string
		prepare func(t *testing.T, path string)
	}{
		{"no file", func(*testing.T, string) {}},
		{"mode 0644", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(tokenB), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"the same token, mode 0644", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(tokenA), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"read only", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(tokenB), 0o400); err != nil {
				t.Fatal(err)
			}
		}},
		{"a symbolic link", func(t *testing.T, path string) {
			target := filepath.Join(filepath.Dir(path), "target")
			write(t, target, tokenB)
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(before.name, func(t *testing.T) {
			s, path := newFile(t, "-")
			before.prepare(t, path)
			if err := s.Save(" " + tokenA + "\n"); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(path)
			if err != nil || string(raw) != tokenA {
				t.Errorf("the file holds %d bytes, %v; want the token, trimmed", len(raw), err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != 0o600 {
				t.Errorf("mode = %v, want a regular file with 0600", info.Mode())
			}
			left, err := os.ReadDir(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range left {
				if strings.HasPrefix(e.Name(), ".auth_token-") {
					t.Errorf("a temporary file is left behind: %s", e.Name())
				}
			}
			if !s.Persisted() {
				t.Error("Persisted() = false")
			}
		})
	}
}

func TestSaveDoesNotWriteWhenNothingChanges(t *testing.T) {
	s, path := newFile(t, tokenA)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("the file was written although it held the token")
	}
}

func TestSaveReplacesTheFileInsteadOfWritingIntoIt(t *testing.T) {
	s, path := newFile(t, tokenA)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(path) // a reader that is in the middle of it
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := s.Save(tokenB); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) {
		t.Error("the file was written in place")
	}
	buf := make([]byte, 100)
	if n, _ := open.Read(buf); string(buf[:n]) != tokenA {
		t.Error("a reader of the old file sees something else than the old token")
	}
}

func TestSaveMakesTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", ".auth_token")
	s := platformauth.NewStore(path)
	if err := s.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	if got, err := platformauth.NewStore(path).Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() = %v, %v", got, err)
	}
}

func TestSaveRefusesWhatIsNoToken(t *testing.T) {
	for name, value := range map[string]string{
		"empty": "", "blank": " \n", "line break inside": "a\nb", "NUL": "a\x00b", "no ASCII": "ä", "too long": strings.Repeat("x", platformauth.MaxTokenSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newFile(t, tokenA)
			err := s.Save(value)
			if !errors.Is(err, platformauth.ErrInvalidToken) && !errors.Is(err, platformauth.ErrNoToken) {
				t.Errorf("Save() error = %v, want ErrInvalidToken or ErrNoToken", err)
			}
			if got, _ := s.Token(); got.Reveal() != tokenA {
				t.Error("the token in hand was lost")
			}
		})
	}
}

// block makes path's directory impossible to write into, also for root.
func block(t *testing.T, path string) (unblock func()) {
	t.Helper()
	dir := filepath.Dir(path)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a file where the directory should be")
	return func() {
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATokenThatCannotBeSavedIsKeptInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "configs", ".auth_token")
	s := platformauth.NewStore(path)
	unblock := block(t, path)

	changed := s.Changed()
	if err := s.Save(tokenA); !errors.Is(err, platformauth.ErrNotPersisted) {
		t.Fatalf("Save() error = %v, want ErrNotPersisted", err)
	}
	select {
	case <-changed:
	default:
		t.Error("Changed has not fired")
	}
	if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() = %v, %v; want the unsaved token", got, err)
	}
	if s.Persisted() {
		t.Error("Persisted() = true")
	}
	unblock()

	// The disk still says what it said: nothing. Memory is newer.
	if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenA {
		t.Errorf("RefreshFromDisk() = %v, %v; want the unsaved token", got, err)
	}
	if err := s.Save(tokenA); err != nil {
		t.Errorf("Save() again: %v", err)
	}
	if !s.Persisted() {
		t.Error("Persisted() = false after the token was saved")
	}
	if got, err := platformauth.NewStore(path).Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("on disk is %v, %v", got, err)
	}
}

func TestANewerTokenOnDiskWinsOverAnUnsavedOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "configs", ".auth_token")
	s := platformauth.NewStore(path)
	unblock := block(t, path)
	if err := s.Save(tokenA); !errors.Is(err, platformauth.ErrNotPersisted) {
		t.Fatalf("Save() error = %v, want ErrNotPersisted", err)
	}
	unblock()
	write(t, path, tokenB)
	if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenB {
		t.Errorf("RefreshFromDisk() = %v, %v; want the token from the disk", got, err)
	}
	if !s.Persisted() {
		t.Error("Persisted() = false although the token is from the disk")
	}
}
