package platformauth_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

// FuzzTokenFile: whatever is in the file, the store does not panic, and what it
// takes for a token can be sent in a header and comes back from a file of its
// own as the same token.
func FuzzTokenFile(f *testing.F) {
	for _, seed := range []string{"", " \n", tokenA, tokenA + "\r\n", "\ufeff" + tokenA, "a b", "a\x00b", "ä", "\xff\xfe", "Bearer x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, ".auth_token")
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
		req, err := http.NewRequest(http.MethodGet, "http://localhost", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = value
		if !s.Check(req.Header.Get("Authorization")) {
			t.Fatal("the token does not pass its own check")
		}
		other := platformauth.NewStore(filepath.Join(dir, "copy"))
		if err := other.Save(token.Reveal()); err != nil {
			t.Fatalf("a token that was read cannot be saved: %v", err)
		}
	})
}
