package tool_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Each tool says which field is wrong and what to do, and touches nothing.
func TestWrongInputsOfEachTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "empty"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		team := tool.NewTeam(b.client, nil, nil)
		if err := team.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		table := b.table(tool.Platform{Team: team, Approvals: tool.NewApprovals(b.client, tool.ApprovalOptions{}), Files: tool.Files{Roots: []string{root}}})
		seen := map[string]bool{}
		before := len(b.platform.Requests())
		for _, c := range []struct {
			tool, input string
			words       []string
		}{
			{"delegate_task", `{}`, []string{"workspace_id is missing", "list_peers", "task is missing"}},
			{"delegate_task", `{"workspace_id":"","task":""}`, []string{"workspace_id is empty", "task is empty"}},
			{"delegate_task", `{"workspace_id":"bob","task":"x"}`, []string{`workspace_id is "bob", which is no id`, "list_peers"}},
			{"delegate_task", `{"workspace_id":"researcher","task":"x"}`, []string{"the id of the peer Researcher is " + peerID}},
			{"delegate_task", `{"workspace_id":"` + selfID + `","task":"x"}`, []string{"workspace_id is this workspace itself", "do the work here"}},
			{"delegate_task", `{"workspace_id":"` + strings.ToUpper(selfID) + `","task":"x"}`, []string{"this workspace itself"}},
			{"delegate_task", `{"workspace_id":"` + peerID + `","task":"x","wait":true}`, []string{"wait is not a field of this tool", "leave it out"}},
			{"delegate_task_async", `{"task":"x"}`, []string{"workspace_id is missing", "give it"}},
			{"delegate_task_async", `{"workspace_id":"` + selfID + `","task":"x"}`, []string{"workspace_id is this workspace itself"}},
			{"delegate_task_async", `{"workspace_id":["` + peerID + `"],"task":"x"}`, []string{"workspace_id is a list", "give a text"}},
			{"check_task_status", `{"task_id":7}`, []string{"task_id is the number 7", "give a text"}},
			{"list_peers", `{"query":true}`, []string{"query is a boolean", "give a text"}},
			{"get_workspace_info", `{"id":"x"}`, []string{"id is not a field of this tool", "the tool takes no field"}},
			{"send_message_to_user", `{"attachments":["/a"]}`, []string{"message is missing"}},
			{"send_message_to_user", `{"message":"x","attachments":"/a"}`, []string{`attachments is the text "/a"`, "give a list of texts"}},
			{"send_message_to_user", `{"message":"x","attachments":[5]}`, []string{"attachments[0] is the number 5"}},
			{"send_message_to_user", `{"message":"x","attachments":["empty"]}`, []string{`attachments[0] is "empty"`, "no absolute path", root}},
			{"send_message_to_user", `{"message":"x","attachments":["` + root + `/none"]}`, []string{"attachments[0]", "there is no such file"}},
			{"send_message_to_user", `{"message":"x","attachments":["` + root + `/empty","/etc/passwd"]}`, []string{"attachments[1]", "may not be sent", "it must be below " + root}},
			{"commit_memory", `{"content":" "}`, []string{"content is empty", "what to remember"}},
			{"commit_memory", `{"content":"x","scope":"local"}`, []string{`scope is "local"`, `use one of "LOCAL", "TEAM", "GLOBAL"`}},
			{"commit_memory", `{"content":"x","namespace":"` + strings.Repeat("n", 51) + `"}`, []string{"namespace has 51 bytes", "at most 50"}},
			{"recall_memory", `{"scope":"ALL"}`, []string{`scope is "ALL"`, "use one of"}},
			{"request_approval", `{"action":"x"}`, []string{"reason is missing", "give it"}},
			{"request_approval", `{"action":"x","reason":"y","details":"z"}`, []string{`details is the text "z"`, "give an object"}},
			{"route_task_to_team", `{"task":"x","preferred_member_id":"` + otherID + `"}`, []string{"preferred_member_id is no member of this team", "leave it out"}},
			{"route_task_to_team", `{}`, []string{"task is missing"}},
		} {
			seen[c.tool] = true
			if err := fails(t, table, c.tool, c.input, c.words...); !errors.Is(err, tool.ErrInput) {
				t.Errorf("%s %s: %v is not ErrInput", c.tool, c.input, err)
			}
		}
		for _, all := range table.Tools() {
			if !seen[all.Name()] {
				t.Errorf("%s has no wrong input here", all.Name())
			}
		}
		if n := len(b.platform.Requests()); n != before {
			t.Errorf("the platform was asked: %+v", b.platform.Requests()[before:])
		}
	})
}

// AT-9, AP and 9.1: each tool that needs an action is refused without it,
// before anything happens.
func TestEveryActionIsEnforced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t)
		team := tool.NewTeam(b.client, nil, nil)
		if err := team.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		platform := tool.Platform{Team: team, Approvals: tool.NewApprovals(b.client, tool.ApprovalOptions{})}
		inputs := map[string]struct{ action, input string }{
			"list_peers":           {"", `{}`},
			"get_workspace_info":   {"", `{}`},
			"check_task_status":    {"", `{}`},
			"send_message_to_user": {"", `{"message":"x"}`},
			"delegate_task":        {"delegate", hello},
			"delegate_task_async":  {"delegate", hello},
			"route_task_to_team":   {"delegate", `{"task":"x"}`},
			"commit_memory":        {"memory.write", `{"content":"x"}`},
			"recall_memory":        {"memory.read", `{}`},
			"request_approval":     {"approve", `{"action":"x","reason":"y"}`},
		}
		nobody := b.table(platform, []string{}...)
		for _, one := range nobody.Tools() {
			want, ok := inputs[one.Name()]
			if !ok || one.Action() != want.action {
				t.Errorf("%s needs %q, want %q", one.Name(), one.Action(), want.action)
			}
			before := len(b.platform.Requests())
			if want.action != "" {
				if err := fails(t, b.table(platform, "unknown-role"), one.Name(), want.input, "not allowed", want.action); !errors.Is(err, tool.ErrDenied) {
					t.Errorf("%s: %v", one.Name(), err)
				}
				if n := len(b.platform.Requests()); n != before {
					t.Errorf("%s: the platform was asked all the same", one.Name())
				}
			}
		}
	})
}
