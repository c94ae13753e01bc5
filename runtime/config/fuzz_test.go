package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// FuzzParse: no file makes it panic, and every problem has a place in the file.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "name: x\n", "a2a:\n  port: 9\n", "\ufeffname: x\r\n", "a: &a [*a]\n", "a: *b\n", "? [a]: b\n", "<<: {name: x}\n",
		"tier: 1e3\n", "name: !!binary aGk=\n", "name: \"\\u0000\"\n", "a: |\n  x\n", "name: x\n---\n", "\t", "{", "[", "name: x\u2028tier: y\n",
		"hitl: {channels: [{type: slack}, null, 5]}\n", "rbac: {allowed_actions: {a: [b], c: }}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(everyKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, report, err := config.Parse(data, "f", nil)
		if c == nil || (err == nil) != (report.Err() == nil) {
			t.Fatalf("Parse() = %v, %v with report %v", c, err, report)
		}
		text := bytes.TrimPrefix(data, []byte("\ufeff"))
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		lines := bytes.Split(bytes.ReplaceAll(text, []byte("\r"), []byte("\n")), []byte("\n"))
		for _, p := range report {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCount(lines[p.Line-1])+1 {
				t.Errorf("problem outside the file of %d lines: %+v", len(lines), p)
			}
			if p.Message == "" || strings.ContainsFunc(p.String()+p.Fix, unicode.IsControl) {
				t.Errorf("problem that nobody can read: %q", p)
			}
		}
		var known struct{ Command []int }
		var all map[string]any
		if err := c.DecodeRuntime(&known); err != nil && !errors.Is(err, config.ErrInvalid) {
			t.Errorf("DecodeRuntime() = %v", err)
		}
		_ = c.DecodeRuntime(&all)
		_ = c.UnknownRuntimeKeys(&known)
		_ = fmt.Sprint(report, c)
	})
}
