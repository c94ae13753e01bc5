package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// WriteTOML puts a server into a TOML file, as the table mcp_servers.NAME. The
// rest of the file stays as it is, comments included. What holds for the file
// and for an entry of this name is as with [WriteJSON]; a server that is written
// in another form than a table of its own is an error. When something changes
// the table is written anew: comments behind its values are lost then, and its
// sub-tables become values in braces.
func WriteTOML(path string, e Entry) error {
	return edit(path, e, func(old []byte) ([]byte, error) { return withServer(old, e) })
}

// withServer is a TOML document with a server in it.
func withServer(old []byte, e Entry) ([]byte, error) {
	before, err := parseTOML(old)
	if err != nil {
		return nil, err
	}
	have, _ := serverIn(before, e.Name).(map[string]any)
	want := into(have, e.value("http_headers"), "http_headers")
	if reflect.DeepEqual(serverIn(before, e.Name), any(want)) {
		return old, nil
	}
	block, err := tomlBlock(e.Name, want)
	if err != nil {
		return nil, err
	}
	next := replaceTables(string(old), []string{"mcp_servers", e.Name}, block)
	// The proof that nothing else has changed.
	after, err := parseTOML([]byte(next))
	if err != nil || !reflect.DeepEqual(serverIn(after, e.Name), any(want)) || !reflect.DeepEqual(without(after, e.Name), without(before, e.Name)) {
		return nil, errors.New("its servers are written in a form that this cannot change")
	}
	return []byte(next), nil
}

func parseTOML(data []byte) (map[string]any, error) {
	doc := map[string]any{}
	if err := toml.Unmarshal(data, &doc); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, fmt.Errorf("line %d, column %d: it is not TOML: %w", line, column, err)
		}
		return nil, fmt.Errorf("it is not TOML: %w", err)
	}
	return doc, nil
}

func serverIn(doc map[string]any, name string) any {
	servers, _ := doc["mcp_servers"].(map[string]any)
	return servers[name]
}

// without is a document without one of its servers.
func without(doc map[string]any, name string) map[string]any {
	out := map[string]any{}
	for k, v := range doc {
		servers, ok := v.(map[string]any)
		if k != "mcp_servers" || !ok {
			out[k] = v
			continue
		}
		rest := map[string]any{}
		for k, v := range servers {
			if k != name {
				rest[k] = v
			}
		}
		if len(rest) > 0 {
			out[k] = rest
		}
	}
	return out
}

// tomlBlock writes a server down as a table with everything in it.
func tomlBlock(name string, value map[string]any) (string, error) {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.SetTablesInline(true)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	return "[mcp_servers." + name + "]\n" + b.String(), nil
}

// replaceTables puts a block into the place of a table and its sub-tables, or
// behind the document.
func replaceTables(doc string, path []string, block string) string {
	var out strings.Builder
	placed, inside := false, false
	var open string // the quotes of a string that goes on in the next line
	for line := range strings.Lines(doc) {
		if open == "" {
			if header, ok := tableHeader(line); ok {
				inside = len(header) >= len(path) && header[0] == path[0] && header[1] == path[1]
				if inside && !placed {
					out.WriteString(block)
					placed = true
				}
			}
		}
		open = openString(line, open)
		if !inside || open == "" && comment(line) {
			out.WriteString(line)
		}
	}
	if placed {
		return out.String()
	}
	text := out.String()
	if text != "" {
		text = strings.TrimRight(text, "\n") + "\n\n"
	}
	return text + block
}

// comment reports whether a line of a table that is replaced stays: a comment
// or an empty line, which may belong to the next table.
func comment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
}

// tableHeader is the path of a line that begins a table. A path with quotes and
// dots in it is not one that is looked for here, so it need not be exact.
func tableHeader(line string) (path []string, ok bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") {
		return nil, false
	}
	end := strings.LastIndexByte(line, ']')
	if i := strings.IndexByte(line, '#'); i >= 0 {
		end = strings.LastIndexByte(line[:i], ']')
	}
	if end < 0 {
		return nil, false
	}
	for _, part := range strings.Split(strings.Trim(line[:end], "[]"), ".") {
		path = append(path, strings.Trim(strings.TrimSpace(part), `"'`))
	}
	return path, true
}

// openString follows strings of several lines: it returns the quotes of the one
// that is open at the end of a line.
func openString(line, open string) string {
	for i := 0; i < len(line); {
		rest := line[i:]
		switch {
		case open != "" && open[0] == '"' && rest[0] == '\\':
			i++ // the next character is quoted
		case open != "" && strings.HasPrefix(rest, open):
			i += len(open) - 1
			open = ""
		case open != "":
		case rest[0] == '#':
			return open
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, `'''`):
			open = rest[:3]
			i += 2
		case rest[0] == '"', rest[0] == '\'':
			open = rest[:1]
		}
		i++
	}
	if len(open) == 1 { // a string of one line ends with it
		return ""
	}
	return open
}
