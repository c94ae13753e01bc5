package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/examples/internal/demo"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
	"go.uber.org/goleak"
)

// TestMain lets this test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		os.Args = os.Args[:1]
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestTheProgramAlone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = []string{"BE_THE_PROGRAM=1", "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"SAY HELLO!", "Approved", "5 words", "ONE MORE THING!", "Woken for the result", "TAKE YOUR TIME!"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// The tour calls every tool that the workspace has, and the platform has seen
// what came of it.
func TestTheTourUsesEveryTool(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	agent := &Agent{Results: make(chan runtime.Delegation, 1)}
	called := make(chan string, 100)
	stage := start(ctx, t, agent, runtime.WithToolObserver(func(ctx context.Context, c tool.Call) (context.Context, func(tool.Outcome)) {
		called <- c.Tool
		return ctx, nil
	}))
	if _, err := stage.Say(ctx, "tour"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for len(called) > 0 {
		seen[<-called] = true
	}
	for _, one := range agent.ws.Tools().Tools() {
		if !seen[one.Name()] {
			t.Errorf("%s is not used", one.Name())
		}
	}
	select {
	case d := <-agent.Results:
		if d.TargetID != demo.PeerID || d.Status != "completed" || !strings.Contains(d.Response, "TAKE YOUR TIME!") {
			t.Errorf("the agent was woken for %+v", d)
		}
	case <-ctx.Done():
		t.Fatal("the agent is not woken for the result")
	}
	if m := stage.Row.Memories(); len(m) != 1 || !strings.Contains(m[0].Content, "is loud") {
		t.Errorf("memories %+v", m)
	}
	if a := stage.Row.Approvals(); len(a) != 1 || a[0].Status != "approved" || a[0].Action != "end the tour" {
		t.Errorf("approvals %+v", a)
	}
	told := false
	for _, n := range stage.Row.Notifications() {
		told = told || n.Message == "the tour is nearly over"
	}
	if !told {
		t.Errorf("notifications %+v", stage.Row.Notifications())
	}
}

// What a tool refuses is said to the user in its words.
func TestWrongCommandsAreExplained(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stage := start(ctx, t, &Agent{})
	for command, want := range map[string]string{
		"dance":                     `"dance" is no command: send peers,`,
		"delegate nobody do it":     "workspace_id",
		"delegate " + demo.PeerName: "task is empty",
		"remember":                  "content is empty",
		"ask something":             "reason is empty",
		"send " + filepath.Join(t.TempDir(), "x"): "attachments[0]",
	} {
		if _, err := stage.Say(ctx, command); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
	}
	if said, err := stage.Say(ctx, "delegate "+demo.PeerName+" hello"); err != nil || said != "HELLO!\n" {
		t.Errorf("%q, %v", said, err)
	}
	if said, err := stage.Say(ctx, "peers loud"); err != nil || !strings.Contains(said, demo.PeerID) {
		t.Errorf("%q, %v", said, err)
	}
}

func start(ctx context.Context, t *testing.T, agent *Agent, opts ...runtime.Option) *demo.Stage {
	t.Helper()
	stage, err := demo.Start(ctx, agent, append(opts, runtime.WithTools(countWords))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
	})
	return stage
}
