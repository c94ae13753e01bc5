package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// history is what the agent finds as history when these metadata come along.
func history(t testing.TB, params, message string) []string {
	t.Helper()
	req := send("hi")
	for text, into := range map[string]*map[string]any{params: &req.Metadata, message: &req.Message.Metadata} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		for _, m := range x.History() {
			var parts []string
			for _, p := range m.Parts {
				parts = append(parts, fmt.Sprintf("%T:%s", p.Content, content(p)))
			}
			got = append(got, string(m.Role)+" "+strings.Join(parts, ", "))
		}
		return nil
	})
	defer drain(t, e)
	wantState(t, finish(t, e, req), a2a.TaskStateCompleted)
	return got
}

func content(p *a2a.Part) string {
	if d, ok := p.Content.(a2a.Data); ok {
		return fmt.Sprint(d.Value)
	}
	return fmt.Sprintf("%s %s %s", p.Content, p.Filename, p.MediaType)
}

func TestHistoryIsFound(t *testing.T) {
	const said = `{"history":[{"role":"user","parts":[{"kind":"text","text":"q"}]},{"role":"agent","parts":[{"kind":"text","text":"a"}]}]}`
	want := []string{"ROLE_USER a2a.Text:q  ", "ROLE_AGENT a2a.Text:a  "}
	other := `{"history":[{"role":"user","parts":[{"text":"other"}]}]}`
	for name, tc := range map[string]struct {
		params, message string
		want            []string
	}{
		"in params.metadata":           {said, "", want},
		"in message.metadata":          {"", said, want},
		"in both":                      {said, other, want},
		"useless in params.metadata":   {`{"history":"none"}`, said, want},
		"nothing understood in params": {`{"history":[1,null,"x"]}`, said, want},
		"nowhere":                      {`{"a":1}`, `{"b":2}`, nil},
	} {
		if diff := cmp.Diff(tc.want, history(t, tc.params, tc.message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHistoryIsReadTolerantly(t *testing.T) {
	for _, tc := range []struct{ name, entry, want string }{
		{"1.0 role", `{"role":"ROLE_USER","parts":[{"text":"x"}]}`, "ROLE_USER a2a.Text:x  "},
		{"any other role is the agent", `{"role":"assistant","parts":[{"text":"x"}]}`, "ROLE_AGENT a2a.Text:x  "},
		{"no role", `{"parts":[{"text":"x"}]}`, "ROLE_AGENT a2a.Text:x  "},
		{"type instead of kind", `{"role":"user","parts":[{"type":"text","text":"x"}]}`, "ROLE_USER a2a.Text:x  "},
		{"root", `{"role":"user","parts":[{"root":{"kind":"text","text":"x"}}]}`, "ROLE_USER a2a.Text:x  "},
		{"0.3 file by URI", `{"role":"user","parts":[{"kind":"file","file":{"uri":"workspace:/a","name":"a","mimeType":"text/plain"}}]}`, "ROLE_USER a2a.URL:workspace:/a a text/plain"},
		{"0.3 file with bytes", `{"role":"user","parts":[{"kind":"file","file":{"bytes":"aGk=","name":"a"}}]}`, "ROLE_USER a2a.Raw:hi a "},
		{"1.0 file by URL", `{"role":"user","parts":[{"url":"http://a","filename":"a","mediaType":"image/png"}]}`, "ROLE_USER a2a.URL:http://a a image/png"},
		{"1.0 file with bytes", `{"role":"user","parts":[{"raw":"aGk="}]}`, "ROLE_USER a2a.Raw:hi  "},
		{"data", `{"role":"user","parts":[{"kind":"data","data":{"a":1}}]}`, "ROLE_USER a2a.Data:map[a:1]"},
		{"bad parts are left out", `{"role":"user","parts":[null,1,"x",{},{"text":7},{"text":"x"},{"kind":"file","file":{"bytes":"!"}}]}`, "ROLE_USER a2a.Text:x  "},
		{"no part that means something", `{"role":"user","parts":[{"text":""}]}`, ""},
		{"parts are no list", `{"role":"user","parts":{"text":"x"}}`, ""},
		{"no parts", `{"role":"user"}`, ""},
		{"not an object", `["x"]`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := history(t, `{"history":[`+tc.entry+`]}`, "")
			if tc.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0] != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzHistory(f *testing.F) {
	f.Add(`{"history":[{"role":"user","parts":[{"kind":"text","text":"q"}]}]}`)
	f.Add(`{"history":[{"parts":[{"root":{"file":{"bytes":"aGk=","name":1}}}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m map[string]any
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		history(t, text, "") // must not fail the turn
	})
}
