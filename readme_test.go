package workspaceruntime_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// The program a newcomer copies from the README compiles, and the package
// pages show the same one.
func TestTheProgramInTheREADMECompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllSubmatch(readme, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d Go blocks in README.md, want one", len(blocks))
	}
	program := blocks[0][1]
	formatted, err := format.Source(program)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(formatted), string(program)); diff != "" {
		t.Errorf("the program is not gofmt'ed (-want +got):\n%s", diff)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, program, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
	for _, doc := range []string{"doc.go", filepath.Join("runtime", "doc.go")} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		if shown := commented(program); !bytes.Contains(text, shown) {
			t.Errorf("%s does not show the program of README.md", doc)
		}
	}
}

// commented is a program as a package comment shows it.
func commented(program []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(program)) {
		if line == "\n" {
			b.WriteString("//\n")
			continue
		}
		b.WriteString("//\t" + line)
	}
	return b.Bytes()
}

func TestTheDockerfileInTheREADMEIsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join("examples", "custom-image", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, append([]byte("```dockerfile\n"), file...)) {
		t.Error("README.md does not show examples/custom-image/Dockerfile as it is")
	}
}

// What the README promises a newcomer is what the gate runs first.
func TestTheCommandsInTheREADMEAreInTheGate(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	gate, err := os.ReadFile(filepath.Join(".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go run ./examples/quickstart", "go test ./..."} {
		if !bytes.Contains(readme, []byte(command)) || !bytes.Contains(gate, []byte(command)) {
			t.Errorf("%q is not in both README.md and .ci/run", command)
		}
	}
}
