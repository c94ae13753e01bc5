package jsonrpc_test

import (
	"context"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

func TestPartsKeyedByKindByTypeOrByNeither(t *testing.T) {
	text := a2a.ContentParts{a2a.NewTextPart("x")}
	raw := a2a.ContentParts{{Content: a2a.Raw("abc"), Filename: "a.bin", MediaType: "image/png"}}
	uri := a2a.ContentParts{{Content: a2a.URL("workspace:/a.txt"), Filename: "a.txt", MediaType: "text/plain"}}
	data := a2a.ContentParts{a2a.NewDataPart(map[string]any{"k": 1.0})}
	for _, c := range []struct {
		parts string
		want  a2a.ContentParts // nil is refused
	}{
		{`[{"kind":"text","text":"x"}]`, text},
		{`[{"type":"text","text":"x"}]`, text},
		{`[{"text":"x"}]`, text},
		{`[{"kind":"whatever","text":"x"}]`, text},
		{`[{"type":"input_text","text":"x"}]`, text},
		{`[{"kind":"text","type":"file","text":"x"}]`, text},
		{`[{"kind":"text","text":"x","file":null,"data":null,"raw":null,"url":null}]`, text},
		{`[{"text":"x","url":""}]`, text},
		{`[{"text":""}]`, a2a.ContentParts{a2a.NewTextPart("")}},
		{`[{"text":"x","metadata":{"a":1}}]`, a2a.ContentParts{{Content: a2a.Text("x"), Metadata: map[string]any{"a": 1.0}}}},

		{`[{"kind":"file","file":{"uri":"workspace:/a.txt","name":"a.txt","mimeType":"text/plain","size":3}}]`, uri},
		{`[{"type":"file","file":{"uri":"workspace:/a.txt","name":"a.txt","mimeType":"text/plain"}}]`, uri},
		{`[{"file":{"uri":"workspace:/a.txt","name":"a.txt","mimeType":"text/plain","bytes":null}}]`, uri},
		{`[{"url":"workspace:/a.txt","filename":"a.txt","mediaType":"text/plain"}]`, uri},
		{`[{"kind":"file","file":{"bytes":"YWJj","name":"a.bin","mimeType":"image/png"}}]`, raw},
		{`[{"kind":"file","file":{"bytes":"YWJj","uri":"","name":"a.bin","mimeType":"image/png"}}]`, raw},
		{`[{"raw":"YWJj","filename":"a.bin","mediaType":"image/png"}]`, raw},
		{`[{"raw":""}]`, a2a.ContentParts{a2a.NewRawPart([]byte{})}},

		{`[{"kind":"data","data":{"k":1}}]`, data},
		{`[{"type":"data","data":{"k":1}}]`, data},
		{`[{"data":{"k":1}}]`, data},
		{`[{"data":[1,"a",null]}]`, a2a.ContentParts{a2a.NewDataPart([]any{1.0, "a", nil})}},
		{`[{"kind":"data","data":{"value":[1]},"metadata":{"data_part_compat":true}}]`, a2a.ContentParts{a2a.NewDataPart([]any{1.0})}},
		{`[{"kind":"data","data":{"value":[1]},"metadata":{"data_part_compat":true,"a":1}}]`, a2a.ContentParts{{Content: a2a.Data{Value: []any{1.0}}, Metadata: map[string]any{"a": 1.0}}}},
		{`[{"kind":"data","data":{"value":[1]}}]`, a2a.ContentParts{a2a.NewDataPart(map[string]any{"value": []any{1.0}})}},
		{`[{"text":"a"},{"data":{"k":1}},{"url":"u"}]`, a2a.ContentParts{a2a.NewTextPart("a"), data[0], {Content: a2a.URL("u")}}},

		{`[{"kind":"file"}]`, nil},
		{`[{"kind":"file","file":{}}]`, nil},
		{`[{"kind":"file","file":{"uri":"","name":"a"}}]`, nil},
		{`[{"kind":"file","file":{"uri":"u","bytes":"YWJj"}}]`, nil},
		{`[{"kind":"file","file":{"bytes":"not base64!"}}]`, nil},
		{`[{"raw":"not base64!"}]`, nil},
		{`[{"url":""}]`, nil},
		{`[{"kind":"text"}]`, nil},
		{`[{"kind":"text","text":"x","file":{"uri":"u"}}]`, nil}, // which one is meant? either would be lost without a word
		{`[{"text":"x","data":{"k":1}}]`, nil},
		{`[{"text":"x","raw":"YWJj"}]`, nil},
		{`[{"kind":1,"text":"x"}]`, nil},
	} {
		for _, method := range []string{"message/send", "SendMessage"} {
			t.Run(method+" "+c.parts, func(t *testing.T) {
				a := new(agent)
				got := post(t, jsonrpc.NewHandler(a), call(method, `{"message":{"parts":`+c.parts+`}}`))
				if c.want == nil {
					got.wantError(t, -32602)
					return
				}
				got.wantResult(t)
				if diff := cmp.Diff(c.want, a.last.Load().Message.Parts); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEverythingOfAMessageReachesTheHandler(t *testing.T) {
	const message = `"message":{"messageId":"m","contextId":"c","taskId":"t","role":"%","parts":[{"text":"x"}],"metadata":{"in":"message","history":[]},"extensions":["https://e"],"referenceTaskIds":["r1","r2"]}`
	const metadata = `"metadata":{"history":[{"role":"user","parts":[{"kind":"text","text":"earlier"}]}],"traceparent":null}`
	want := &a2a.SendMessageRequest{
		Message: &a2a.Message{
			ID: "m", ContextID: "c", TaskID: "t", Role: a2a.MessageRoleUser, Parts: a2a.ContentParts{a2a.NewTextPart("x")},
			Metadata: map[string]any{"in": "message", "history": []any{}}, Extensions: []string{"https://e"}, ReferenceTasks: []a2a.TaskID{"r1", "r2"},
		},
		Metadata: map[string]any{
			"history":     []any{map[string]any{"role": "user", "parts": []any{map[string]any{"kind": "text", "text": "earlier"}}}},
			"traceparent": nil,
		},
	}
	for method, role := range map[string]string{"message/send": "user", "message/stream": "user", "SendMessage": "ROLE_USER", "SendStreamingMessage": "ROLE_USER"} {
		a := new(agent)
		params := `{` + message[:len(`"message":{"messageId":"m","contextId":"c","taskId":"t","role":"`)] + role + message[len(`"message":{"messageId":"m","contextId":"c","taskId":"t","role":"%`):] + `,` + metadata + `}`
		post(t, jsonrpc.NewHandler(a), call(method, params))
		if diff := cmp.Diff(want, a.last.Load()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
}

func TestTheConfigurationReachesTheHandler(t *testing.T) {
	three := 3
	for _, c := range []struct {
		method, configuration string
		want                  *a2a.SendMessageConfig
	}{
		{"message/send", `null`, nil},
		{"message/send", `{}`, &a2a.SendMessageConfig{}}, // blocking unless it says otherwise
		{"message/send", `{"blocking":true}`, &a2a.SendMessageConfig{}},
		{"message/send", `{"blocking":null}`, &a2a.SendMessageConfig{}},
		{"message/send", `{"blocking":false}`, &a2a.SendMessageConfig{ReturnImmediately: true}},
		{"message/send", `{"returnImmediately":true}`, &a2a.SendMessageConfig{}}, // of the other version
		{"message/send", `{"historyLength":3,"acceptedOutputModes":["text/plain"]}`, &a2a.SendMessageConfig{HistoryLength: &three, AcceptedOutputModes: []string{"text/plain"}}},
		{
			"message/send", `{"pushNotificationConfig":{"id":"p","url":"http://x","token":"k","authentication":{"schemes":["Bearer","Basic"],"credentials":"c"}}}`,
			&a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{TaskID: "t", ID: "p", URL: "http://x", Token: "k", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "c"}}},
		},
		{"SendMessage", `null`, nil},
		{"SendMessage", `{}`, &a2a.SendMessageConfig{}},
		{"SendMessage", `{"returnImmediately":true}`, &a2a.SendMessageConfig{ReturnImmediately: true}},
		{"SendMessage", `{"blocking":false}`, &a2a.SendMessageConfig{}},
		{"SendMessage", `{"historyLength":3,"acceptedOutputModes":["text/plain"]}`, &a2a.SendMessageConfig{HistoryLength: &three, AcceptedOutputModes: []string{"text/plain"}}},
		{
			"SendMessage", `{"taskPushNotificationConfig":{"id":"p","url":"http://x","authentication":{"scheme":"Bearer"}}}`,
			&a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{ID: "p", URL: "http://x", Auth: &a2a.PushAuthInfo{Scheme: "Bearer"}}},
		},
	} {
		a := new(agent)
		post(t, jsonrpc.NewHandler(a), call(c.method, `{"message":{"taskId":"t","parts":[{"text":"x"}]},"configuration":`+c.configuration+`}`)).wantResult(t)
		if diff := cmp.Diff(c.want, a.last.Load().Config); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.configuration, diff)
		}
	}
}

func TestTheOtherRequestsReachTheHandler(t *testing.T) {
	var got any
	a := &agent{
		get: func(_ context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
			got = req
			return nil, a2a.ErrTaskNotFound
		},
		cancel: func(_ context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
			got = req
			return nil, a2a.ErrTaskNotFound
		},
		list: func(_ context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
			got = req
			return nil, a2a.ErrUnauthenticated
		},
		getPush: func(_ context.Context, req *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
			got = req
			return nil, a2a.ErrTaskNotFound
		},
		createPush: func(_ context.Context, req *a2a.PushConfig) (*a2a.PushConfig, error) {
			got = req
			return nil, a2a.ErrTaskNotFound
		},
		listPush: func(_ context.Context, req *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
			got = req
			return nil, a2a.ErrTaskNotFound
		},
		card: func(_ context.Context, req *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
			got = req
			return nil, a2a.ErrExtendedCardNotConfigured
		},
	}
	two, since := 2, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		method, params string
		want           any
	}{
		{"tasks/get", `{"id":"t","historyLength":2}`, &a2a.GetTaskRequest{ID: "t", HistoryLength: &two}},
		{"GetTask", `{"id":"t","historyLength":2,"tenant":"n"}`, &a2a.GetTaskRequest{ID: "t", HistoryLength: &two, Tenant: "n"}},
		{"tasks/cancel", `{"id":"t","metadata":{"a":1}}`, &a2a.CancelTaskRequest{ID: "t", Metadata: map[string]any{"a": 1.0}}},
		{"CancelTask", `{"id":"t","metadata":{"a":1}}`, &a2a.CancelTaskRequest{ID: "t", Metadata: map[string]any{"a": 1.0}}},
		{
			"ListTasks", `{"contextId":"c","status":"TASK_STATE_WORKING","pageSize":7,"pageToken":"p","historyLength":2,"statusTimestampAfter":"2026-01-02T03:04:05Z","includeArtifacts":true}`,
			&a2a.ListTasksRequest{ContextID: "c", Status: a2a.TaskStateWorking, PageSize: 7, PageToken: "p", HistoryLength: &two, StatusTimestampAfter: &since, IncludeArtifacts: true},
		},
		{"tasks/pushNotificationConfig/get", `{"id":"t","pushNotificationConfigId":"c"}`, &a2a.GetTaskPushConfigRequest{TaskID: "t", ID: "c"}},
		{"tasks/pushNotificationConfig/get", `{"id":"t"}`, &a2a.GetTaskPushConfigRequest{TaskID: "t"}},
		{"GetTaskPushNotificationConfig", `{"taskId":"t","id":"c"}`, &a2a.GetTaskPushConfigRequest{TaskID: "t", ID: "c"}},
		{
			"tasks/pushNotificationConfig/set", `{"taskId":"t","pushNotificationConfig":{"id":"c","url":"http://x","token":"k","authentication":{"schemes":["Basic"],"credentials":"s"}}}`,
			&a2a.PushConfig{TaskID: "t", ID: "c", URL: "http://x", Token: "k", Auth: &a2a.PushAuthInfo{Scheme: "Basic", Credentials: "s"}},
		},
		{
			"CreateTaskPushNotificationConfig", `{"taskId":"t","id":"c","url":"http://x","token":"k","authentication":{"scheme":"Basic","credentials":"s"}}`,
			&a2a.PushConfig{TaskID: "t", ID: "c", URL: "http://x", Token: "k", Auth: &a2a.PushAuthInfo{Scheme: "Basic", Credentials: "s"}},
		},
		{"tasks/pushNotificationConfig/list", `{"id":"t"}`, &a2a.ListTaskPushConfigRequest{TaskID: "t"}},
		{"ListTaskPushNotificationConfigs", `{"taskId":"t","pageSize":3,"pageToken":"p"}`, &a2a.ListTaskPushConfigRequest{TaskID: "t", PageSize: 3, PageToken: "p"}},
		{"agent/getAuthenticatedExtendedCard", `null`, &a2a.GetExtendedAgentCardRequest{}},
		{"GetExtendedAgentCard", `{"tenant":"n"}`, &a2a.GetExtendedAgentCardRequest{Tenant: "n"}},
	} {
		got = nil
		post(t, jsonrpc.NewHandler(a), call(c.method, c.params)).rpc(t)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.method, diff)
		}
	}
}
