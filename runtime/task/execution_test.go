package task_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// ran returns the task of an agent that only does do.
func ran(t testing.TB, do func(x *task.Execution)) *a2a.Task {
	t.Helper()
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error { do(x); return nil })
	defer drain(t, e)
	got := finish(t, e, send("hi"))
	wantState(t, got, a2a.TaskStateCompleted)
	return got
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReplyHasOneTextPartPerRunOfText(t *testing.T) {
	got := ran(t, func(x *task.Execution) {
		for _, s := range []string{"one ", "run ", "of text"} {
			x.WriteText([]byte(s))
		}
		x.WriteParts(a2a.NewRawPart([]byte("file")), a2a.NewDataPart(map[string]any{"n": 1}))
		x.WriteText([]byte("another"))
		x.WriteText([]byte(" one"))
	})
	want := `[{"artifactId":"reply","parts":[{"text":"one run of text"},{"raw":"ZmlsZQ=="},{"data":{"n":1}},{"text":"another one"}]}]`
	if text := jsonOf(t, got.Artifacts); text != want {
		t.Errorf("artifacts %s\nwant      %s", text, want)
	}
}

func TestNothingWrittenIsNoArtifact(t *testing.T) {
	got := ran(t, func(x *task.Execution) {
		x.WriteText(nil)
		if err := x.WriteParts(); err != nil {
			t.Error(err)
		}
	})
	if got.Artifacts != nil || got.Metadata != nil {
		t.Errorf("the task has %+v", got)
	}
}

func TestArtifactsBesideTheReply(t *testing.T) {
	text := func(s string) a2a.ContentParts { return a2a.ContentParts{a2a.NewTextPart(s)} }
	got := ran(t, func(x *task.Execution) {
		for _, a := range []*a2a.Artifact{
			{ID: "before", Parts: text("b"), Name: "a name", Metadata: map[string]any{"k": []string{"v"}}},
			{ID: "changed", Parts: text("old")},
		} {
			if err := x.AddArtifact(a); err != nil {
				t.Error(err)
			}
		}
		x.WriteText([]byte("reply"))
		x.AddArtifact(&a2a.Artifact{Parts: text("no id")})
		x.AddArtifact(&a2a.Artifact{ID: "changed", Parts: text("new")})
	})
	if id := got.Artifacts[3].ID; id == "" {
		t.Error("the empty id was not filled in")
	}
	got.Artifacts[3].ID = "made up"
	want := `[{"artifactId":"before","metadata":{"k":["v"]},"name":"a name","parts":[{"text":"b"}]},` +
		`{"artifactId":"changed","parts":[{"text":"new"}]},` +
		`{"artifactId":"reply","parts":[{"text":"reply"}]},` +
		`{"artifactId":"made up","parts":[{"text":"no id"}]}]`
	if text := jsonOf(t, got.Artifacts); text != want {
		t.Errorf("artifacts %s\nwant      %s", text, want)
	}
}

func TestPartsThatCannotBeSent(t *testing.T) {
	for _, tc := range []struct {
		name   string
		part   *a2a.Part
		saying string
	}{
		{"nil", nil, "it is nil"},
		{"no content", &a2a.Part{}, "no content"},
		{"no URL", a2a.NewFileURLPart("", ""), "URL is empty"},
		{"null", a2a.NewDataPart(nil), "null"},
		{"not a number", a2a.NewDataPart(math.NaN()), "unsupported value"},
		{"a channel", a2a.NewDataPart(make(chan int)), "unsupported type"},
		{"a function in the metadata", &a2a.Part{Content: a2a.Text("x"), Metadata: map[string]any{"f": func() {}}}, "unsupported type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ran(t, func(x *task.Execution) {
				for _, err := range []error{
					x.WriteParts(a2a.NewTextPart("good"), tc.part),
					x.AddArtifact(&a2a.Artifact{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart("good"), tc.part}}),
				} {
					if err == nil || !strings.Contains(err.Error(), tc.saying) || !strings.Contains(err.Error(), "part 2 of 2") {
						t.Errorf("error %v, want one that says %q", err, tc.saying)
					}
				}
			})
			if got.Artifacts != nil {
				t.Errorf("something was written: %s", jsonOf(t, got.Artifacts))
			}
		})
	}
}

