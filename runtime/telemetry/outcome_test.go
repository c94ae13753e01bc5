package telemetry_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// post sends a body straight to a workspace, as a peer may, with its trace in
// the headers.
func post(t *testing.T, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", traceparent)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestEveryWayInJoinsTheTraceOfTheHeaders(t *testing.T) {
	for name, tt := range map[string]struct{ path, body, span string }{
		"0.3":  {"", `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","messageId":"a","parts":[{"kind":"text","text":"x"}]}}}`, "message/stream"},
		"1.0":  {"/a2a", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"role":"ROLE_USER","messageId":"b","parts":[{"text":"x"}]}}}`, "SendMessage"},
		"REST": {"/rest/message:send", `{"message":{"role":"ROLE_USER","messageId":"c","parts":[{"text":"x"}]}}`, "POST /rest/message:send"},
	} {
		t.Run(name, func(t *testing.T) {
			c := collect(t)
			sendTo(t, c.server.URL)
			w := live(t, registrytest.NewPlatform(t), here, parrot, runtime.WithREST())
			if answer := post(t, w.url+tt.path, tt.body); !strings.Contains(answer, "You said") {
				t.Errorf("the answer is %s", answer)
			}
			w.end()
			call, turn := c.one(here, tt.span), c.one(here, "invoke_agent Workspace")
			if hex.EncodeToString(call.TraceId) != traceID || hex.EncodeToString(call.ParentSpanId) != "00f067aa0ba902b7" {
				t.Errorf("the call is %x below %x", call.TraceId, call.ParentSpanId)
			}
			if string(turn.ParentSpanId) != string(call.SpanId) {
				t.Error("the turn is not below the call")
			}
			if attributes(call.Attributes)["a2a.task.id"] == "" {
				t.Error("the call names no task")
			}
		})
	}
}

// What has become of a turn is told, and why it failed is not: the text of an
// error may be anything.
func TestOutcomesAreToldWithoutTheTextOfErrors(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	w := live(t, registrytest.NewPlatform(t), here, runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		switch turn.Text() {
		case "fail":
			return errors.New("the key was sk-secret")
		case "panic":
			panic("the key was sk-secret")
		}
		return reply.Ask("is the key sk-secret?")
	}))
	for i, text := range []string{"fail", "panic", "ask"} {
		post(t, w.url, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","messageId":"%d","parts":[{"kind":"text","text":"%s"}]}}}`, i, text))
	}
	post(t, w.url, `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"nobody"}}`)
	w.end()
	got := map[string]tracev1.Status_StatusCode{}
	for _, s := range c.named("invoke_agent Workspace") {
		got[attributes(s.Attributes)["outcome"]] = s.Status.GetCode()
	}
	for outcome, code := range map[string]tracev1.Status_StatusCode{
		"failed":         tracev1.Status_STATUS_CODE_ERROR,
		"panicked":       tracev1.Status_STATUS_CODE_ERROR,
		"input_required": tracev1.Status_STATUS_CODE_UNSET,
	} {
		if status, ok := got[outcome]; !ok || status != code {
			t.Errorf("%s has the status %v (there: %v), want %v", outcome, status, ok, code)
		}
	}
	// A caller that asks for what does not exist is no failure of the workspace.
	missing := c.one(here, "tasks/get")
	if code := attributes(missing.Attributes)["rpc.response.status_code"]; code != "-32001" || missing.Status.GetCode() != tracev1.Status_STATUS_CODE_UNSET {
		t.Errorf("tasks/get of an unknown task: code %s, status %v", code, missing.Status)
	}
	if c.holds("sk-secret") {
		t.Error("the text of an error was sent to the collector")
	}
}

// handy is an agent that calls the tool it is told to.
type handy struct{ ws *runtime.Workspace }

func (h *handy) SetUp(_ context.Context, ws *runtime.Workspace) error { h.ws = ws; return nil }

func (h *handy) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	result, _ := h.ws.Tools().Call(ctx, turn.Text(), []byte(`{"text":"sk-secret"}`))
	_, err := reply.WriteString(result.Text)
	return err
}

// A tool of the table is a span below the turn, whose context it has. What a
// model makes up is no name of a span.
func TestToolsOfTheTableAreSpans(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	say := tool.New("say", "Says it.", func(ctx context.Context, in struct {
		Text string `json:"text"`
	}) (string, error) {
		return strings.Join(runtime.TraceEnviron(ctx), " ") + in.Text, nil
	})
	w := live(t, registrytest.NewPlatform(t), here, &handy{}, runtime.WithTools(say))
	var answers []string
	for i, name := range []string{"say", "sk-secret-tool"} {
		answers = append(answers, post(t, w.url, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","messageId":"%d","parts":[{"kind":"text","text":"%s"}]}}}`, i, name)))
	}
	w.end()
	said, unknown := c.one(here, "execute_tool say"), c.one(here, "execute_tool")
	if !strings.Contains(answers[0], fmt.Sprintf("%x", said.SpanId)) {
		t.Errorf("the tool's context is not that of its span: %s", answers[0])
	}
	if got := attributes(unknown.Attributes)["error.type"]; got != "unknown_tool" {
		t.Errorf("error.type is %q, want unknown_tool", got)
	}
	for _, turn := range c.named("invoke_agent Workspace") {
		if string(turn.SpanId) != string(said.ParentSpanId) && string(turn.SpanId) != string(unknown.ParentSpanId) {
			t.Error("a turn has no tool below it")
		}
	}
	if c.holds("sk-secret") {
		t.Error("what a tool was given was sent to the collector")
	}
}
