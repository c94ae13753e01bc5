package tool_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// place is a directory to send files from, with the runtime's own below it, as
// when the two are the same volume.
type place struct{ root, configs, token string }

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{root: t.TempDir()}
	p.configs = filepath.Join(p.root, "configs")
	p.token = filepath.Join(p.configs, ".auth_token")
	for path, content := range map[string]string{
		p.token: "secret", filepath.Join(p.configs, ".runtime", "tasks.db"): "tasks",
		filepath.Join(p.root, "a.txt"): "A", filepath.Join(p.root, "sub", "b.png"): "B",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p place) files() tool.Files {
	return tool.Files{Roots: []string{p.root}, Never: []string{p.token, filepath.Join(p.configs, ".runtime")}}
}

func attach(paths ...string) string {
	raw, _ := json.Marshal(map[string]any{"message": "see", "attachments": paths})
	return string(raw)
}

func layWithFiles(t *testing.T) *bed {
	t.Helper()
	b := lay(t)
	b.self.PutFile("/workspace/README", nil) // so that it has a container
	return b
}

func TestAMessageWithFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := layWithFiles(t), newPlace(t)
		table := b.table(tool.Platform{Files: p.files()})
		_, text := call[struct{}](t, table, "send_message_to_user", attach(filepath.Join(p.root, "a.txt"), "file://"+filepath.Join(p.root, "sub", "b.png")))
		sent := b.self.Notifications()
		if len(sent) != 1 || sent[0].Message != "see" || len(sent[0].Attachments) != 2 {
			t.Fatalf("%+v", sent)
		}
		first, second := sent[0].Attachments[0], sent[0].Attachments[1]
		if first.Name != "a.txt" || !strings.HasPrefix(first.MIMEType, "text/plain") || first.Size != 1 || second.MIMEType != "image/png" || !strings.Contains(text, "2 file") {
			t.Errorf("%+v, %q", sent, text)
		}
		if got := b.self.Files()[strings.TrimPrefix(second.URI, "workspace:")]; string(got) != "B" {
			t.Errorf("the platform has %q", got)
		}
		call[struct{}](t, table, "send_message_to_user", `{"message":"alone"}`)
		if sent = b.self.Notifications(); len(sent) != 2 || sent[1].Attachments != nil {
			t.Errorf("%+v", sent)
		}
	})
}

// AT-6: any file that could be read was sent, the token's included, whatever
// its size.
func TestFilesThatMayNotBeSent(t *testing.T) {
	p, outside := newPlace(t), filepath.Join(t.TempDir(), "outside.txt")
	at := func(name string) string { return filepath.Join(p.root, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(outside, []byte("x"), 0o600))
	must(os.Symlink(outside, at("leads-out")))
	must(os.Symlink(p.token, at("to-the-token")))
	must(os.Link(p.token, at("the-token")))
	must(os.Symlink(p.configs, at("linked")))
	big, err := os.Create(at("big"))
	must(err)
	must(big.Truncate(25<<20 + 1))
	must(big.Close())
	for _, name := range []string{"half1", "half2", "half3"} {
		f, err := os.Create(at(name))
		must(err)
		must(f.Truncate(20 << 20))
		must(f.Close())
	}
	must(os.WriteFile(p.root+"foo", nil, 0o600))
	t.Cleanup(func() { _ = os.Remove(p.root + "foo") })
	for name, c := range map[string]struct{ input, want string }{
		"outside":             {attach(outside), "may not be sent"},
		"outside by dots":     {attach(p.root + "/../" + filepath.Base(filepath.Dir(outside)) + "/outside.txt"), "may not be sent"},
		"a link out":          {attach(at("leads-out")), "may not be sent"},
		"the token":           {attach(p.token), "belongs to the runtime"},
		"a link to the token": {attach(at("to-the-token")), "belongs to the runtime"},
		"its second name":     {attach(at("the-token")), "belongs to the runtime"},
		"a linked directory":  {attach(at("linked/.auth_token")), "belongs to the runtime"},
		"the runtime's own":   {attach(at("configs/.runtime/tasks.db")), "belongs to the runtime"},
		"a neighbour's name":  {attach(p.root + "foo"), "may not be sent"},
		"a directory":         {attach(at("sub")), "no ordinary file"},
		"too large":           {attach(at("big")), "attachments[0] has 26214401 bytes: send at most 25 MiB"},
		"too large together":  {attach(at("half1"), at("half2"), at("half3")), "attachments have 62914560 bytes together: send at most 50 MiB"},
		"too many":            {attach(slicesOf(at("a.txt"), 21)...), "attachments has 21 files: send at most 20"},
		"a URL":               {attach("http://host/a.txt"), "no absolute path"},
		"nothing":             {attach(""), "no absolute path"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := layWithFiles(t)
				before := len(b.platform.Requests())
				fails(t, b.table(tool.Platform{Files: p.files()}), "send_message_to_user", c.input, c.want)
				if n := len(b.platform.Requests()); n != before {
					t.Errorf("the platform was told: %+v", b.platform.Requests()[before:])
				}
			})
		})
	}
	t.Run("no roots", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fails(t, layWithFiles(t).table(tool.Platform{}), "send_message_to_user", attach(at("a.txt")), "no files may be sent")
		})
	})
}

