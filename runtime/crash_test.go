package runtime_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKilledInTheMiddleOfAStream is the short version of the program, which
// kills a real workspace a thousand times.
func TestKilledInTheMiddleOfAStream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills a real workspace")
	}
	program := filepath.Join(t.TempDir(), "crash")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./internal/crash").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "-cycles", "15", "-seed", "7").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "none missing") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestKilledWhileResultsArrive is the short version of the program, which kills a
// real workspace between the platform's result and the agent's turn.
func TestKilledWhileResultsArrive(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills a real workspace")
	}
	program := filepath.Join(t.TempDir(), "wake")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./internal/wake").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "-cycles", "12", "-seed", "7").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "exactly once") {
		t.Fatalf("%v\n%s", err, out)
	}
}
