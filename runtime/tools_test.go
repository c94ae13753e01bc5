package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

const childID = "22222222-2222-4333-8444-555555555555"

// handy is an agent that calls the tool it is told to: "NAME INPUT".
type handy struct{ ws *runtime.Workspace }

func (h *handy) SetUp(_ context.Context, ws *runtime.Workspace) error {
	h.ws = ws
	if len(ws.Tools().Tools()) == 0 {
		return errors.New("no tools at set-up")
	}
	return nil
}

func (h *handy) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	name, input, _ := strings.Cut(turn.Text(), " ")
	result, _ := h.ws.Tools().Call(ctx, name, json.RawMessage(input))
	_, err := fmt.Fprintf(reply, "%v %s", result.IsError, result.Text)
	return err
}

func toolNames(table *tool.Table) []string {
	var names []string
	for _, t := range table.Tools() {
		names = append(names, t.Name())
	}
	return names
}

func TestAnAgentHasThePlatformsToolsAndItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &handy{}
		var tasks []string
		own := tool.New("own", "Is the adapter's.", func(ctx context.Context, _ struct{}) (string, error) {
			tasks = append(tasks, tool.TaskID(ctx))
			return "mine", nil
		})
		replaced := tool.New("recall_memory", "Is better.", func(context.Context, struct{}) (string, error) { return "better", nil })
		var seen []string
		b := lay(t, true, agent, runtime.WithTokenStore(newPocket()), runtime.WithTools(own, replaced), runtime.WithToolObserver(
			func(ctx context.Context, c tool.Call) (context.Context, func(tool.Outcome)) {
				seen = append(seen, c.Tool)
				return ctx, nil
			}))
		b.run()
		b.alive()
		if card := string(b.row.Card()); !strings.Contains(card, tool.MessageIDExtension) {
			t.Errorf("the platform's card does not say that message ids are known: %s", card)
		}
		if _, r := b.say("own {}"); r.text() != "false mine" || len(tasks) != 1 || tasks[0] != r.Result.ID {
			t.Errorf("%q, tasks %v of %s", r.text(), tasks, r.Result.ID)
		}
		if _, r := b.say("recall_memory {}"); r.text() != "false better" {
			t.Errorf("%q", r.text())
		}
		if _, r := b.say(`commit_memory {"content":"x"}`); !strings.HasPrefix(r.text(), "false Remembered") {
			t.Errorf("%q", r.text())
		}
		want := []string{
			"list_peers", "get_workspace_info", "delegate_task", "delegate_task_async", "check_task_status",
			"send_message_to_user", "commit_memory", "request_approval", "own", "recall_memory",
		}
		if got := toolNames(agent.ws.Tools()); !slices.Equal(got, want) {
			t.Errorf("tools %v, want %v", got, want)
		}
		if !slices.Equal(seen, []string{"own", "recall_memory", "commit_memory"}) {
			t.Errorf("observed %v", seen)
		}
		// A child comes, and with it the tool for the team.
		changed := agent.ws.Tools().Changed()
		b.platform.AddWorkspace(childID, registrytest.WithParent(workspaceID), registrytest.WithName("child"))
		<-changed
		if !slices.Contains(toolNames(agent.ws.Tools()), "route_task_to_team") || !strings.Contains(agent.ws.Team().Prompt(), "child") {
			t.Error("the child is not in the team")
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestToolsAreIdleUntilTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t, true, parrot, runtime.WithTokenStore(newPocket()), runtime.WithTools())
		b.run()
		b.alive()
		time.Sleep(time.Hour)
		for _, r := range b.platform.Requests() {
			if strings.Contains(r.Path, "peers") || strings.Contains(r.Path, "instructions") || strings.Contains(r.Path, "events") {
				t.Fatalf("%s %s, and nobody has asked for a tool", r.Method, r.Path)
			}
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestNewFindsFaultsOfTools(t *testing.T) {
	_, err := runtime.New(parrot, runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL("http://localhost:1"),
		runtime.WithTools(tool.New("two words", "", func(context.Context, struct{}) (string, error) { return "", nil }), nil))
	for _, want := range []string{`"two words": its name must be`, "it has no description", "number 1 is nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

// AT-3, AU-2: a configuration that cannot be read allows nothing, because the
// workspace does not run with it; and what it says is enforced.
func TestRolesOfTheConfigurationAreEnforced(t *testing.T) {
	for _, c := range []struct{ config, call, want string }{
		{"", `recall_memory {}`, "false "},
		{"", `delegate_task {"workspace_id":"x","task":"y"}`, "true delegate_task: workspace_id"},
		{"rbac: {roles: [read-only]}\n", `recall_memory {}`, "false "},
		{"rbac: {roles: [read-only]}\n", `delegate_task {"workspace_id":"x","task":"y"}`, "true delegate_task: not allowed"},
		{"rbac: {roles: []}\n", `recall_memory {}`, "true recall_memory: not allowed"},
		{"rbac: {roles: [mine], allowed_actions: {mine: [approve]}}\n", `recall_memory {}`, "true recall_memory: not allowed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := lay(t, true, &handy{}, runtime.WithTokenStore(newPocket()), runtime.WithTools())
			if err := os.WriteFile(filepath.Join(b.dir, "config.yaml"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			b.run()
			b.alive()
			if _, r := b.say(c.call); !strings.HasPrefix(r.text(), c.want) {
				t.Errorf("%q, %s: %q, want %q", c.config, c.call, r.text(), c.want)
			}
			if err := b.end(); err != nil {
				t.Error(err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := lay(t, true, &handy{}, runtime.WithTokenStore(newPocket()), runtime.WithTools())
		if err := os.WriteFile(filepath.Join(b.dir, "config.yaml"), []byte("rbac: [operator\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.run()
		if err := <-b.over; err == nil {
			t.Error("the workspace runs with a configuration that cannot be read")
		}
	})
}

// A workspace that no Runtime has made has no tools, and nothing fails.
func TestAWorkspaceOfATestHasNoTools(t *testing.T) {
	ws := &runtime.Workspace{}
	if n := len(ws.Tools().Tools()); n != 0 || ws.Team() != nil || ws.Approvals() != nil {
		t.Errorf("%d tools, %v, %v", n, ws.Team(), ws.Approvals())
	}
}
