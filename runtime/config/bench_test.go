package config_test

import (
	"os"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// A workspace reads its configuration before its first agent card, which is to
// be there within ten milliseconds of the start.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := config.Load("testdata/workspace", os.Getenv); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPreflight(b *testing.B) {
	cfg, _, err := config.Load("testdata/workspace", os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	cfg.Dir = b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		_ = config.Preflight(b.Context(), cfg, config.PreflightEnv{SkipPort: true})
	}
}
