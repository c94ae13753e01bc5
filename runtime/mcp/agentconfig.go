package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Entry is an MCP server in the configuration of an agent: a program to start,
// or a URL.
type Entry struct {
	Name    string            // the key; letters, digits, - and _
	Command string            // the adapter's binary
	Args    []string          // such as "mcp"
	Env     map[string]string // what the program gets besides; never put a token here
	URL     string            // instead of Command: a streamable HTTP server
	Headers map[string]string // of the requests to URL
}

// check says what is wrong with an entry.
func (e Entry) check() error {
	switch {
	case e.Name == "" || strings.Trim(e.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "":
		return fmt.Errorf("mcp: the name %q of a server has something else than letters, digits, - and _", e.Name)
	case (e.Command == "") == (e.URL == ""):
		return fmt.Errorf("mcp: server %q needs a command or a URL, and not both", e.Name)
	}
	return nil
}

// value is the entry as agents write it. headers is their name for them.
func (e Entry) value(headers string) map[string]any {
	v := map[string]any{}
	if e.URL != "" {
		v["url"] = e.URL
		if len(e.Headers) > 0 {
			v[headers] = anyMap(e.Headers)
		}
		return v
	}
	v["command"] = e.Command
	if len(e.Args) > 0 {
		args := make([]any, len(e.Args))
		for i, a := range e.Args {
			args[i] = a
		}
		v["args"] = args
	}
	if len(e.Env) > 0 {
		v["env"] = anyMap(e.Env)
	}
	return v
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// into is an entry as it is to be, where there is one already: our own keys
// become those of want or go, and what the user and the agent keep there stays,
// such as that it is disabled, or its timeouts.
func into[V any](have, want map[string]V, headers string) map[string]V {
	out := map[string]V{}
	maps.Copy(out, have)
	for _, own := range []string{"command", "args", "env", "url", headers} {
		delete(out, own)
	}
	maps.Copy(out, want)
	return out
}

// WriteJSON puts a server into a JSON file, as mcpServers.NAME, as most agents
// have it. The rest of the file stays as it is, to the byte, and in an entry of
// this name what an [Entry] does not say: its own keys are set, or removed when
// they are of the other kind or empty. The file is made when it is not there,
// replaced in one step, and not touched when nothing changes. One that is not
// JSON, or has something else than objects there, is an error and stays as it is.
func WriteJSON(path string, e Entry) error {
	return edit(path, e, func(old []byte) ([]byte, error) { return withJSONServer(old, e) })
}

// withJSONServer is a JSON document with a server in it.
func withJSONServer(old []byte, e Entry) ([]byte, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		old = []byte("{}\n")
	}
	if !gjson.ValidBytes(old) || !gjson.ParseBytes(old).IsObject() {
		return nil, errors.New("it is not a JSON object")
	}
	if servers := gjson.GetBytes(old, "mcpServers"); servers.Exists() && !servers.IsObject() {
		return nil, errors.New("its mcpServers is not an object")
	}
	key := "mcpServers." + e.Name
	found := []byte(gjson.GetBytes(old, key).Raw)
	have, err := members(found)
	if err != nil {
		have = nil // not an object: nothing in it is of use to anybody
	}
	written, err := json.Marshal(e.value("headers"))
	if err != nil {
		return nil, err
	}
	want, err := members(written)
	if err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(into(have, want, "headers"), "    ", "  ")
	if err != nil {
		return nil, err
	}
	var is, shall any
	if json.Unmarshal(found, &is) == nil && json.Unmarshal(raw, &shall) == nil && reflect.DeepEqual(is, shall) {
		return old, nil
	}
	return sjson.SetRawBytes(old, key, raw)
}

// members are an object's, each as it is written: numbers have no bounds there.
func members(object []byte) (m map[string]json.RawMessage, err error) {
	err = json.Unmarshal(object, &m)
	return m, err
}

// edit changes a file, if change makes something else of it.
func edit(path string, e Entry, change func(old []byte) ([]byte, error)) error {
	if err := e.check(); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	old, err := os.ReadFile(path)
	switch info, statErr := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		old = nil
	case err != nil:
		return fmt.Errorf("mcp: %w", err)
	case statErr == nil:
		mode = info.Mode().Perm()
	}
	next, err := change(old)
	if err != nil {
		return fmt.Errorf("mcp: put server %q into %s: %w: mend the file, or add the server by hand", e.Name, path, err)
	}
	if old != nil && bytes.Equal(old, next) {
		return nil
	}
	if err := writeFile(path, next, mode); err != nil {
		return fmt.Errorf("mcp: put server %q into %s: %w", e.Name, path, err)
	}
	return nil
}
