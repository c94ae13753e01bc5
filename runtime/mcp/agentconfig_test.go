package mcp_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/molecule-ai/workspace-runtime-go/runtime/mcp"
)

var entry = mcp.Entry{Name: "workspace", Command: "/adapter", Args: []string{"mcp"}, Env: map[string]string{"CONFIGS_DIR": "/configs"}}

const entryJSON = `{"command":"/adapter","args":["mcp"],"env":{"CONFIGS_DIR":"/configs"}}`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestWriteJSONKeepsTheRest(t *testing.T) {
	for name, old := range map[string]string{
		"empty":       "",
		"no servers":  "{\n\t\"b\": 12345678901234567890,   \"a\": \"<&>\"\n}\n",
		"others":      `{"mcpServers": {"z": {"command": "z"}, "a.b": {"url": "u"}}, "x": null}`,
		"another one": `{"mcpServers":{"workspace":{"command":"old","url":"u"},"z":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "settings.json", old)
			for range 2 {
				if err := mcp.WriteJSON(path, entry); err != nil {
					t.Fatal(err)
				}
			}
			got := read(t, path)
			var doc map[string]json.RawMessage
			var servers map[string]any
			if err := json.Unmarshal([]byte(got), &doc); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			if err := json.Unmarshal(doc["mcpServers"], &servers); err != nil {
				t.Fatal(err)
			}
			if have, _ := json.Marshal(servers["workspace"]); !sameJSON(string(have), entryJSON) {
				t.Errorf("the server is %s", have)
			}
			for _, kept := range []string{`"b": 12345678901234567890,   "a": "<&>"`, `"z": {"command": "z"}, "a.b": {"url": "u"}`, `"z":{}`} {
				if strings.Contains(old, kept) && !strings.Contains(got, kept) {
					t.Errorf("%s is not as it was: %s", kept, got)
				}
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
				t.Errorf("its mode is %v now", info.Mode())
			}
		})
	}
}

// TestWhatOthersKeepInTheEntryStays: a tool that the user has switched off must
// not be on again with each start.
func TestWhatOthersKeepInTheEntryStays(t *testing.T) {
	remote := mcp.Entry{Name: "workspace", URL: "http://127.0.0.1:9100/mcp", Headers: map[string]string{"A": "b"}}
	for name, c := range map[string]struct {
		write     func(string, mcp.Entry) error
		e         mcp.Entry
		old, next string
	}{
		"JSON, another command": {mcp.WriteJSON, entry,
			`{"mcpServers":{"workspace":{"disabled":true,"command":"old","alwaysAllow":["say"],"timeout":12345678901234567890}}}`,
			`{"mcpServers":{"workspace":{
      "alwaysAllow": [
        "say"
      ],
      "args": [
        "mcp"
      ],
      "command": "/adapter",
      "disabled": true,
      "env": {
        "CONFIGS_DIR": "/configs"
      },
      "timeout": 12345678901234567890
    }}}`},
		"JSON, as it should be": {mcp.WriteJSON, entry,
			`{"mcpServers":{"workspace": {"disabled":true, "env":{"CONFIGS_DIR":"/configs"}, "command":"/adapter", "args":["mcp"]}}}`,
			`{"mcpServers":{"workspace": {"disabled":true, "env":{"CONFIGS_DIR":"/configs"}, "command":"/adapter", "args":["mcp"]}}}`},
		"JSON, of the other kind": {mcp.WriteJSON, remote,
			`{"mcpServers":{"workspace":{"command":"/adapter","args":["mcp"],"env":{"A":"b"},"disabled":true}}}`,
			`{"mcpServers":{"workspace":{
      "disabled": true,
      "headers": {
        "A": "b"
      },
      "url": "http://127.0.0.1:9100/mcp"
    }}}`},
		"JSON, no object": {mcp.WriteJSON, mcp.Entry{Name: "workspace", Command: "x"},
			`{"mcpServers":{"workspace":null}}`,
			`{"mcpServers":{"workspace":{
      "command": "x"
    }}}`},
		"TOML, another command": {mcp.WriteTOML, entry,
			"[mcp_servers.workspace]\ncommand = \"old\"\nstartup_timeout_sec = 20.5\n[mcp_servers.workspace.tools.say]\nok = true\n[[mcp_servers.workspace.rules]]\nx = 1979-05-27\n\n[a]\n",
			"[mcp_servers.workspace]\nargs = ['mcp']\ncommand = '/adapter'\nenv = {CONFIGS_DIR = '/configs'}\nrules = [{x = 1979-05-27}]\nstartup_timeout_sec = 20.5\ntools = {say = {ok = true}}\n\n[a]\n"},
		"TOML, as it should be": {mcp.WriteTOML, entry,
			"[mcp_servers.workspace]\nenabled = false # for now\nargs = ['mcp']\ncommand = '/adapter'\n[mcp_servers.workspace.env]\nCONFIGS_DIR = '/configs'\n",
			"[mcp_servers.workspace]\nenabled = false # for now\nargs = ['mcp']\ncommand = '/adapter'\n[mcp_servers.workspace.env]\nCONFIGS_DIR = '/configs'\n"},
		"TOML, of the other kind": {mcp.WriteTOML, remote,
			"[mcp_servers.workspace]\nenabled = false\ncommand = 'x'\n[mcp_servers.workspace.env]\nA = '1'\n",
			"[mcp_servers.workspace]\nenabled = false\nhttp_headers = {A = 'b'}\nurl = 'http://127.0.0.1:9100/mcp'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "file", c.old)
			for range 2 {
				if err := c.write(path, c.e); err != nil {
					t.Fatal(err)
				}
				if got := read(t, path); got != c.next {
					t.Fatalf("the file is\n%s\nwant\n%s", got, c.next)
				}
			}
		})
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

func TestWriteTOMLKeepsTheRest(t *testing.T) {
	const others = "# my model\nmodel = \"gpt\" # the big one\nnote = '''\n[mcp_servers.workspace]\nis not a table here'''\n\n[mcp_servers.z]\ncommand = \"z\"\n"
	const want = "[mcp_servers.workspace]\nargs = ['mcp']\ncommand = '/adapter'\nenv = {CONFIGS_DIR = '/configs'}\n"
	for name, c := range map[string]struct{ old, next string }{
		"empty":  {"", want},
		"others": {others, others + "\n" + want},
		"another one in the middle": {
			"a = 1\n[mcp_servers.workspace]\ncommand = \"old\" # gone\nargs = [\n \"x\",\n]\n[mcp_servers.workspace.env]\nA = \"1\"\n\n# the profile\n[profile]\nx = 1\n",
			"a = 1\n" + want + "\n# the profile\n[profile]\nx = 1\n",
		},
		"as it should be": {want, want},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "config.toml", c.old)
			for range 2 {
				if err := mcp.WriteTOML(path, entry); err != nil {
					t.Fatal(err)
				}
			}
			if got := read(t, path); got != c.next {
				t.Errorf("the file is\n%s\nwant\n%s", got, c.next)
			}
		})
	}
}

func TestAFileThatCannotBeChangedStays(t *testing.T) {
	for name, c := range map[string]struct {
		write     func(string, mcp.Entry) error
		old, says string
	}{
		"no JSON":           {mcp.WriteJSON, "{", "not a JSON object"},
		"JSON, but a list":  {mcp.WriteJSON, "[]", "not a JSON object"},
		"servers in a list": {mcp.WriteJSON, `{"mcpServers":[]}`, "mcpServers is not an object"},
		"no TOML":           {mcp.WriteTOML, "a = \n", "line 1"},
		"an inline table":   {mcp.WriteTOML, "mcp_servers = {workspace = {command = 'x'}}\n", "cannot change"},
		"a dotted key":      {mcp.WriteTOML, "mcp_servers.workspace.command = 'x'\n", "cannot change"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "file", c.old)
			err := c.write(path, entry)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that says %q and names the file", err, c.says)
			}
			if got := read(t, path); got != c.old {
				t.Errorf("the file is %q now", got)
			}
		})
	}
	for name, e := range map[string]mcp.Entry{
		"no name": {Command: "x"}, "a name with a dot": {Name: "a.b", Command: "x"}, "nothing to do": {Name: "a"}, "too much": {Name: "a", Command: "x", URL: "y"},
	} {
		if err := mcp.WriteJSON(filepath.Join(t.TempDir(), "f"), e); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestAServerWithAURL(t *testing.T) {
	e := mcp.Entry{Name: "w", URL: "http://127.0.0.1:9100/mcp", Headers: map[string]string{"Authorization": "Bearer x"}}
	path := filepath.Join(t.TempDir(), "new", "mcp.json")
	if err := mcp.WriteJSON(path, e); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); !sameJSON(got, `{"mcpServers":{"w":{"url":"http://127.0.0.1:9100/mcp","headers":{"Authorization":"Bearer x"}}}}`) {
		t.Error(got)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
}
