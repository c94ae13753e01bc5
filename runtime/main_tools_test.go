package runtime

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const shellPeer = "22222222-2222-4333-8444-555555555555"

// shellBed is an adapter's binary in a workspace, on a platform on loopback. The
// token is a file, as in a container.
type shellBed struct {
	*registrytest.Platform
	self *registrytest.Workspace
	env  map[string]string
	said chan string // what the peer was told
}

func newShellBed(t *testing.T) *shellBed {
	t.Helper()
	b := &shellBed{Platform: registrytest.NewPlatform(t), env: goodEnv(t), said: make(chan string, 10)}
	b.env["PLATFORM_URL"] = b.URL()
	b.self = b.AddWorkspace(b.env["WORKSPACE_ID"], registrytest.WithName("self"))
	if err := os.WriteFile(filepath.Join(b.env["CONFIGS_DIR"], ".auth_token"), []byte(b.self.IssueToken()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, err := b.ServeAgent("localhost:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Params struct {
				Message struct{ Parts []struct{ Text string } }
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		b.said <- body.Params.Message.Parts[0].Text
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"kind":"message","parts":[{"kind":"text","text":"well done"}]}}`))
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.AddWorkspace(shellPeer, registrytest.WithName("helper"), registrytest.WithURL(url)).SetStatus("online")
	return b
}

// run runs the binary with arguments.
func (b *shellBed) run(t *testing.T, args ...string) (code int, out, stderr string) {
	t.Helper()
	c := newCommand(t, b.env, WithTools())
	code = c.run(args)
	return code, c.out.String(), c.err.String()
}

// CL-1: every command carries the bearer: the platform of the test demands it.
func TestTheCommandLineCallsTheTools(t *testing.T) {
	b := newShellBed(t)
	for _, c := range []struct {
		args string
		want string
	}{
		{"peers", "helper (id " + shellPeer},
		{"peers nobody", "No peer matches"},
		{"info", "name: self"},
		{"delegate " + shellPeer + " say --async hello", "well done"},
		{"status", "Nothing was delegated."},
		{"delegate --async " + shellPeer + " later on", "is handed to " + shellPeer},
		{"notify all is well", "The user has the message."},
		{"memory commit the sky is blue", "Remembered (LOCAL"},
		{"memory recall", "the sky is blue"},
		{"tools", `delegate_task_async`},
	} {
		code, out, stderr := b.run(t, strings.Fields(c.args)...)
		if code != 0 || !strings.Contains(out, c.want) || stderr != "" {
			t.Errorf("%s: exit code %d, %q, standard error %q; want %q", c.args, code, out, stderr, c.want)
		}
	}
	if said := <-b.said; said != "say --async hello" { // CL-5
		t.Errorf("the peer was told %q", said)
	}
	if said := <-b.said; said != "later on" {
		t.Errorf("the peer was told %q", said)
	}
	if sent := b.self.Notifications(); len(sent) != 1 || sent[0].Message != "all is well" {
		t.Errorf("notified %+v", sent)
	}
	for _, r := range b.Requests() {
		if r.Path != "/workspaces/"+b.self.ID() && r.TokenGen != 1 {
			t.Errorf("%s %s went without the token", r.Method, r.Path)
		}
	}
	// CL-2: the id that was given is one that can be asked for.
	id := b.self.Delegations()[0].DelegationID
	if code, out, stderr := b.run(t, "status", id); code != 0 || !strings.Contains(out, id) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}

func TestTheCommandLineSaysHowItIsUsed(t *testing.T) {
	b := newShellBed(t)
	for args, want := range map[string]string{
		"delegate":                            "usage: delegate [--async] ID TEXT",
		"delegate " + shellPeer:               "usage: delegate",
		"delegate --async " + shellPeer:       "usage: delegate",
		"delegate --wait " + shellPeer + " x": "usage: delegate",
		"status a b":                          "usage: status [ID]",
		"info me":                             "usage: info",
		"notify":                              "usage: notify TEXT",
		"memory":                              "usage: memory commit",
		"memory commit":                       "usage: memory commit",
		"memory forget x":                     "usage: memory commit",
		"tools all":                           "usage: tools",
		"peer":                                "unknown sub-command",
	} {
		if code, out, stderr := b.run(t, strings.Fields(args)...); code != 2 || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %q; want 2 and %q", args, code, out, stderr, want)
		}
	}
	if n := len(b.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, out, _ := b.run(t, "help"); !strings.Contains(out, "delegate [--async] ID TEXT") {
		t.Errorf("help says %q", out)
	}
}

// CL-4: what goes wrong is one line on standard error and the exit code 1.
func TestTheCommandLineFails(t *testing.T) {
	b := newShellBed(t)
	if code, out, stderr := b.run(t, "delegate", "bob", "x"); code != 1 || out != "" || !strings.Contains(stderr, `workspace_id is "bob"`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	config := filepath.Join(b.env["CONFIGS_DIR"], "config.yaml")
	if err := os.WriteFile(config, []byte("rbac: {roles: [read-only]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := b.run(t, "memory", "commit", "x"); code != 1 || !strings.Contains(stderr, "not allowed") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if err := os.WriteFile(config, []byte("rbac: [read-only\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := b.run(t, "memory", "recall"); code != 1 || !strings.Contains(stderr, "config.yaml") {
		t.Errorf("with a configuration that cannot be read: exit code %d, %q", code, stderr)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	b.env["PLATFORM_URL"] = "http://127.0.0.1:9"
	c := newCommand(t, b.env, WithTools())
	c.signals <- syscall.SIGINT // nobody is there, and nobody wants to wait
	if code := c.run([]string{"peers"}); code != 1 || c.err.Len() == 0 || c.out.Len() != 0 {
		t.Errorf("exit code %d, %q, %q", code, c.out.String(), c.err.String())
	}
	b.env["WORKSPACE_ID"] = ""
	if code, _, stderr := b.run(t, "tools"); code != 1 || !strings.Contains(stderr, "WORKSPACE_ID") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
