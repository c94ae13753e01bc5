package telemetry_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// caller is an agent that asks a peer.
type caller struct {
	ws      *runtime.Workspace
	environ chan []string // for a child process
}

func (c *caller) Describe() runtime.Description { return runtime.Description{Name: "caller"} }

func (c *caller) SetUp(_ context.Context, ws *runtime.Workspace) error { c.ws = ws; return nil }

func (c *caller) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	reply.Model("anthropic:claude-test")
	reply.Usage(12, 34)
	reply.ToolCall(runtime.ToolCall{Name: "search", Input: "tool-input-text", Output: "tool-output-text", Took: time.Millisecond})
	c.ws.Logger.InfoContext(ctx, "asking the peer")
	c.environ <- runtime.TraceEnviron(ctx)
	if _, err := c.ws.Platform.Workspace(ctx, ""); err != nil {
		return err
	}
	answer, err := c.ws.Platform.SendA2A(ctx, there, registry.A2ARequest{ID: "1", Method: "message/send", Params: message("to the peer", nil)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(reply, "the peer says %s", answer.Result)
	return err
}

// notification is any.
var notification = registry.NotifyRequest{Message: "x"}

// parrot says what it hears.
var parrot = runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
	return err
})

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// The platform's proxy passes no headers on, so the trace has to go through it
// in the metadata of the messages, twice.
func TestATraceThroughProxyWorkspaceAndPeerIsOneTrace(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	p := registrytest.NewPlatform(t)
	agent := &caller{environ: make(chan []string, 1)}
	a := live(t, p, here, agent)
	b := live(t, p, there, parrot)
	for range 2 { // two repeats, which the span of the call tells
		p.Fail(registrytest.To(http.MethodGet, "/workspaces/"+here), registrytest.Fault{Status: http.StatusServiceUnavailable})
	}
	if answer := say(t, p, here, "prompt-text", map[string]any{"traceparent": traceparent}); !strings.Contains(answer, "You said: to the peer") {
		t.Errorf("the answer is %s", answer)
	}
	token, err := os.ReadFile(tokenFile(a))
	if err != nil {
		t.Fatal(err)
	}
	a.end()
	b.end()

	server := c.one(here, "message/send")
	turn := c.one(here, "invoke_agent caller")
	tool := c.one(here, "execute_tool search")
	look := c.one(here, "platform.Workspace")
	client := c.one(here, "platform.SendA2A")
	peer := c.one(there, "message/send")
	peerTurn := c.one(there, "invoke_agent Workspace")
	for _, link := range []struct {
		child  span
		parent []byte
		kind   tracev1.Span_SpanKind
	}{
		{server, unhex(t, "00f067aa0ba902b7"), tracev1.Span_SPAN_KIND_SERVER},
		{turn, server.SpanId, tracev1.Span_SPAN_KIND_INTERNAL},
		{tool, turn.SpanId, tracev1.Span_SPAN_KIND_INTERNAL},
		{look, turn.SpanId, tracev1.Span_SPAN_KIND_CLIENT},
		{client, turn.SpanId, tracev1.Span_SPAN_KIND_CLIENT},
		{peer, client.SpanId, tracev1.Span_SPAN_KIND_SERVER},
		{peerTurn, peer.SpanId, tracev1.Span_SPAN_KIND_INTERNAL},
	} {
		if got := hex.EncodeToString(link.child.TraceId); got != traceID {
			t.Errorf("%s is of trace %s, want %s", link.child.Name, got, traceID)
		}
		if string(link.child.ParentSpanId) != string(link.parent) {
			t.Errorf("%s has the parent %x, want %x", link.child.Name, link.child.ParentSpanId, link.parent)
		}
		if link.child.Kind != link.kind {
			t.Errorf("%s is of kind %v, want %v", link.child.Name, link.child.Kind, link.kind)
		}
	}
	if server.service != "caller" {
		t.Errorf("service.name is %q, want the agent's name", server.service)
	}
	for s, want := range map[*tracev1.Span]map[string]string{
		server.Span: {"rpc.system.name": "jsonrpc", "rpc.method": "message/send", "a2a.dialect": "0.3", "a2a.task.state": "TASK_STATE_COMPLETED"},
		turn.Span: {
			"outcome": "completed", "gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "anthropic",
			"gen_ai.request.model": "claude-test", "gen_ai.usage.input_tokens": "int", "gen_ai.usage.output_tokens": "int",
		},
		tool.Span:   {"gen_ai.tool.name": "search"},
		client.Span: {"http.request.method": "POST", "http.response.status_code": "int"},
	} {
		got := attributes(s.Attributes)
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s = %q, want %q", s.Name, k, got[k], v)
			}
		}
	}
	id := attributes(turn.Attributes)["a2a.task.id"]
	if id == "" || attributes(server.Attributes)["a2a.task.id"] != id {
		t.Errorf("turn and call do not name the same task: %q", id)
	}
	retries := 0
	for _, e := range look.Events {
		if e.Name == "retry" {
			retries++
		}
	}
	if retries != 2 {
		t.Errorf("the call that was repeated twice has %d retry events", retries)
	}
	if env := strings.Join(<-agent.environ, " "); env != fmt.Sprintf("TRACEPARENT=00-%s-%x-01", traceID, turn.SpanId) {
		t.Errorf("a child process gets %s", env)
	}
	if line := fmt.Sprintf("trace_id=%s span_id=%x", traceID, turn.SpanId); !strings.Contains(lineWith(a.log, "asking the peer"), line) {
		t.Errorf("the agent's line in the log is %q, want %s in it", lineWith(a.log, "asking the peer"), line)
	}
	// Nobody has asked for text, and nobody may ask for tokens.
	for _, secret := range []string{strings.TrimSpace(string(token)), "prompt-text", "tool-input-text", "tool-output-text", "You said", "to the peer"} {
		if c.holds(secret) {
			t.Errorf("%.12q was sent to the collector", secret)
		}
	}
	// Neither probes nor heartbeats have spans.
	for _, s := range c.all() {
		if strings.Contains(s.Name, "Heartbeat") || strings.Contains(s.Name, "State") {
			t.Errorf("a span %s", s.Name)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lineWith is the first line of the log with a text in it.
func lineWith(log *buffer, text string) string {
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestProbesAndTheCardAreNeitherTracedNorLogged(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	p := registrytest.NewPlatform(t)
	w := live(t, p, here, parrot)
	until(t, "ready", func() bool { return fetch(t, w.url+"/readyz") == http.StatusOK })
	before := w.log.String()
	for _, path := range []string{"/livez", "/readyz", "/.well-known/agent-card.json", "/.well-known/agent.json"} {
		for range 5 {
			if status := fetch(t, w.url+path); status != http.StatusOK {
				t.Errorf("%s: %d", path, status)
			}
		}
	}
	during := strings.TrimPrefix(w.log.String(), before)
	w.end()
	for _, s := range c.all() {
		if s.Kind == tracev1.Span_SPAN_KIND_SERVER {
			t.Errorf("a span %s", s.Name)
		}
	}
	for _, word := range []string{"livez", "readyz", "well-known"} {
		if strings.Contains(during, word) {
			t.Errorf("the log names %s:\n%s", word, during)
		}
	}
}

func fetch(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// With the option the text is there, without what must not leave.
func TestMessageContentIsRedacted(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	p := registrytest.NewPlatform(t)
	agent := runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		reply.ToolCall(runtime.ToolCall{Name: "vault", Input: "key sk-secret-input", Output: "sk-secret-output"})
		_, err := reply.WriteString("it was sk-sec")
		if err == nil {
			_, err = reply.WriteString("ret-reply, as you said")
		}
		return err
	})
	w := live(t, p, here, agent, runtime.WithMessageContent(func(text string) string {
		return strings.NewReplacer("sk-secret-input", "[r1]", "sk-secret-output", "[r2]", "sk-secret-reply", "[r3]", "sk-secret-prompt", "[r4]").Replace(text)
	}))
	say(t, p, here, "my key is sk-secret-prompt", nil)
	w.end()
	got := attributes(c.one(here, "invoke_agent Workspace").Attributes)
	if want := `[{"role":"user","parts":[{"type":"text","content":"my key is [r4]"}]}]`; got["gen_ai.input.messages"] != want {
		t.Errorf("gen_ai.input.messages = %s, want %s", got["gen_ai.input.messages"], want)
	}
	if want := `[{"role":"assistant","parts":[{"type":"text","content":"it was [r3], as you said"}]}]`; got["gen_ai.output.messages"] != want {
		t.Errorf("gen_ai.output.messages = %s, want %s", got["gen_ai.output.messages"], want)
	}
	tool := attributes(c.one(here, "execute_tool vault").Attributes)
	if tool["gen_ai.tool.call.arguments"] != "key [r1]" || tool["gen_ai.tool.call.result"] != "[r2]" {
		t.Errorf("the tool's span says %v", tool)
	}
	if c.holds("sk-secret") {
		t.Error("a secret was sent to the collector")
	}
}

// Langfuse gets the traces as well, with its own keys and not the headers meant
// for the other collector, at the path it has.
func TestLangfuseIsASecondCollector(t *testing.T) {
	c, l := collect(t), collect(t)
	sendTo(t, c.server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for-the-first")
	t.Setenv("LANGFUSE_HOST", l.server.URL+"/")
	t.Setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
	t.Setenv("LANGFUSE_SECRET_KEY", "sk-lf-2")
	p := registrytest.NewPlatform(t)
	w := live(t, p, here, parrot)
	say(t, p, here, "hello", nil)
	w.end()
	for _, at := range []*collector{c, l} {
		at.one(here, "invoke_agent Workspace")
	}
	h := l.header("/api/public/otel/v1/traces")
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("pk-lf-1:sk-lf-2")); h.Get("Authorization") != want {
		t.Errorf("Authorization is %q, want %q", h.Get("Authorization"), want)
	}
	if h.Get("Api-Key") != "" {
		t.Error("Langfuse got the header of the other collector")
	}
	if h := c.header("/v1/traces"); h.Get("Authorization") != "" || h.Get("Api-Key") != "for-the-first" {
		t.Errorf("the collector got %v", h)
	}
	if strings.Contains(w.log.String(), "lf-") {
		t.Error("a key is in the log")
	}
}

// What the environment gets wrong is said, and the rest works.
func TestBadSettingsAreSaidAndEndNothing(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
	t.Setenv("OTEL_PROPAGATORS", "b3,tracecontext")
	t.Setenv("LANGFUSE_HOST", "https://langfuse.example")
	p := registrytest.NewPlatform(t)
	w := live(t, p, here, parrot)
	say(t, p, here, "hello", nil)
	w.end()
	c.one(here, "invoke_agent Workspace")
	line := lineWith(w.log, "telemetry is not complete")
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_METRICS_EXPORTER", "OTEL_PROPAGATORS", "LANGFUSE_SECRET_KEY"} {
		if !strings.Contains(line, name) {
			t.Errorf("the log does not name %s: %s", name, line)
		}
	}
}

func TestDisabledTelemetrySendsNothing(t *testing.T) {
	c := collect(t)
	sendTo(t, c.server.URL)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	p := registrytest.NewPlatform(t)
	w := live(t, p, here, parrot)
	say(t, p, here, "hello", nil)
	w.end()
	if len(c.header("/v1/traces"))+len(c.header("/v1/metrics")) > 0 {
		t.Error("something was sent")
	}
}
