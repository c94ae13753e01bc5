package config_test

import (
	"bytes"
	"testing"

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
	f.Fuzz(func(t *testing.T, data []byte) {
		c, report, err := config.Parse(data, "f", nil)
		if c == nil || (err == nil) != (report.Err() == nil) {
			t.Fatalf("Parse() = %v, %v with report %v", c, err, report)
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, p := range report {
			if p.Message == "" || p.Line < 1 || p.Column < 1 || p.Line > lines || p.Column > len(data)+1 {
				t.Fatalf("problem outside the file of %d lines: %+v", lines, p)
			}
		}
		_ = report.String()
		var v map[string]any
		_ = c.DecodeRuntime(&v)
	})
}
