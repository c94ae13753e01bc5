package registry_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestEveryReplyShape(t *testing.T) {
	text := func(texts ...string) (parts []registry.A2APart) {
		for _, s := range texts {
			parts = append(parts, registry.A2APart{Text: s})
		}
		return parts
	}
	tests := []struct {
		name, result, text string
		want               *registry.A2AReply
	}{
		{"a message, keyed by kind, with a file and a trace",
			`{"kind":"message","role":"agent","messageId":"m-agent-1","contextId":"c","parts":[{"kind":"text","text":"echo: a"},{"kind":"file","file":{"uri":"workspace:/x","name":"x.txt","mimeType":"text/plain"}},{"kind":"text","text":"b"}],"metadata":{"tool_trace":[{"tool":"t"}]}}`,
			"echo: a\nb",
			&registry.A2AReply{Kind: "message", MessageID: "m-agent-1", ContextID: "c", Metadata: []byte(`{"tool_trace":[{"tool":"t"}]}`),
				Parts: []registry.A2APart{{Text: "echo: a"}, {File: &registry.A2AFile{URI: "workspace:/x", Name: "x.txt", MIMEType: "text/plain"}}, {Text: "b"}}}},
		{"a message, keyed by type", `{"kind":"message","parts":[{"type":"text","text":"a"}]}`, "a",
			&registry.A2AReply{Kind: "message", Parts: text("a")}},
		{"a message without a kind", `{"role":"agent","parts":[{"text":"a"}]}`, "a",
			&registry.A2AReply{Kind: "message", Parts: text("a")}},
		{"bytes and data", `{"kind":"message","parts":[{"kind":"file","file":{"bytes":"aGk=","name":"n"}},{"kind":"data","data":{"n":9007199254740993}}]}`, "",
			&registry.A2AReply{Kind: "message", Parts: []registry.A2APart{{File: &registry.A2AFile{Name: "n", Bytes: []byte("hi")}}, {Data: []byte(`{"n":9007199254740993}`)}}}},
		{"a task with artifacts", `{"kind":"task","id":"task-1","contextId":"ctx-1","status":{"state":"completed","timestamp":"2026-01-01T00:00:00Z"},"artifacts":[{"parts":[{"kind":"text","text":"one"}]},{"parts":[{"kind":"text","text":"two"}]}]}`,
			"one\ntwo", &registry.A2AReply{Kind: "task", TaskID: "task-1", ContextID: "ctx-1", State: registry.TaskCompleted, Parts: text("one", "two")}},
		{"a task with its text in the status", `{"kind":"task","id":"task-1","status":{"state":"failed","message":{"kind":"message","parts":[{"kind":"text","text":"why"}]}}}`,
			"why", &registry.A2AReply{Kind: "task", TaskID: "task-1", State: registry.TaskFailed, StatusParts: text("why")}},
		{"a task that asks", `{"id":"task-1","status":{"state":"input-required","message":{"parts":[{"kind":"text","text":"which?"}]}},"artifacts":[{"parts":[{"kind":"text","text":"so far"}]}]}`,
			"so far", &registry.A2AReply{Kind: "task", TaskID: "task-1", State: registry.TaskInputRequired, Parts: text("so far"), StatusParts: text("which?")}},
		{"a 1.0 message", `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"a"},{"url":"https://f/x","filename":"x","mediaType":"text/plain"},{"raw":"aGk="},{"data":[1]}]}}`, "a",
			&registry.A2AReply{Kind: "message", MessageID: "m", Parts: []registry.A2APart{
				{Text: "a"}, {File: &registry.A2AFile{URI: "https://f/x", Name: "x", MIMEType: "text/plain"}}, {File: &registry.A2AFile{Bytes: []byte("hi")}}, {Data: []byte(`[1]`)}}}},
		{"a 1.0 task", `{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_AUTH_REQUIRED","message":{"parts":[{"text":"log in"}]}}}}`, "log in",
			&registry.A2AReply{Kind: "task", TaskID: "t", ContextID: "c", State: registry.TaskAuthRequired, StatusParts: text("log in")}},
		{"an empty text and a part of a kind to come", `{"kind":"message","parts":[{"kind":"text","text":""},{"kind":"smell"},{"kind":"text","text":"a"}]}`, "a",
			&registry.A2AReply{Kind: "message", Parts: []registry.A2APart{{}, {}, {Text: "a"}}}},
		{"nothing", `null`, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, answer(200, `{"jsonrpc":"2.0","id":"1","result":`+tt.result+`}`)).client(t)
			resp, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := resp.Reply()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if got != nil && got.Text() != tt.text {
				t.Errorf("Text() = %q, want %q", got.Text(), tt.text)
			}
		})
	}
}

func TestFilesOfAReply(t *testing.T) {
	file := func(uri string) registry.A2APart { return registry.A2APart{File: &registry.A2AFile{URI: uri}} }
	r := registry.A2AReply{Parts: []registry.A2APart{{Text: "x"}, file("a")}, StatusParts: []registry.A2APart{file("b")}}
	if diff := cmp.Diff([]registry.A2AFile{{URI: "a"}, {URI: "b"}}, r.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestResultsThatAreNoReply(t *testing.T) {
	for _, result := range []string{`{}`, `"text"`, `[]`, `1`, `{"kind":"message","parts":1}`, `{"kind":"poem"}`, `{"parts":null}`, `{"kind":"message","parts":[{"raw":"%"}]}`} {
		_, err := (&registry.A2AResponse{Result: []byte(result)}).Reply()
		if !errors.Is(err, registry.ErrUnexpectedAnswer) {
			t.Errorf("%s: %v", result, err)
		}
	}
	for _, r := range []*registry.A2AResponse{{}, {Queued: &registry.Queued{}}, {Err: &registry.A2AError{}}} {
		if reply, err := r.Reply(); reply != nil || err != nil {
			t.Errorf("%+v: %v, %v", r, reply, err)
		}
	}
}
