package mcp

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/tidwall/gjson"
)

// FuzzWithServer: whatever the document is, it is refused, or has the server
// and all that it had (of which withServer itself makes sure outside the entry).
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
		before, _ := parseTOML([]byte(old))
		had, _ := serverIn(before, entry.Name).(map[string]any)
		keeps(t, had, serverIn(doc, entry.Name).(map[string]any), "http_headers")
		if again, err := withServer(next, entry); err != nil || string(again) != string(next) {
			t.Fatalf("the second time it changes again: %v", err)
		}
	})
}

// FuzzWithJSONServer: the same of JSON.
func FuzzWithJSONServer(f *testing.F) {
	f.Add(`{"mcpServers":{"workspace":{"command":"old","disabled":true,"n":1e400}}}`)
	f.Add(`{"mcpServers":{"workspace":null,"z":{}},"a":[1]}`)
	f.Add(`{"mcpServers":{"workspace":{"url":"u","x":1,"x":2}}}`)
	entry := Entry{Name: "workspace", Command: "/adapter", Args: []string{"mcp"}}
	f.Fuzz(func(t *testing.T, old string) {
		next, err := withJSONServer([]byte(old), entry)
		if err != nil {
			return
		}
		server := func(doc string) (m map[string]any) {
			_ = json.Unmarshal([]byte(gjson.Get(doc, "mcpServers.workspace").Raw), &m)
			return m
		}
		got := server(string(next))
		if !json.Valid(next) || got["command"] != entry.Command {
			t.Fatalf("%s", next)
		}
		keeps(t, server(old), got, "headers")
		if again, err := withJSONServer(next, entry); err != nil || string(again) != string(next) {
			t.Fatalf("the second time it changes again: %v", err)
		}
	})
}

// keeps expects that an entry still has what is not ours in it, and nothing else
// that we do not write.
func keeps(t *testing.T, had, has map[string]any, headers string) {
	t.Helper()
	own := []string{"command", "args", "env", "url", headers}
	for k, v := range had {
		if !slices.Contains(own, k) && !reflect.DeepEqual(has[k], v) {
			t.Fatalf("%s was %v and is %v", k, v, has[k])
		}
	}
	for k := range has {
		if _, ok := had[k]; !ok && !slices.Contains(own, k) || slices.Contains(own[2:], k) {
			t.Fatalf("%s is there: %v", k, has[k])
		}
	}
}
