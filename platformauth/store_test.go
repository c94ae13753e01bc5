package platformauth_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Tokens of the platform's form: 43 characters of base64url.
var (
	tokenA = strings.Repeat("A", 43)
	tokenB = strings.Repeat("B", 43)
	tokenC = strings.Repeat("C", 43)
)

// newFile returns a Store on a file in a directory of its own, holding content
// unless that is "-".
func newFile(t *testing.T, content string, opts ...platformauth.Option) (*platformauth.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".auth_token")
	if content != "-" {
		write(t, path, content)
	}
	return platformauth.NewStore(path, opts...), path
}

// write writes in place, as the platform does.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTokenFileContent(t *testing.T) {
	for _, c := range []struct {
		name, content string
		want          string
		err           error
	}{
		{"missing", "-", "", platformauth.ErrNoToken},
		{"empty", "", "", platformauth.ErrNoToken},
		{"white space", " \r\n\t ", "", platformauth.ErrNoToken},
		{"bare", tokenA, tokenA, nil},
		{"newline", tokenA + "\n", tokenA, nil},
		{"CRLF", tokenA + "\r\n", tokenA, nil},
		{"byte order mark", "\ufeff" + tokenA, tokenA, nil},
		{"another form", "mol_short", "mol_short", nil},
		{"as large as may be", strings.Repeat("x", platformauth.MaxTokenSize), strings.Repeat("x", platformauth.MaxTokenSize), nil},
		{"too large", strings.Repeat("x", platformauth.MaxTokenSize+1), "", platformauth.ErrInvalidToken},
		{"too large by white space", tokenA + strings.Repeat("\n", platformauth.MaxTokenSize), "", platformauth.ErrInvalidToken},
		{"two lines", tokenA + "\n" + tokenB, "", platformauth.ErrInvalidToken},
		{"NUL", "abc\x00def", "", platformauth.ErrInvalidToken},
		{"no ASCII", "tökén", "", platformauth.ErrInvalidToken},
		{"blank inside", "a b", "", platformauth.ErrInvalidToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newFile(t, c.content)
			for _, read := range []struct {
				name string
				f    func() (platformauth.Token, error)
			}{{"Token", s.Token}, {"RefreshFromDisk", s.RefreshFromDisk}} {
				got, err := read.f()
				if !errors.Is(err, c.err) {
					t.Errorf("%s() error = %v, want %v", read.name, err, c.err)
				}
				if diff := cmp.Diff(c.want, got.Reveal()); diff != "" {
					t.Errorf("%s() mismatch (-want +got):\n%s", read.name, diff)
				}
				if err != nil && c.content != "-" && len(c.content) > 3 && strings.Contains(err.Error(), c.content) {
					t.Errorf("%s() error shows the content of the file: %v", read.name, err)
				}
			}
		})
	}
}

func TestTokenFileIsADirectory(t *testing.T) {
	s := platformauth.NewStore(t.TempDir())
	if _, err := s.Token(); !errors.Is(err, platformauth.ErrInvalidToken) {
		t.Errorf("Token() error = %v, want ErrInvalidToken", err)
	}
}

// An unreadable file cannot be made by a mode here, since root reads it all
// the same; a path below a file cannot be read by anybody.
func TestUnreadableFileKeepsTheOldToken(t *testing.T) {
	dir := t.TempDir()
	configs := filepath.Join(dir, "configs")
	if err := os.Mkdir(configs, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(configs, ".auth_token")
	write(t, path, tokenA)
	s := platformauth.NewStore(path)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(configs); err != nil {
		t.Fatal(err)
	}
	write(t, configs, "now a file")

	if _, err := s.RefreshFromDisk(); err == nil || errors.Is(err, platformauth.ErrNoToken) {
		t.Errorf("RefreshFromDisk() error = %v, want the read error", err)
	}
	got, err := s.Token()
	if err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() = %v, %v; want the token from before", got, err)
	}
}

func TestRefreshPicksUpARotatedToken(t *testing.T) {
	s, path := newFile(t, tokenA)
	if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
		t.Fatalf("Token() = %v, %v", got, err)
	}
	write(t, path, tokenB)
	if got, _ := s.Token(); got.Reveal() != tokenA {
		t.Error("Token() has read the disk, want the cache")
	}
	if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenB {
		t.Errorf("RefreshFromDisk() = %v, %v; want the rotated token", got, err)
	}
	if got, _ := s.Token(); got.Reveal() != tokenB {
		t.Error("Token() after the refresh is not the rotated token")
	}
}

func TestRefreshReturnsNoneWhenTheFileIsMissing(t *testing.T) {
	s, _ := newFile(t, "-")
	if got, err := s.RefreshFromDisk(); !errors.Is(err, platformauth.ErrNoToken) || got != "" {
		t.Errorf("RefreshFromDisk() = %v, %v; want ErrNoToken", got, err)
	}
	if value, err := s.RefreshAuthorization(nil); err != nil || value != nil {
		t.Errorf("RefreshAuthorization() = %v, %v; want nil, nil", value, err)
	}
}

func TestRefreshClearsAStaleCacheWhenTheFileDisappears(t *testing.T) {
	s, path := newFile(t, tokenA)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RefreshFromDisk(); !errors.Is(err, platformauth.ErrNoToken) {
		t.Errorf("RefreshFromDisk() error = %v, want ErrNoToken", err)
	}
	if got, err := s.Token(); !errors.Is(err, platformauth.ErrNoToken) || got != "" {
		t.Errorf("Token() = %v, %v; want ErrNoToken", got, err)
	}
}