func TestArtifactsThatCannotBeAdded(t *testing.T) {
	parts := a2a.ContentParts{a2a.NewTextPart("x")}
	got := ran(t, func(x *task.Execution) {
		for name, a := range map[string]*a2a.Artifact{
			"nil":          nil,
			"no parts":     {ID: "a"},
			"the reply":    {ID: task.ReplyArtifactID, Parts: parts},
			"bad metadata": {ID: "a", Parts: parts, Metadata: map[string]any{"f": func() {}}},
		} {
			if err := x.AddArtifact(a); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
	if got.Artifacts != nil {
		t.Errorf("something was added: %s", jsonOf(t, got.Artifacts))
	}
}

// TestAgentMayEmitAnyJSON: the stock handler copies with gob, which fails the
// task for each of these.
func TestAgentMayEmitAnyJSON(t *testing.T) {
	type point struct {
		X uint `json:"x"`
	}
	values := []any{point{1}, &point{2}, map[string]string{"a": "b"}, json.RawMessage(`{"big":9007199254740993}`), uint(3), []point{{4}}, "text", true}
	got := ran(t, func(x *task.Execution) {
		for _, v := range values {
			if err := x.WriteParts(&a2a.Part{Content: a2a.Data{Value: v}, Metadata: map[string]any{"m": v}}); err != nil {
				t.Errorf("%T: %v", v, err)
			}
		}
	})
	for i, p := range got.Artifacts[0].Parts {
		if want, text := jsonOf(t, values[i]), jsonOf(t, p.Data()); text != want {
			t.Errorf("data %s, want %s", text, want)
		}
		if want, text := jsonOf(t, values[i]), jsonOf(t, p.Metadata["m"]); text != want {
			t.Errorf("metadata %s, want %s", text, want)
		}
	}
}

// TestWhatIsTooDeepIsRefused, whoever brings it: it could be stored, but not be
// read again.
func TestWhatIsTooDeepIsRefused(t *testing.T) {
	nested := func(depth int) any {
		v := any("x")
		for range depth {
			v = []any{v}
		}
		return v
	}
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		if err := x.WriteParts(a2a.NewDataPart(nested(1001))); err == nil || !strings.Contains(err.Error(), "deeper than 1000") {
			t.Errorf("WriteParts: %v", err)
		}
		return x.WriteParts(a2a.NewDataPart(nested(1000)))
	})
	defer drain(t, e)
	req := send("hi")
	req.Message.Metadata = map[string]any{"[]{}\"[": nested(9999)}
	_, err := e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrInvalidParams, "deeper than 1000")
	req.Message.Metadata = map[string]any{strings.Repeat("[\"", 2000): nested(999)}
	got := finish(t, e, req)
	wantState(t, got, a2a.TaskStateCompleted)
	wantState(t, get(t, e, got.ID), a2a.TaskStateCompleted) // from the store
}

func TestWhatWasWrittenCannotBeChanged(t *testing.T) {
	got := ran(t, func(x *task.Execution) {
		data, meta := map[string]any{"k": "v"}, map[string]any{"k": "v"}
		part := &a2a.Part{Content: a2a.Data{Value: data}, Metadata: meta}
		parts := []*a2a.Part{part}
		x.WriteParts(parts...)
		data["k"], meta["k"], part.Filename, parts[0] = "changed", "changed", "changed", nil
	})
	if text := jsonOf(t, got.Artifacts[0].Parts); text != `[{"data":{"k":"v"},"metadata":{"k":"v"}}]` {
		t.Errorf("the part is %s", text)
	}
}

