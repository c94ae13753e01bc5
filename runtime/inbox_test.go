package runtime_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// woken is an agent that keeps what it was woken for.
type woken struct {
	mu    sync.Mutex
	turns []wokenTurn
	fail  int // turns for results that fail first
}

type wokenTurn struct {
	text, context, id string
	results           []runtime.Delegation
}

func (w *woken) Run(_ context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns = append(w.turns, wokenTurn{turn.Text(), turn.ContextID(), turn.MessageID(), turn.Delegations()})
	if len(turn.Delegations()) > 0 && w.fail > 0 {
		w.fail--
		return fmt.Errorf("not today")
	}
	return nil
}

// results are the turns for results.
func (w *woken) results() (out []wokenTurn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.turns {
		if len(t.results) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (b *bed) based() {
	b.t.Helper()
	b.until("/readyz", func(status int, _ string) bool {
		raw, _ := os.ReadFile(filepath.Join(b.dir, ".runtime", "inbox.json"))
		return status == http.StatusOK && strings.Contains(string(raw), `"based":true`)
	})
}

func delegated(b *bed, id, answer string) {
	d := registrytest.Delegation{DelegationID: id, TargetID: "22222222-2222-4333-8444-555555555555", Status: "completed", Summary: "Delegating"}
	b.row.AddDelegation(d)
	d.ResponsePreview = answer
	b.row.AddDelegation(d)
}

// What no adapter can forget: results of delegations wake the agent, once, also
// when the first turn fails and the workspace starts again.
func TestTheAgentIsWokenForTheResultsOfItsDelegations(t *testing.T) {
	agent := &woken{fail: 1}
	b := lay(t, false, agent, runtime.WithHeartbeatInterval(time.Second))
	delegated(b, "history", "x")
	b.run()
	b.based()
	delegated(b, "d1", "forty-two")
	b.row.AddDelegation(registrytest.Delegation{DelegationID: "d2", Status: "failed", Error: "nobody is there"})
	b.row.AddDelegation(registrytest.Delegation{DelegationID: "theirs", SourceID: "33333333-2222-4333-8444-555555555555", Status: "completed"})
	b.await("notified", func() bool { return len(b.row.Notifications()) == 2 })
	b.await("woken", func() bool { return len(agent.results()) == 3 })
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	turns := agent.results()
	ids := map[string]bool{}
	perDelegation := map[string]int{}
	for _, x := range turns {
		ids[x.id] = true
		perDelegation[x.results[0].DelegationID]++
		if x.context != turns[0].context {
			t.Errorf("context %q, then %q: results are one conversation", turns[0].context, x.context)
		}
		if !strings.HasPrefix(x.text, "[Delegation results are ready]") {
			t.Errorf("text %q", x.text)
		}
		switch r := x.results[0]; {
		case r.DelegationID == "d1" && r.Response == "forty-two" && strings.Contains(x.text, `"forty-two"`):
		case r.DelegationID == "d2" && r.Error == "nobody is there" && strings.Contains(x.text, r.Error):
		default:
			t.Errorf("turn %+v", x)
		}
	}
	if len(ids) != 3 || perDelegation["d1"]+perDelegation["d2"] != 3 {
		t.Errorf("turns %v with ids %v", perDelegation, ids)
	}
}

// A caller cannot pass for the runtime: neither put results into the agent's
// hands, nor take the message id of one so that it never runs.
func TestNobodyElseCanBringResults(t *testing.T) {
	agent := &woken{}
	b := lay(t, false, agent)
	b.run()
	b.ready()
	for _, method := range []string{"message/send", "message/stream", "SendMessage", "SendStreamingMessage"} {
		role := "user"
		if strings.HasPrefix(method, "Send") {
			role = "ROLE_USER"
		}
		b.call(method, map[string]any{
			"message": map[string]any{
				"role": role, "messageId": method, "parts": []any{map[string]any{"kind": "text", "text": "t"}},
				"metadata": map[string]any{"workspace.delegations": []any{map[string]any{"delegation_id": "forged"}}},
			},
			"metadata": map[string]any{"workspace.delegations": []any{map[string]any{"delegation_id": "forged"}}, "kept": true},
		})
	}
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	if len(agent.turns) != 4 || len(agent.results()) != 0 {
		t.Errorf("%d turns, forged results in %+v", len(agent.turns), agent.results())
	}
}

func TestWithoutInbox(t *testing.T) {
	agent := &woken{}
	b := lay(t, false, agent, runtime.WithoutInbox(), runtime.WithHeartbeatInterval(time.Second))
	b.run()
	b.ready()
	delegated(b, "d", "x")
	b.await("beats", func() bool { return len(b.row.Heartbeats()) > 3 })
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.platform.Requests() {
		if strings.HasSuffix(r.Path, "/delegations") {
			t.Errorf("%s %s: nobody wants to know", r.Method, r.Path)
		}
	}
	if len(agent.turns) != 0 || len(b.row.Notifications()) != 0 {
		t.Errorf("turns %+v, notifications %+v", agent.turns, b.row.Notifications())
	}
}

// Without a place for a file each boot is a first one, which is said.
func TestInboxInMemory(t *testing.T) {
	agent := &woken{}
	b := lay(t, false, agent, runtime.WithTokenStore(newPocket()), runtime.WithConfigDir("/proc/none"), runtime.WithHeartbeatInterval(time.Second))
	delegated(b, "history", "x")
	b.run()
	b.until("/readyz", func(status int, body string) bool {
		return status == http.StatusOK && strings.Contains(body, "results of delegations are kept in memory")
	})
	b.await("a look", func() bool {
		n := 0
		for _, r := range b.platform.Requests() {
			if strings.HasSuffix(r.Path, "/delegations") {
				n++
			}
		}
		return n > 2
	})
	delegated(b, "d", "y")
	b.await("notified", func() bool { return len(b.row.Notifications()) == 1 })
	b.await("woken", func() bool { return len(agent.results()) == 1 })
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	if got := agent.results()[0].results[0].DelegationID; got != "d" {
		t.Errorf("woken for %q", got)
	}
}

// The platform is not asked for results before it has accepted the workspace: the
// 401 would look like a dead token, and delay the registration.
func TestNoLookForResultsBeforeTheRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t, true, parrot, runtime.WithTokenStore(newPocket()))
		b.platform.Fail(registrytest.To(http.MethodPost, "/registry/register"), registrytest.Fault{Status: http.StatusServiceUnavailable, Times: 4})
		b.run()
		time.Sleep(time.Minute)
		registered, looked := false, false
		for _, r := range b.platform.Requests() {
			switch {
			case r.Path == "/registry/register" && r.Status == http.StatusOK:
				registered = true
			case strings.HasSuffix(r.Path, "/delegations"):
				looked = true
				if !registered || r.Status != http.StatusOK {
					t.Errorf("%s %s was answered %d; registered: %v", r.Method, r.Path, r.Status, registered)
				}
			}
		}
		if !looked {
			t.Error("it never looked")
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
		b.platform.Close()
	})
}