func slicesOf(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// A message whose files did not arrive is not sent.
func TestNoMessageWithoutItsFiles(t *testing.T) {
	for name, c := range map[string]struct {
		fault registrytest.Fault
		want  string
	}{
		"refused":   {registrytest.Fault{Status: 400}, "has refused it"},
		"no room":   {registrytest.Fault{Status: 503}, "send the message without them"},
		"lost":      {registrytest.Fault{Lost: true}, "the user has no message yet"},
		"truncated": {registrytest.Fault{Truncate: true}, "the user has no message yet"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := layWithFiles(t), newPlace(t)
				b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/chat/uploads"), c.fault)
				fails(t, b.table(tool.Platform{Files: p.files()}), "send_message_to_user", attach(filepath.Join(p.root, "a.txt")), c.want)
				if sent := b.self.Notifications(); len(sent) != 0 {
					t.Errorf("%+v", sent)
				}
			})
		})
	}
}

// A message is not sent twice by a repeat.
func TestAMessageWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		b.platform.Fail(registrytest.To("POST", "/workspaces/"+selfID+"/notify"), registrytest.Fault{Lost: true})
		fails(t, b.table(tool.Platform{}), "send_message_to_user", `{"message":"x"}`, "may have the message all the same")
		if n := len(b.self.Notifications()); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// Neither texts nor errors of tools carry the token.
func TestNothingCarriesTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		table := b.table(tool.Platform{Approvals: tool.NewApprovals(b.client, tool.ApprovalOptions{Timeout: time.Second})})
		inputs := map[string]string{
			"delegate_task": hello, "delegate_task_async": hello, "send_message_to_user": `{"message":"x"}`,
			"commit_memory": `{"content":"x"}`, "request_approval": `{"action":"x","reason":"y"}`,
		}
		for _, fault := range []registrytest.Fault{{Status: 401}, {Status: 500}, {Reset: true}, {HTML: true}, {Truncate: true}} {
			for _, one := range table.Tools() {
				fault.Times = -1
				b.platform.Fail(registrytest.Any, fault)
				result, err := table.Call(t.Context(), one.Name(), json.RawMessage(inputs[one.Name()]))
				if errors.Is(err, tool.ErrInput) {
					t.Errorf("%s with %+v: %v", one.Name(), fault, err)
				}
				for _, text := range []string{result.Text, string(result.Structured), errText(err)} {
					if strings.Contains(text, b.token) {
						t.Errorf("%s: the token is in %q", one.Name(), text)
					}
				}
				b.platform.Heal()
			}
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
