package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestTheExampleShowsOneTrace(t *testing.T) {
	t.Setenv(endpoint, "") // and back again after the test
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\ntrace "); n != 1 {
		t.Errorf("%d traces, want one", n)
	}
	for _, line := range []string{
		"\n  message/send ", "\n    invoke_agent Desk ", "\n      execute_tool catalogue ", "\n      platform.SendA2A ",
		"\n        message/send ", "\n          invoke_agent Library ", "workspace.turns ", "workspace.heartbeats ",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
