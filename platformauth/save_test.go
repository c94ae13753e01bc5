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

func TestASaveThatIsRepeatedDoesNotOverwriteANewerToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "configs", ".auth_token")
	s := platformauth.NewStore(path)
	unblock := block(t, path)
	if err := s.Save(tokenA); !errors.Is(err, platformauth.ErrNotPersisted) {
		t.Fatalf("Save() error = %v, want ErrNotPersisted", err)
	}
	unblock()
	write(t, path, tokenB) // by the platform, and nobody has looked yet
	if err := s.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Token(); err != nil || got.Reveal() != tokenB || !s.Persisted() {
		t.Errorf("Token() = %v, %v, Persisted() = %v; want the newer token", got, err, s.Persisted())
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != tokenB {
		t.Error("the newer token was overwritten")
	}
	if err := s.Save(tokenC); err != nil { // a new one is another matter
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != tokenC {
		t.Error("a new token was not written")
	}
}

func TestATokenUnsavedWhileTheDiskCannotBeReadIsNotLostToTheOldOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "configs", ".auth_token")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, tokenA)
	s := platformauth.NewStore(path)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	unblock := block(t, path)
	for range 2 {
		if err := s.Save(tokenB); !errors.Is(err, platformauth.ErrNotPersisted) {
			t.Fatalf("Save() error = %v, want ErrNotPersisted", err)
		}
		if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenB {
			t.Errorf("RefreshFromDisk() while the disk is as it was = %v, %v; want the token in memory", got, err)
		}
	}
	unblock()
	write(t, path, tokenA) // the disk is back, with what it had
	if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenB || s.Persisted() {
		t.Errorf("RefreshFromDisk() = %v, %v, Persisted() = %v; want the token in memory", got, err, s.Persisted())
	}
}

func TestSaveLeavesALinkAloneThatLeadsToTheToken(t *testing.T) {
	s, path := newFile(t, "-")
	target := filepath.Join(t.TempDir(), "mounted")
	write(t, target, tokenA+"\n")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(path); err != nil || got != target {
		t.Errorf("Readlink() = %q, %v; want the link as it was", got, err)
	}
}

func TestAFailedSaveLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".auth_token")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil { // rename cannot replace it
		t.Fatal(err)
	}
	s := platformauth.NewStore(path)
	if err := s.Save(tokenA); !errors.Is(err, platformauth.ErrNotPersisted) {
		t.Fatalf("Save() error = %v, want ErrNotPersisted", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}
