package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

type wide struct {
	Text   string         `json:"text" jsonschema:"some text"`
	Count  int            `json:"count,omitempty"`
	Small  uint8          `json:"small,omitempty"`
	Share  float64        `json:"share,omitempty"`
	Really bool           `json:"really,omitempty"`
	Names  []string       `json:"names,omitempty"`
	Free   map[string]any `json:"free,omitempty"`
	Inner  *struct {
		City string `json:"city"`
	} `json:"inner,omitempty"`
}

func wideTool(f func(wide)) *tool.Tool {
	return tool.New("wide", "Takes much.", func(_ context.Context, in wide) (string, error) {
		f(in)
		return "ok", nil
	}, tool.NotBlank("text"), tool.WithSchema(func(s *jsonschema.Schema) {
		s.Properties["count"].Maximum = jsonschema.Ptr(10.0)
		s.Properties["count"].Minimum = jsonschema.Ptr(1.0)
		s.Properties["names"].MaxItems = jsonschema.Ptr(2)
		s.Properties["names"].Items.MaxLength = jsonschema.Ptr(3)
	}))
}

// A model can mend its call only if it reads which field, what is wrong and
// what to do.
func TestWrongInputSaysFieldProblemAndRemedy(t *testing.T) {
	table := mustTable(t, []*tool.Tool{wideTool(func(in wide) { t.Errorf("called with %+v", in) })})
	for _, c := range []struct{ input, want string }{
		{``, "text is missing: give it: a text (some text)"},
		{`null`, "text is missing"},
		{`{}`, "text is missing"},
		{`{"text":null}`, "text is missing"},
		{`{"text":" \n"}`, "text is empty: give a text (some text)"},
		{`{"text":5}`, "text is the number 5: give a text (some text)"},
		{`{"text":["a"]}`, "text is a list: give a text"},
		{`{"text":"x","count":"3"}`, `count is the text "3": give a whole number`},
		{`{"text":"x","count":1.5}`, "count is the number 1.5: give a whole number"},
		{`{"text":"x","count":11}`, "count is 11: give at most 10"},
		{`{"text":"x","count":0}`, "count is 0: give at least 1"},
		{`{"text":"x","small":300}`, "small"},
		{`{"text":"x","share":1e999}`, "share is a number out of range: give a number"},
		{`{"text":"x","really":"yes"}`, `really is the text "yes": give true or false`},
		{`{"text":"x","names":"a"}`, `names is the text "a": give a list of texts`},
		{`{"text":"x","names":["a",1]}`, "names[1] is the number 1: give a text"},
		{`{"text":"x","names":["a","b","c"]}`, "names has 3 entries: give at most 2"},
		{`{"text":"x","names":["abcd"]}`, "names[0] has 4 characters: give at most 3"},
		{`{"text":"x","inner":{}}`, "inner.city is missing: give it: a text"},
		{`{"text":"x","inner":{"city":"Rome","zip":1}}`, "inner.zip is not a field of this tool: leave it out; the tool takes the field city"},
		{`{"text":"x","txet":"y"}`, "txet is not a field of this tool: leave it out; the tool takes the fields text, count, small, share, really, names, free and inner"},
		{`{"count":"many","zip":1}`, "text is missing: give it: a text (some text); count is the text \"many\": give a whole number; zip is not a field"},
		{`[]`, "the input is a list: send a JSON object with the fields text, "},
		{`"text"`, `the input is the text "text": send a JSON object`},
		{`{"text":"x"} {}`, "the input is more than one JSON value: send one JSON object"},
		{`{"text":"x"`, "the input is not JSON (unexpected EOF): send one JSON object"},
		{`{"text":"` + strings.Repeat("x", 2<<20) + `"}`, "the input has 2097163 bytes: send at most 1048576"},
	} {
		result, err := table.Call(t.Context(), "wide", json.RawMessage(c.input))
		if !errors.Is(err, tool.ErrInput) || !result.IsError {
			t.Errorf("%.60s: %v", c.input, err)
		}
		if !strings.Contains(result.Text, c.want) {
			t.Errorf("%.60s:\n got %s\nwant %s", c.input, result.Text, c.want)
		}
		if strings.Contains(result.Text, "\n") || len(result.Text) > 1000 {
			t.Errorf("%.60s: the text has several lines or %d bytes: %s", c.input, len(result.Text), result.Text)
		}
	}
}

func TestGoodInputArrivesAsItIs(t *testing.T) {
	var got wide
	table := mustTable(t, []*tool.Tool{wideTool(func(in wide) { got = in })})
	const input = `{"text":"<ü>","count":10,"small":255,"share":2.5,"really":true,"names":["a"],"free":{"n":9007199254740993,"null":null},"inner":{"city":"Rome"}}`
	if result, err := table.Call(t.Context(), "wide", json.RawMessage(input)); err != nil {
		t.Fatal(result, err)
	}
	if got.Text != "<ü>" || got.Count != 10 || got.Small != 255 || got.Share != 2.5 || !got.Really || got.Inner.City != "Rome" {
		t.Errorf("got %+v", got)
	}
	if _, ok := got.Free["null"]; !ok {
		t.Error("null was taken out of a field that is free")
	}
}

func FuzzInput(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{"text":"x","count":3,"names":["a"],"inner":{"city":null}}`, `{"text":"\ud800"}`, `{"text":"x","small":1e2}`,
		`{"free":{"a":{"b":[null,1e400]}}}`, `{"text":"a","text":null}`, `[[[[`, `{"inner":[]}`, "{\"text\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	table, err := tool.NewTable([]*tool.Tool{wideTool(func(in wide) {
		if strings.TrimSpace(in.Text) == "" || in.Count > 10 || len(in.Names) > 2 {
			panic("the schema does not accept this")
		}
	})})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		result, err := table.Call(t.Context(), "wide", input)
		if errors.Is(err, tool.ErrPanicked) {
			t.Fatalf("%q: %v", input, err)
		}
		if (err != nil) != result.IsError || result.Text == "" {
			t.Fatalf("%q: %+v, %v", input, result, err)
		}
		if err != nil && !errors.Is(err, tool.ErrInput) {
			t.Fatalf("%q: %v", input, err)
		}
	})
}
