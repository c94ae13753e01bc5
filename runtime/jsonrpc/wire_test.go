package jsonrpc_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"
	"time"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// everyEvent is one of each kind of event, with all that can be in it.
func everyEvent() map[string]a2a.Event {
	when := time.Date(2026, 11, 23, 17, 0, 0, 123456789, time.UTC)
	parts := func() a2a.ContentParts {
		return a2a.ContentParts{
			{Content: a2a.Text("text <b> \u2028\n\"ü"), Metadata: map[string]any{"m": 1.0}},
			{Content: a2a.Raw("bytes"), Filename: "a.bin", MediaType: "image/png"},
			{Content: a2a.URL("https://u"), Filename: "u", MediaType: "text/plain", Metadata: map[string]any{"m": true}},
			{Content: a2a.Data{Value: map[string]any{"k": []any{1.0, nil}}}},
			{Content: a2a.Data{Value: []any{"no", "object"}}, Metadata: map[string]any{"m": "x"}},
			{Content: a2a.Data{Value: "a string"}},
		}
	}
	message := func(role a2a.MessageRole) *a2a.Message {
		return &a2a.Message{
			ID: "m", ContextID: "ctx-1", TaskID: "task-1", Role: role, Parts: parts(), Metadata: map[string]any{"a": "b"},
			Extensions: []string{"https://e"}, ReferenceTasks: []a2a.TaskID{"r"},
		}
	}
	artifact := func() *a2a.Artifact {
		return &a2a.Artifact{ID: "art", Name: "n", Description: "d", Parts: parts(), Metadata: map[string]any{"a": "b"}, Extensions: []string{"https://e"}}
	}
	events := map[string]a2a.Event{
		"message": message(a2a.MessageRoleAgent),
		"task": &a2a.Task{
			ID: "task-1", ContextID: "ctx-1", Status: a2a.TaskStatus{State: a2a.TaskStateCompleted, Message: message(a2a.MessageRoleAgent), Timestamp: &when},
			Artifacts: []*a2a.Artifact{artifact(), artifact()}, History: []*a2a.Message{message(a2a.MessageRoleUser), message(a2a.MessageRoleAgent)},
			Metadata: map[string]any{"tool_trace": []any{map[string]any{"tool": "sh"}}},
		},
		"small task":      &a2a.Task{ID: "task-1", ContextID: "ctx-1", Status: a2a.TaskStatus{State: a2a.TaskStateSubmitted}},
		"artifact update": &a2a.TaskArtifactUpdateEvent{TaskID: "task-1", ContextID: "ctx-1", Artifact: artifact(), Append: true, LastChunk: true, Metadata: map[string]any{"a": "b"}},
		"chunk":           a2a.NewArtifactUpdateEvent(info, "reply", a2a.NewTextPart("chunk")),
	}
	for _, state := range []a2a.TaskState{
		a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateInputRequired, a2a.TaskStateAuthRequired,
		a2a.TaskStateCompleted, a2a.TaskStateCanceled, a2a.TaskStateFailed, a2a.TaskStateRejected,
	} {
		events[string(state)] = &a2a.TaskStatusUpdateEvent{
			TaskID: "task-1", ContextID: "ctx-1", Metadata: map[string]any{"a": "b"},
			Status: a2a.TaskStatus{State: state, Message: message(a2a.MessageRoleAgent), Timestamp: &when},
		}
	}
	return events
}

// sent is an event as it stands under result, streamed in a dialect.
func sent(t *testing.T, ev a2a.Event, body string) json.RawMessage {
	t.Helper()
	a := &agent{stream: func(context.Context, *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
		return func(yield func(a2a.Event, error) bool) { yield(ev, nil) }
	}}
	events := post(t, jsonrpc.NewHandler(a), body).events(t)
	if len(events) != 1 {
		t.Fatalf("got %+v", events)
	}
	r := parseResponse(t, events[0].data)
	if r.Error != nil {
		t.Fatalf("got %s", events[0].data)
	}
	return r.Result
}

