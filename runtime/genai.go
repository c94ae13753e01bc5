package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// scope is what the spans and metrics of this package are told by.
const scope = "github.com/molecule-ai/workspace-runtime-go/runtime"

// The names of OpenTelemetry's conventions for generative AI (semantic
// conventions 1.40). They are in development and still change; nothing outside
// this file knows them.
const (
	genaiOperation      = attribute.Key("gen_ai.operation.name")
	genaiAgentName      = attribute.Key("gen_ai.agent.name")
	genaiConversation   = attribute.Key("gen_ai.conversation.id")
	genaiProvider       = attribute.Key("gen_ai.provider.name")
	genaiModel          = attribute.Key("gen_ai.request.model")
	genaiInputTokens    = attribute.Key("gen_ai.usage.input_tokens")
	genaiOutputTokens   = attribute.Key("gen_ai.usage.output_tokens")
	genaiTokenType      = attribute.Key("gen_ai.token.type")
	genaiToolName       = attribute.Key("gen_ai.tool.name")
	genaiToolArguments  = attribute.Key("gen_ai.tool.call.arguments")
	genaiToolResult     = attribute.Key("gen_ai.tool.call.result")
	genaiInputMessages  = attribute.Key("gen_ai.input.messages")
	genaiOutputMessages = attribute.Key("gen_ai.output.messages")

	genaiInvokeAgent = "invoke_agent"
	genaiExecuteTool = "execute_tool"
	genaiTokenUsage  = "gen_ai.client.token.usage"
)

// maxContent is how much of a text is put into a span, in bytes.
const maxContent = 16 << 10

// genAI tells of turns as generative AI. nil tells nothing.
type genAI struct {
	agent  string
	redact func(string) string // nil: no text is told
	tracer trace.Tracer
	tokens metric.Int64Histogram
}

func newGenAI(o *observers, agent string, redact func(string) string) *genAI {
	g := &genAI{agent: agent, redact: redact, tracer: o.tracers().Tracer(scope)}
	g.tokens, _ = o.meters().Meter(scope).Int64Histogram(genaiTokenUsage, metric.WithUnit("{token}"),
		metric.WithDescription("Tokens that models have read and written, as the agent reports them."),
		metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304))
	return g
}

// turnTrace is what is told of one turn beside what the task engine tells.
type turnTrace struct {
	g    *genAI
	ctx  context.Context
	span trace.Span

	mu            sync.Mutex // guards what follows
	model         []attribute.KeyValue
	input, output int
	said          []byte // of the reply, when text is told
}

// begin makes of the span of a turn one of an agent's.
func (g *genAI) begin(ctx context.Context, turn *Turn) *turnTrace {
	t := &turnTrace{g: g, ctx: ctx, span: trace.SpanFromContext(ctx)}
	if !t.span.IsRecording() {
		return t
	}
	t.span.SetName(genaiInvokeAgent + " " + g.agent)
	t.span.SetAttributes(genaiOperation.String(genaiInvokeAgent), genaiAgentName.String(g.agent), genaiConversation.String(turn.ContextID()))
	if g.redact != nil {
		t.span.SetAttributes(genaiInputMessages.String(g.message("user", turn.Text())))
	}
	return t
}

// end tells what the turn has said, if that is told.
func (t *turnTrace) end() {
	if t.g.redact == nil || !t.span.IsRecording() {
		return
	}
	t.mu.Lock()
	said := string(t.said)
	t.mu.Unlock()
	if said != "" {
		t.span.SetAttributes(genaiOutputMessages.String(t.g.message("assistant", said)))
	}
}

// write notes what the turn says, if that is told.
func (t *turnTrace) write(p []byte) {
	if t.g.redact == nil || !t.span.IsRecording() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A little more than is told, so that a secret at the cut is whole when it
	// is redacted.
	t.said = append(t.said, p[:min(len(p), max(2*maxContent-len(t.said), 0))]...)
}

