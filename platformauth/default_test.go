package platformauth_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/platformauth"
)

func TestDefaultPath(t *testing.T) {
	for _, c := range []struct{ configs, workspace, want string }{
		{"", "", "/configs/.auth_token"},
		{"", "/w", "/w/.auth_token"},
		{"/c", "/w", "/c/.auth_token"},
	} {
		t.Setenv("CONFIGS_DIR", c.configs)
		t.Setenv("WORKSPACE_CONFIG_PATH", c.workspace)
		if got := platformauth.DefaultPath(); got != c.want {
			t.Errorf("DefaultPath() with CONFIGS_DIR=%q WORKSPACE_CONFIG_PATH=%q = %q, want %q", c.configs, c.workspace, got, c.want)
		}
	}
	if got := platformauth.NewStore("").Path(); got != "/c/.auth_token" {
		t.Errorf("NewStore(\"\").Path() = %q", got)
	}
}

func TestRefreshFromDiskOfTheDefaultStore(t *testing.T) {
	t.Setenv("WORKSPACE_CONFIG_PATH", t.TempDir())
	if _, err := platformauth.RefreshFromDisk(); !errors.Is(err, platformauth.ErrNoToken) && os.Getenv("CONFIGS_DIR") == "" {
		t.Errorf("RefreshFromDisk() error = %v, want ErrNoToken", err)
	}
	for _, token := range []string{tokenA, tokenB} {
		t.Setenv("CONFIGS_DIR", t.TempDir())
		write(t, filepath.Join(os.Getenv("CONFIGS_DIR"), ".auth_token"), token)
		for range 2 {
			if got, err := platformauth.RefreshFromDisk(); err != nil || got.Reveal() != token {
				t.Errorf("RefreshFromDisk() = %v, %v; want the token in %s", got, err, platformauth.DefaultPath())
			}
		}
	}
}

// A hundred goroutines do everything at once while the file rotates; the race
// detector and the end are what is tested.
func TestAHundredGoroutines(t *testing.T) {
	s, path := newFile(t, tokenA)
	twin := platformauth.NewStore(path)
	watch(t, s)
	var all sync.WaitGroup
	for i := range 100 {
		store := s
		if i%3 == 0 {
			store = twin
		}
		all.Go(func() {
			for range 20 {
				value, err := store.Authorization()
				if err != nil {
					t.Errorf("Authorization() error = %v", err)
				}
				switch i % 5 {
				case 0:
					if _, err := store.RefreshAuthorization(value); err != nil {
						t.Errorf("RefreshAuthorization() error = %v", err)
					}
				case 1:
					if _, err := store.RefreshFromDisk(); err != nil {
						t.Errorf("RefreshFromDisk() error = %v", err)
					}
				case 2:
					if !store.Persisted() || store.Changed() == nil {
						t.Error("Persisted or Changed")
					}
				case 3:
					store.Check("Bearer " + tokenA)
				case 4:
					if err := store.Save([]string{tokenA, tokenB}[i/5%2]); err != nil {
						t.Errorf("Save() error = %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := twin.Save(tokenC); err != nil {
		t.Fatal(err)
	}
	await(t, s, tokenC)
}
