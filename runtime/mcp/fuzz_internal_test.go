package mcp

import "testing"

// FuzzWithServer: whatever the document is, it is refused, or has the server
// and all that it had (which withServer itself makes sure of).
func FuzzWithServer(f *testing.F) {
	f.Add("[mcp_servers.workspace]\ncommand = \"x\"\n[a]\nb=1\n")
	f.Add("a = '''\n[mcp_servers.workspace]\n'''\n[[mcp_servers.workspace.x]]\n")
	f.Add("\"mcp_servers\".\"workspace\" = 1\n# [mcp_servers.workspace]\n")
	entry := Entry{Name: "workspace", Command: "/adapter", Args: []string{"mcp"}}
	f.Fuzz(func(t *testing.T, old string) {
		next, err := withServer([]byte(old), entry)
		if err != nil {
			return
		}
		doc, err := parseTOML(next)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := serverIn(doc, entry.Name).(map[string]any); got["command"] != entry.Command {
			t.Fatalf("%+v", doc)
		}
		if again, err := withServer(next, entry); err != nil || string(again) != string(next) {
			t.Fatalf("the second time it changes again: %v", err)
		}
	})
}
