package registrytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// block is one exchange of a transcript of the real server.
type block struct {
	label   string
	method  string
	path    string
	headers [][2]string
	body    string
	gave    string // curl's own word when there was no answer
	status  int
	header  map[string]string
	answer  string
	agent   []string // raw requests that the agent received meanwhile
}

// readTranscript parses testdata/file: blocks that begin with "--- label", with
// the curl command, the answer, and what the agent got between ~~~ lines.
func readTranscript(t testing.TB, file string) []block {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, part := range strings.Split("\n"+string(raw), "\n--- ")[1:] {
		label, rest, _ := strings.Cut(part, "\n")
		command, rest, _ := strings.Cut(rest, "\n")
		if !strings.HasPrefix(command, "$ curl ") {
			continue // SQL, what the database held
		}
		b := block{label: label, method: "GET", header: map[string]string{}}
		if err := b.parseCommand(command); err != nil {
			t.Fatalf("%s: %s: %v", file, label, err)
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		rest, _, _ = strings.Cut(rest, "\n$ ")
		rest, raw, _ := strings.Cut(rest, "\n~~~ what the agent received")
		b.parseAnswer(rest)
		for _, r := range strings.Split(raw, "\n===== ")[min(1, strings.Count(raw, "\n===== ")):] {
			if _, r, ok := strings.Cut(r, " request\n"); ok {
				r, _, _ = strings.Cut(r, "\n----- answered")
				r, _, _ = strings.Cut(r, "\n~~~ end")
				b.agent = append(b.agent, strings.TrimSpace(r))
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

func (b *block) parseCommand(command string) error {
	words := word.FindAllString(command, -1)[2:]
	for i := 0; i < len(words); i++ {
		next := func() string {
			i++
			if i < len(words) {
				return strings.Trim(words[i], "'")
			}
			return ""
		}
		switch w := strings.Trim(words[i], "'"); {
		case w == "-i", w == "--http1.0":
		case w == "-I":
			b.method = "HEAD"
		case w == "-X":
			b.method = next()
		case w == "-H":
			key, value, _ := strings.Cut(next(), ":")
			b.headers = append(b.headers, [2]string{key, strings.TrimPrefix(value, " ")})
		case w == "-d", w == "--data-binary":
			b.body = next()
		case w == "-o", w == "-D":
			next()
		case strings.HasPrefix(w, "PLATFORM"):
			b.path = strings.TrimPrefix(w, "PLATFORM")
		default:
			return fmt.Errorf("cannot read %q in %s", w, command)
		}
	}
	return nil
}

func (b *block) parseAnswer(text string) {
	if gave, ok := strings.CutPrefix(strings.TrimSpace(text), "[curl exit"); ok {
		b.gave = gave
		return
	}
	head, body, _ := strings.Cut(text, "\n\n")
	for i, line := range strings.Split(head, "\n") {
		if i == 0 {
			if fields := strings.Fields(line); len(fields) > 1 {
				b.status, _ = strconv.Atoi(fields[1])
			}
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		b.header[key] = value
	}
	b.answer = strings.TrimSpace(body)
}
