package config_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

func TestWhatIsNoYAMLIsSaidWithItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       string
		message    string
		fix        string
	}{
		{"tab", "a2a:\n\tport: 1\n", "error 2:1", "not valid YAML", "spaces"},
		{"tab after spaces", "a2a:\n  streaming: true\n  \tport: 1\n", "error 3:3", "not valid YAML", "spaces"},
		{"colon in a value", "name: x\ndescription: note: this\n", "error 2:18", "mapping values are not allowed", "quotes"},
		{"colon in the first line", "name: a: b\n", "error 1:8", "mapping values are not allowed", "quotes"},
		{"open quote", "name: x\nrole: \"abc\n", "error 2:7", "unexpected end of stream", "close"},
		{"open bracket", "name: x\nskills: [a, b\n", "error 2:13", "did not find expected", ""},
		{"indentation", "name: x\n  role: y\n", "error 2:7", "", "indentation"},
		{"list in a map", "name: x\n- y\n", "error 2:1", "", "indentation"},
		{"missing anchor", "name: x\nrole: *nobody\n", "error 2:13", "anchor that does not exist", "define the anchor"},
		{"star", "name: *\n", "error 1:7", "", ""},
		{"percent", "%YAML 9.9\n---\nname: x\n", "error 2:2", "incompatible", ""},
		{"two documents", "name: x\n---\nname: y\n", "error 2:1", "more than one YAML document", "---"},
		{"top level list", "- name\n", "error 1:1", "is a list", "name: My workspace"},
		{"top level text", "hello\n", "error 1:1", "is a text", ""},
		{"top level number", "\n42\n", "error 2:1", "is a number", ""},
		{"NUL", "name: x\nrole: a\x00b\n", "error 2:8", "NUL", "text file"},
		{"not UTF-8", "name: x\nrole: caf\xe9\n", "error 2:10", "not UTF-8", "UTF-8"},
		{"control character", "name: \x1b[31m\n", "error 1:7", "U+001B", "escape"},
		{"UTF-16", "\xff\xfen\x00a\x00", "error 1:1", "UTF-16", "UTF-8"},
		{"UTF-16 big endian", "\xfe\xff\x00n\x00a", "error 1:1", "UTF-16", "UTF-8"},
		{"duplicate key", "name: x\nrole: y\nname: z\n", "error 3:1 name", "first on line 1", "remove one"},
		{"duplicate key of an adapter", "runtime_config:\n  a:\n    b: 1\n    b: 2\n", "error 4:5 runtime_config.a.b", "first on line 3", ""},
		{"list as a key", "? [a, b]\n: c\n", "error 1:3", "a key is a list", "plain texts"},
		{"foreign tag", "name: !!python/object:os.system x\n", "error 1:7 name", "tag", "without a tag"},
		{"foreign tag on a map", "runtime_config: !thing {a: b}\n", "error 1:17 runtime_config", "a tag (!name)", "in quotes"},
		{"binary", "name: !!binary aGVsbG8=\n", "error 1:7 name", "a tag (!name)", "in quotes"},
		{"merge of a text", "a2a:\n  <<: hello\n", "error 2:7 a2a", "expected a map", ""},
		{"anchor in itself", "bridge: &a [*a]\n", "error 1:13 bridge[0]", "contains itself", ""},
		{"too deep", "bridge: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n", "error 1:73 bridge" + strings.Repeat("[0]", 64), "deeper than 64", "flatten"},
		{"far too deep", strings.Repeat("[", 20_000), "error 1:10001", "not valid YAML", "flatten"},
		{"separators only YAML knows", "name: \"a\u2028b\"\na2a: {port: x}\n", "error 2:13 a2a.port", "", ""},
		{"old line ends", "name: x\ra2a: {port: x}\r", "error 2:13 a2a.port", "", ""},
		{"CRLF", "name: x\r\na2a: {port: x}\r\n", "error 2:13 a2a.port", "", ""},
		{"wide characters", "a2a: {streaming: ja, \"städte\": 1, port: ü}\n", "error 1:18 a2a.streaming", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, report := parse(t, test.text)
			if len(report) == 0 {
				t.Fatal("no problem")
			}
			wantBrief(t, report[:1], test.want)
			wantContains(t, report[0].Message, test.message)
			wantContains(t, report[0].Fix, test.fix)
		})
	}
}

func TestAColumnCountsCharacters(t *testing.T) {
	_, report := parse(t, "a2a: {\"städte\": 1, port: ü}\n")
	wantBrief(t, report, `warning 1:7 a2a."städte"`, "error 1:26 a2a.port")
}

func TestAliasesThatMultiplyAreRefused(t *testing.T) {
	text := "bridge: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := '1'; i <= '9'; i++ {
		prev := string(i - 1)
		text += "m" + string(i) + ": &a" + string(i) + " [" + strings.TrimSuffix(strings.Repeat("*a"+prev+", ", 10), ", ") + "]\n"
	}
	start := time.Now()
	_, report := parse(t, text)
	if len(report) != 1 {
		t.Fatalf("report:\n%s", report)
	}
	wantContains(t, report[0].Message, "more than 100000 values")
	t.Logf("refused after %v", time.Since(start))
}

func TestAFileThatIsTooBigIsRefused(t *testing.T) {
	_, report := parse(t, "description: "+strings.Repeat("x", config.MaxFileSize))
	if len(report) != 1 || !errors.Is(report.Err(), config.ErrInvalid) {
		t.Fatalf("report:\n%s", report)
	}
	wantContains(t, report[0].Message, "more than 1048576 bytes")
}

// A megabyte of nothing but mistakes must not take long, nor fill the screen.
func TestAReportHasAnEnd(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := 0; b.Len() < config.MaxFileSize-20; i++ {
		b.WriteString("k" + strconv.Itoa(i%50_000) + ": 1, ") // unknown, and later also twice
	}
	b.WriteString("}")
	_, report := parse(t, b.String())
	if len(report) != 201 {
		t.Fatalf("%d problems, want 201", len(report))
	}
	wantContains(t, report.String(), "more than 200 problems")
}

// Neither the file nor what it says may draw on the terminal that shows a
// report.
func TestAReportStaysOnItsLines(t *testing.T) {
	_, report := parse(t, "\"a\\nb\\e[2J\": 1\n"+strings.Repeat("k", 300)+": 2\n")
	for _, p := range report {
		if strings.ContainsAny(p.String(), "\n\x1b") || len(p.String()) > 250 {
			t.Errorf("problem: %q", p.String())
		}
	}
	if len(report) != 2 {
		t.Errorf("%d problems, want 2", len(report))
	}
}
