//go:build unix

package platformauth_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// What permissions do cannot be seen as root, who has them all. So these tests
// prepare a directory and then look at it as somebody else: in a process of
// user nobody when the tests run as root, and right here otherwise.

const (
	nobody    = 65534
	childsDir = "PLATFORMAUTH_TEST_DIR"
)

// asOrdinaryUser runs prepare and then check, the latter without root's powers.
// The directory belongs to whoever runs check; what prepare makes in it does
// not, if it can be helped.
func asOrdinaryUser(t *testing.T, prepare, check func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(childsDir); dir != "" {
		check(t, dir)
		return
	}
	// Not t.TempDir, which lets in nobody else.
	top, err := os.MkdirTemp("", "platformauth-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	dir := filepath.Join(top, "configs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		prepare(t, dir)
		check(t, dir)
		return
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	prepare(t, dir)
	cmd := exec.CommandContext(t.Context(), copyOfThisProgram(t, top), "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Dir = top
	cmd.Env = append(os.Environ(), childsDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
}

// copyOfThisProgram is where everybody may execute it.
func copyOfThisProgram(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, "test")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileWithoutPermissionCannotBeRead(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T, dir string) {
		path := filepath.Join(dir, ".auth_token")
		write(t, path, tokenA)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, dir string) {
		s := platformauth.NewStore(filepath.Join(dir, ".auth_token"))
		for range 2 {
			if _, err := s.Token(); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("Token() error = %v, want the system's", err)
			}
			if value, err := s.Authorization(); err == nil || value != nil {
				t.Errorf("Authorization() = %v, %v; want the error: a token is there", value, err)
			}
		}
		if s.Check("Bearer " + tokenA) {
			t.Error("Check passes")
		}
		// The platform mends it.
		changed := s.Changed()
		if err := os.Remove(s.Path()); err != nil {
			t.Fatal(err)
		}
		write(t, s.Path(), tokenB)
		if got, err := s.Token(); err != nil || got.Reveal() != tokenB {
			t.Errorf("Token() = %v, %v; want the token that can be read now", got, err)
		}
		select {
		case <-changed:
		default:
			t.Error("Changed has not fired for the first token")
		}
	})
}

func TestAnUnreadableFileKeepsTheTokenInHand(t *testing.T) {
	asOrdinaryUser(t, func(*testing.T, string) {}, func(t *testing.T, dir string) {
		path := filepath.Join(dir, ".auth_token")
		write(t, path, tokenA)
		s := platformauth.NewStore(path)
		if _, err := s.Token(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RefreshFromDisk(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("RefreshFromDisk() error = %v, want the system's", err)
		}
		if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
			t.Errorf("Token() = %v, %v; want the token from before", got, err)
		}
	})
}

// A file that root has written, as a platform does that runs as root, is one
// an ordinary user can neither write nor chmod; the directory is enough.
func TestAFileOwnedByRootIsReplacedByRename(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T, dir string) {
		path := filepath.Join(dir, ".auth_token")
		write(t, path, tokenA)
		if err := os.Chmod(path, 0o444); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, dir string) {
		s := platformauth.NewStore(filepath.Join(dir, ".auth_token"))
		if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
			t.Fatalf("Token() = %v, %v", got, err)
		}
		// The first Save has to replace it for its mode alone.
		for _, token := range []string{tokenA, tokenB} {
			if err := s.Save(token); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(s.Path())
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != 0o600 || int(owner) != os.Getuid() {
				t.Errorf("the file is %v of user %d, want 0600 of %d", info.Mode(), owner, os.Getuid())
			}
			if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != token {
				t.Errorf("RefreshFromDisk() = %v, %v", got, err)
			}
		}
	})
}

func TestADirectoryThatCannotBeWrittenLeavesTheTokenInMemory(t *testing.T) {
	asOrdinaryUser(t, func(*testing.T, string) {}, func(t *testing.T, dir string) {
		path := filepath.Join(dir, ".auth_token")
		write(t, path, tokenA)
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		s := platformauth.NewStore(path)
		err := s.Save(tokenB)
		if !errors.Is(err, platformauth.ErrNotPersisted) || !errors.Is(err, fs.ErrPermission) {
			t.Fatalf("Save() error = %v, want ErrNotPersisted and the system's", err)
		}
		if !strings.Contains(err.Error(), "make "+dir+" writable") || strings.Contains(err.Error(), tokenB) {
			t.Errorf("the error does not say what to do, or says too much: %v", err)
		}
		// What the disk holds is what it held: old news.
		if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenB || s.Persisted() {
			t.Errorf("RefreshFromDisk() = %v, %v, Persisted() = %v; want the token in memory", got, err, s.Persisted())
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(tokenB); err != nil || !s.Persisted() {
			t.Errorf("Save() again = %v, Persisted() = %v", err, s.Persisted())
		}
	})
}

// Opening a named pipe waits for a writer, unless one takes care.
func TestTheFileIsANamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".auth_token")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := platformauth.NewStore(path)
	if _, err := s.Token(); !errors.Is(err, platformauth.ErrInvalidToken) {
		t.Errorf("Token() error = %v, want ErrInvalidToken", err)
	}
	if err := s.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	if got, err := platformauth.NewStore(path).Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() of the file that replaced it = %v, %v", got, err)
	}
}