// setModel says which model the turn uses: its name, or provider:name.
func (t *turnTrace) setModel(model string) {
	var attrs []attribute.KeyValue
	if provider, name, ok := strings.Cut(model, ":"); ok {
		attrs = append(attrs, genaiProvider.String(provider))
		model = name
	}
	attrs = append(attrs, genaiModel.String(model))
	t.span.SetAttributes(attrs...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.model = attrs
}

func (t *turnTrace) usage(input, output int) {
	t.mu.Lock()
	t.input, t.output = t.input+max(input, 0), t.output+max(output, 0)
	sums := []attribute.KeyValue{genaiInputTokens.Int(t.input), genaiOutputTokens.Int(t.output)}
	model := t.model
	t.mu.Unlock()
	t.span.SetAttributes(sums...)
	for kind, n := range map[string]int{"input": input, "output": output} {
		if n > 0 {
			attrs := append([]attribute.KeyValue{genaiOperation.String(genaiInvokeAgent), genaiTokenType.String(kind)}, model...)
			t.g.tokens.Record(t.ctx, int64(n), metric.WithAttributes(attrs...))
		}
	}
}

// tool tells of a tool that was used, as a span that ends now.
func (t *turnTrace) tool(call ToolCall) {
	if !t.span.IsRecording() {
		return
	}
	end := time.Now()
	_, span := t.g.tracer.Start(t.ctx, genaiExecuteTool+" "+call.Name, trace.WithTimestamp(end.Add(-max(call.Took, 0))))
	if span.IsRecording() {
		span.SetAttributes(genaiOperation.String(genaiExecuteTool), genaiToolName.String(call.Name))
		if t.g.redact != nil {
			span.SetAttributes(genaiToolArguments.String(t.g.text(call.Input)), genaiToolResult.String(t.g.text(call.Output)))
		}
	}
	span.End(trace.WithTimestamp(end))
}

// message is a text in the form the conventions want.
func (g *genAI) message(role, text string) string {
	type part struct {
		Type    string `json:"type"`
		Content string `json:"content"`
	}
	b, err := json.Marshal([]struct {
		Role  string `json:"role"`
		Parts []part `json:"parts"`
	}{{role, []part{{"text", g.text(text)}}}})
	if err != nil { // strings always can
		return ""
	}
	return string(b)
}

// text is what of a text may be told.
func (g *genAI) text(s string) string {
	s = g.redact(s)
	if len(s) <= maxContent {
		return s
	}
	cut := maxContent
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// observeTool makes a span of each call of a tool of the workspace's table. The
// name is told only of a tool that there is: others are what a model has made
// up.
func (r *Runtime) observeTool(ctx context.Context, call tool.Call) (context.Context, func(tool.Outcome)) {
	g := r.genai
	if g == nil { // a sub-command, not a life
		return ctx, nil
	}
	ctx, span := g.tracer.Start(ctx, genaiExecuteTool)
	if !span.IsRecording() {
		return ctx, nil
	}
	span.SetAttributes(genaiOperation.String(genaiExecuteTool))
	return ctx, func(o tool.Outcome) {
		defer span.End()
		if o.Err != nil {
			span.SetAttributes(attribute.String("error.type", toolFailure(o.Err)))
			span.SetStatus(codes.Error, "")
		}
		if errors.Is(o.Err, tool.ErrUnknown) {
			return
		}
		span.SetName(genaiExecuteTool + " " + call.Tool)
		span.SetAttributes(genaiToolName.String(call.Tool))
		if g.redact != nil {
			span.SetAttributes(genaiToolArguments.String(g.text(string(call.Input))), genaiToolResult.String(g.text(o.Result.Text)))
		}
	}
}

// toolFailure is the kind of a failure of a tool.
func toolFailure(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{tool.ErrUnknown, "unknown_tool"}, {tool.ErrInput, "input"}, {tool.ErrDenied, "denied"},
		{tool.ErrTimeout, "timeout"}, {tool.ErrPanicked, "panicked"}, {context.Canceled, "canceled"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "failed"
}