func TestReadersOwnWhatTheyRead(t *testing.T) {
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		x.WriteText([]byte("text"))
		x.AddArtifact(&a2a.Artifact{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart("x")}})
		x.AddUsage(1, 1)
		return task.Public(nil, "no")
	})
	defer drain(t, e)
	id := finish(t, e, send("hi")).ID
	before := jsonOf(t, get(t, e, id))
	spoil := func(s *a2a.Task) {
		s.SetMeta("spoiled", true)
		s.Status.State = "spoiled"
		s.History = append(s.History[:0], nil)
		if s.Status.Message != nil {
			s.Status.Message.SetMeta("spoiled", true)
		}
		for _, a := range s.Artifacts {
			a.SetMeta("spoiled", true)
			a.Parts[0] = nil
		}
	}
	spoil(get(t, e, id))
	e.StreamTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}, 1, func(_ uint64, ev a2a.Event) bool {
		ev.SetMeta("spoiled", true)
		if up, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			up.Artifact.SetMeta("spoiled", true)
			up.Artifact.Parts[0] = nil
		}
		return true
	})
	if after := jsonOf(t, get(t, e, id)); after != before {
		t.Errorf("the task has changed\nfrom %s\nto   %s", before, after)
	}
}

func TestUsageAndToolTraceAreInTheMetadata(t *testing.T) {
	var final map[string]any
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		x.AddUsage(100, 20)
		x.AddUsage(10, -5)
		x.AddToolTrace(task.ToolTrace{Tool: "search", Input: "query", OutputPreview: "found"})
		x.AddToolTrace(task.ToolTrace{Tool: "t", Input: strings.Repeat("é", 600), OutputPreview: "a\x00b\xff" + strings.Repeat("x", 600)})
		return nil
	})
	defer drain(t, e)
	for ev := range e.SendStreamingMessage(t.Context(), send("hi")) {
		final = ev.Meta()
	}
	want := `{"tool_trace":[{"input":"query","output_preview":"found","tool":"search"},` +
		`{"input":"` + strings.Repeat("é", 500) + `","output_preview":"ab\ufffd` + strings.Repeat("x", 297) + `","tool":"t"}],` +
		`"usage":{"input_tokens":110,"output_tokens":20}}`
	want = strings.ReplaceAll(want, `\ufffd`, "\ufffd")
	if diff := cmp.Diff(want, jsonOf(t, final)); diff != "" {
		t.Errorf("metadata of the final event (-want +got):\n%s", diff)
	}
	list, err := e.ListTasks(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, jsonOf(t, list.Tasks[0].Metadata)); diff != "" {
		t.Errorf("metadata of the task (-want +got):\n%s", diff)
	}
}

func TestUsageAndToolTraceAreBounded(t *testing.T) {
	got := ran(t, func(x *task.Execution) {
		for range 300 {
			x.AddToolTrace(task.ToolTrace{Tool: "t"})
		}
		x.AddUsage(math.MaxInt, 5)
		x.AddUsage(math.MaxInt, math.MinInt)
	})
	if n := len(got.Metadata[task.MetadataToolTrace].([]any)); n != 200 {
		t.Errorf("%d entries, want 200", n)
	}
	if usage := jsonOf(t, got.Metadata[task.MetadataUsage]); usage != `{"input_tokens":2147483647,"output_tokens":5}` {
		t.Errorf("usage %s", usage)
	}
}

func TestExecutionHasTheTurn(t *testing.T) {
	req := send("hi")
	req.Message.Metadata = map[string]any{"kind": "restart_context"}
	req.Metadata = map[string]any{"a": "b"}
	e := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		m := x.Message()
		if x.TaskID() == "" || m.TaskID != x.TaskID() || x.ContextID() == "" || m.ContextID != x.ContextID() {
			t.Errorf("ids %q %q, of the message %q %q", x.TaskID(), x.ContextID(), m.TaskID, m.ContextID)
		}
		if m.ID != req.Message.ID || m.Parts[0].Text() != "hi" || m.Metadata["kind"] != "restart_context" {
			t.Errorf("the message is %+v", m)
		}
		if x.Metadata()["a"] != "b" || x.History() != nil {
			t.Errorf("metadata %v, history %v", x.Metadata(), x.History())
		}
		return nil
	})
	defer drain(t, e)
	finish(t, e, req)
}