func TestRefreshIsIdempotent(t *testing.T) {
	s, _ := newFile(t, tokenA)
	changed := s.Changed()
	for range 3 {
		if got, err := s.RefreshFromDisk(); err != nil || got.Reveal() != tokenA {
			t.Errorf("RefreshFromDisk() = %v, %v", got, err)
		}
	}
	select {
	case <-changed:
		t.Error("Changed fired although nothing changed")
	default:
	}
}

func TestAnInvalidFileKeepsTheTokenInHand(t *testing.T) {
	s, path := newFile(t, tokenA)
	if _, err := s.Token(); err != nil {
		t.Fatal(err)
	}
	changed := s.Changed()
	write(t, path, "not a token")
	for range 2 { // the second time within the floor
		if _, err := s.RefreshIf(platformauth.Token(tokenA)); !errors.Is(err, platformauth.ErrInvalidToken) {
			t.Errorf("RefreshIf() error = %v, want ErrInvalidToken", err)
		}
	}
	if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() = %v, %v; want the token from before", got, err)
	}
	select {
	case <-changed:
		t.Error("Changed fired")
	default:
	}
}

func TestATokenThatAppearsIsSeenWithoutARefresh(t *testing.T) {
	s, path := newFile(t, "-")
	changed := s.Changed()
	for range 2 {
		if value, err := s.Authorization(); err != nil || value != nil {
			t.Errorf("Authorization() = %v, %v; want nil, nil", value, err)
		}
	}
	write(t, path, "")
	if _, err := s.Token(); !errors.Is(err, platformauth.ErrNoToken) {
		t.Errorf("Token() error = %v, want ErrNoToken", err)
	}
	select {
	case <-changed:
		t.Error("Changed fired although there still is no token")
	default:
	}
	write(t, path, tokenA)
	if got, err := s.Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("Token() = %v, %v; want the token that has appeared", got, err)
	}
	select {
	case <-changed:
	default:
		t.Error("Changed has not fired")
	}
}

func TestReadingTheFileForTheFirstTimeIsNoChange(t *testing.T) {
	for name, first := range map[string]func(s *platformauth.Store) error{
		"Token":           func(s *platformauth.Store) error { _, err := s.Token(); return err },
		"RefreshFromDisk": func(s *platformauth.Store) error { _, err := s.RefreshFromDisk(); return err },
		"Save":            func(s *platformauth.Store) error { return s.Save(tokenA) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newFile(t, tokenA)
			changed := s.Changed()
			if err := first(s); err != nil {
				t.Fatal(err)
			}
			select {
			case <-changed:
				t.Error("Changed fired")
			default:
			}
		})
	}
}

func TestErrorsDoNotShowTheToken(t *testing.T) {
	secret := strings.Repeat("s3cr3t", 5)
	for _, content := range []string{secret + "\x00", "Bearer " + secret, secret + " " + secret, secret + "\n" + secret, strings.Repeat(secret, 200)} {
		s, path := newFile(t, content)
		_, readErr := s.Token()
		write(t, path, "")
		for _, err := range []error{readErr, s.Save(content)} {
			if !errors.Is(err, platformauth.ErrInvalidToken) {
				t.Errorf("error = %v, want ErrInvalidToken", err)
			} else if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows it: %v", err)
			}
		}
	}
	s, _ := newFile(t, "Bearer "+secret)
	if _, err := s.Token(); !strings.Contains(err.Error(), `leave "Bearer " out`) {
		t.Errorf("the usual mistake is not named: %v", err)
	}
}

func TestTwoStoresOnOneFile(t *testing.T) {
	one, path := newFile(t, "-")
	two := platformauth.NewStore(path)
	if err := one.Save(tokenA); err != nil {
		t.Fatal(err)
	}
	if got, err := two.Token(); err != nil || got.Reveal() != tokenA {
		t.Errorf("the other store's Token() = %v, %v", got, err)
	}
	if err := two.Save(tokenB); err != nil {
		t.Fatal(err)
	}
	if got, err := one.RefreshIf(platformauth.Token(tokenA)); err != nil || got.Reveal() != tokenB {
		t.Errorf("RefreshIf() = %v, %v; want what the other store saved", got, err)
	}
}

func TestCheckFailsClosed(t *testing.T) {
	s, path := newFile(t, tokenA)
	for _, c := range []struct {
		header string
		want   bool
	}{
		{"Bearer " + tokenA, true},
		{"bearer " + tokenA, false},
		{"Bearer  " + tokenA, false},
		{"Bearer " + tokenB, false},
		{"Bearer " + tokenA + "x", false},
		{"Bearer ", false},
		{tokenA, false},
		{"", false},
	} {
		if got := s.Check(c.header); got != c.want {
			t.Errorf("Check(%q) = %v, want %v", c.header, got, c.want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RefreshFromDisk(); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, platformauth.ErrNoToken) {
		t.Fatal(err)
	}
	for _, header := range []string{"Bearer ", "Bearer", "", "Bearer " + tokenA} {
		if s.Check(header) {
			t.Errorf("Check(%q) passes without a token", header)
		}
	}
}