// TestEventsOf03AreWhatTheLibrarysTypesSay compares with the library's own
// conversion, which is right about what it can carry.
func TestEventsOf03AreWhatTheLibrarysTypesSay(t *testing.T) {
	for name, ev := range everyEvent() {
		t.Run(name, func(t *testing.T) {
			got, err := legacy.UnmarshalEventJSON(sent(t, ev, helloStream03))
			if err != nil {
				t.Fatal(err)
			}
			want, err := a2av0.FromV1Event(ev)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsOf03ComeBackWhole(t *testing.T) {
	for name, ev := range everyEvent() {
		t.Run(name, func(t *testing.T) {
			older, err := legacy.UnmarshalEventJSON(sent(t, ev, helloStream03))
			if err != nil {
				t.Fatal(err)
			}
			got, err := a2av0.ToV1Event(older)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ev, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsOf10ComeBackWhole(t *testing.T) {
	for name, ev := range everyEvent() {
		t.Run(name, func(t *testing.T) {
			var got a2a.StreamResponse
			if err := json.Unmarshal(sent(t, ev, helloStream10), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ev, got.Event, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFinalIsDerivedIn03(t *testing.T) {
	for state, want := range map[a2a.TaskState]bool{
		a2a.TaskStateSubmitted: false, a2a.TaskStateWorking: false, a2a.TaskStateAuthRequired: false, a2a.TaskStateInputRequired: true,
		a2a.TaskStateCompleted: true, a2a.TaskStateCanceled: true, a2a.TaskStateFailed: true, a2a.TaskStateRejected: true,
	} {
		var got struct {
			Kind  string `json:"kind"`
			Final *bool  `json:"final"`
		}
		if err := json.Unmarshal(sent(t, a2a.NewStatusUpdateEvent(info, state, nil), helloStream03), &got); err != nil {
			t.Fatal(err)
		}
		if got.Kind != "status-update" || got.Final == nil || *got.Final != want {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

// answerOf is the result of a message/send or SendMessage.
func answerOf(t *testing.T, result a2a.SendMessageResult, body string) string {
	t.Helper()
	a := &agent{send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) { return result, nil }}
	return post(t, jsonrpc.NewHandler(a), body).wantResult(t)
}

func TestThePlatformFindsTheTextOfA03Answer(t *testing.T) {
	said := func(s string) *a2a.Message {
		return &a2a.Message{ID: "m", Role: a2a.MessageRoleAgent, Parts: a2a.ContentParts{a2a.NewTextPart(s)}}
	}
	for _, c := range []struct {
		name   string
		answer a2a.SendMessageResult
		want   string
	}{
		{"a message", said("hello"), "hello"},
		{"a message without a role", &a2a.Message{ID: "m", Parts: a2a.ContentParts{a2a.NewTextPart("hello")}}, "hello"},
		{"a task", &a2a.Task{ID: "t", Artifacts: []*a2a.Artifact{{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart("hello")}}}}, "hello"},
		{"a task that also has a status message", &a2a.Task{
			ID: "t", Status: a2a.TaskStatus{State: a2a.TaskStateCompleted, Message: said("status")},
			Artifacts: []*a2a.Artifact{{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart("hello")}}},
		}, "hello"},
		{"a task that has nothing else", &a2a.Task{ID: "t", Status: a2a.TaskStatus{State: a2a.TaskStateFailed, Message: said("it failed")}}, "it failed"},
		{"a task with a file", &a2a.Task{
			ID: "t", Status: a2a.TaskStatus{State: a2a.TaskStateCompleted, Message: said("see the file")},
			Artifacts: []*a2a.Artifact{{ID: "a", Parts: a2a.ContentParts{a2a.NewRawPart([]byte("x"))}}},
		}, "see the file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := answerOf(t, c.answer, hello03)
			if got := platformText(t, result); got != c.want {
				t.Errorf("the platform reads %q in %s, want %q", got, result, c.want)
			}
			if ev, err := legacy.UnmarshalEventJSON([]byte(result)); err != nil {
				t.Errorf("a 0.3 client: %v", err)
			} else if message, ok := ev.(*legacy.Message); ok && message.Role != legacy.MessageRoleAgent {
				t.Errorf("a 0.3 client reads role %q", message.Role)
			}
		})
	}
}

// platformText is the text the platform finds in a result: result.parts, or
// else result.artifacts[].parts, of parts whose kind is text.
func platformText(t *testing.T, result string) string {
	t.Helper()
	type parts []struct{ Kind, Text string }
	var r struct {
		Parts     parts
		Artifacts []struct{ Parts parts }
	}
	if err := json.Unmarshal([]byte(result), &r); err != nil {
		t.Fatal(err)
	}
	for _, artifact := range r.Artifacts {
		r.Parts = append(r.Parts, artifact.Parts...)
	}
	var b strings.Builder
	for _, p := range r.Parts {
		if p.Kind == "text" {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func TestUsageAndToolTraceAreWhereThePlatformReadsThem(t *testing.T) {
	metadata := func() map[string]any {
		return map[string]any{
			"usage":      map[string]any{"input_tokens": int64(11), "output_tokens": int64(7)},
			"tool_trace": []any{map[string]any{"tool": "sh", "input": "ls"}},
		}
	}
	for name, answer := range map[string]a2a.SendMessageResult{
		"a task":    &a2a.Task{ID: "t", Metadata: metadata()},
		"a message": &a2a.Message{ID: "m", Role: a2a.MessageRoleAgent, Metadata: metadata()},
	} {
		var got struct {
			Usage    struct{ Input_tokens, Output_tokens int }
			Metadata struct {
				Tool_trace []struct{ Tool, Input string }
			}
		}
		if err := json.Unmarshal([]byte(answerOf(t, answer, hello03)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Usage.Input_tokens != 11 || got.Usage.Output_tokens != 7 || len(got.Metadata.Tool_trace) != 1 || got.Metadata.Tool_trace[0].Tool != "sh" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// The engine's own counting ends up there too.
	got := post(t, jsonrpc.NewHandler(turns(t)), hello03).wantResult(t)
	if !strings.Contains(got, `"usage":{"input_tokens":11,"output_tokens":7}`) || !strings.Contains(got, `"tool_trace":[{`) || platformText(t, got) != "You said: hello" {
		t.Errorf("got %s", got)
	}
}

func TestAnswersAreInTheDialectOfTheQuestion(t *testing.T) {
	task := &a2a.Task{ID: "t", ContextID: "c", Status: a2a.TaskStatus{State: a2a.TaskStateWorking}}
	a := &agent{
		send:   func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) { return task, nil },
		get:    func(context.Context, *a2a.GetTaskRequest) (*a2a.Task, error) { return task, nil },
		cancel: func(context.Context, *a2a.CancelTaskRequest) (*a2a.Task, error) { return task, nil },
		list: func(context.Context, *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
			return &a2a.ListTasksResponse{Tasks: []*a2a.Task{task}, TotalSize: 1, PageSize: 50}, nil
		},
		listPush: func(context.Context, *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
			return &a2a.ListTaskPushConfigResponse{Configs: []*a2a.PushConfig{{TaskID: "t", ID: "c", URL: "u", Auth: &a2a.PushAuthInfo{Scheme: "Basic"}}}}, nil
		},
	}
	h := jsonrpc.NewHandler(a)
	const task03 = `{"kind":"task","id":"t","contextId":"c","status":{"state":"working"}}`
	const task10 = `{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}`
	const push03 = `{"taskId":"t","pushNotificationConfig":{"id":"c","url":"u","authentication":{"schemes":["Basic"]}}}`
	const push10 = `{"taskId":"t","id":"c","authentication":{"scheme":"Basic"},"url":"u"}`
	for _, c := range []struct{ body, want string }{
		{hello03, task03},
		{call("tasks/get", `{"id":"t"}`), task03},
		{call("tasks/cancel", `{"id":"t"}`), task03},
		{call("tasks/pushNotificationConfig/set", `{"taskId":"t","pushNotificationConfig":{"id":"c","url":"u","authentication":{"schemes":["Basic"]}}}`), push03},
		{call("tasks/pushNotificationConfig/list", `{"id":"t"}`), `[` + push03 + `]`},
		{hello10, `{"task":` + task10 + `}`},
		{call("GetTask", `{"id":"t"}`), task10},
		{call("CancelTask", `{"id":"t"}`), task10},
		{call("ListTasks", `{}`), `{"tasks":[` + task10 + `],"totalSize":1,"pageSize":50,"nextPageToken":""}`},
		{call("CreateTaskPushNotificationConfig", push10), push10},
		{call("ListTaskPushNotificationConfigs", `{"taskId":"t"}`), `{"configs":[` + push10 + `]}`},
	} {
		var got, want any
		result := post(t, h, c.body).wantResult(t)
		if err := json.Unmarshal([]byte(result), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	h := jsonrpc.NewHandler(new(agent))
	for _, c := range []struct{ body, want string }{
		{call("ListTasks", `{}`), `"tasks":[]`},
		{call("ListTaskPushNotificationConfigs", `{"taskId":"t"}`), `"configs":[]`},
		{call("tasks/pushNotificationConfig/list", `{"id":"t"}`), `[]`},
	} {
		if got := post(t, h, c.body).wantResult(t); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s in it", c.body, got, c.want)
		}
	}
}

func TestWhatIsNilInsideAnAnswerIsLeftOut(t *testing.T) {
	odd := &a2a.Task{
		ID: "t", ContextID: "c", Artifacts: []*a2a.Artifact{nil, {ID: "a", Parts: a2a.ContentParts{nil, {}, a2a.NewTextPart("x")}}}, History: []*a2a.Message{nil, {ID: "m"}},
	}
	ev, err := legacy.UnmarshalEventJSON([]byte(answerOf(t, odd, hello03)))
	if err != nil {
		t.Fatal(err)
	}
	got := ev.(*legacy.Task)
	if len(got.Artifacts) != 1 || len(got.Artifacts[0].Parts) != 1 || len(got.History) != 1 {
		t.Errorf("0.3: %+v", got)
	}
}
