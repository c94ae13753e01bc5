package platformauth_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// FuzzTokenFile: whatever is in the file, the store does not panic, and what it
// takes for a token can be sent in a header, passes its own check and would be
// saved as it is.
func FuzzTokenFile(f *testing.F) {
	for _, seed := range []string{"", " \n", tokenA, tokenA + "\r\n", "\ufeff" + tokenA, "a b", "a\x00b", "ä", "\xff\xfe", "Bearer x"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), ".auth_token") // one for all: making directories is most of the time otherwise
	f.Fuzz(func(t *testing.T, content []byte) {
		_ = os.Remove(path) // ext4 syncs a file that is truncated and written
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := platformauth.NewStore(path)
		token, err := s.Token()
		if err != nil {
			if token != "" {
				t.Fatalf("a token beside the error %v", err)
			}
			if s.Check("Bearer ") || s.Check("Bearer "+string(content)) {
				t.Fatal("Check passes without a token")
			}
			return
		}
		value, err := s.Authorization()
		if err != nil || len(value) != 1 {
			t.Fatalf("Authorization() = %v, %v", value, err)
		}
		for _, c := range []byte(value[0]) {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("byte %#x in a header", c)
			}
		}
		if len(token) > platformauth.MaxTokenSize || bytes.ContainsAny([]byte(token), " \t\r\n") {
			t.Fatalf("a token of %d bytes, or with white space in it", len(token))
		}
		req, err := http.NewRequest(http.MethodGet, "http://localhost", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = value
		if !s.Check(req.Header.Get("Authorization")) {
			t.Fatal("the token does not pass its own check")
		}
		// Below a file nothing can be written, but the value is judged first.
		other := platformauth.NewStore(filepath.Join(path, "below"))
		if err := other.Save(token.Reveal()); !errors.Is(err, platformauth.ErrNotPersisted) {
			t.Fatalf("a token that was read is not accepted by Save: %v", err)
		}
		if kept, err := other.Token(); err != nil || kept != token {
			t.Fatalf("Save kept something else than what was read: %v", err)
		}
	})
}
