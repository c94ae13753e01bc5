package runtime

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

// spanContext is a context within a span that came from elsewhere.
func spanContext(t *testing.T) context.Context {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=value")
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 15: 1}, SpanID: trace.SpanID{0x2a, 7: 2}, TraceFlags: trace.FlagsSampled, TraceState: state,
	}))
}

const spanIDs = "trace_id=4b000000000000000000000000000001 span_id=2a00000000000002"

func TestLinesOfTheLogNameTheirTrace(t *testing.T) {
	for name, tt := range map[string]struct {
		log  func(ctx context.Context, l *slog.Logger)
		want string
	}{
		"in a span":       {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "x", "k", 1) }, "msg=x k=1 " + spanIDs},
		"outside":         {func(_ context.Context, l *slog.Logger) { l.Info("x", "k", 1) }, "msg=x k=1"},
		"in a group":      {func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "x", "k", 1) }, "msg=x " + spanIDs + " g.k=1"},
		"with attributes": {func(ctx context.Context, l *slog.Logger) { l.With("a", 1).InfoContext(ctx, "x") }, "msg=x a=1 " + spanIDs},
		"deep": {func(ctx context.Context, l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").InfoContext(ctx, "x", "k", 1)
		}, "msg=x a=1 " + spanIDs + " g.b=2 g.h.k=1"},
		"named already":     {func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "x", "trace_id", "own") }, "msg=x trace_id=own"},
		"wrapped twice":     {func(ctx context.Context, l *slog.Logger) { slog.New(correlated(l.Handler())).InfoContext(ctx, "x") }, "msg=x " + spanIDs},
		"a group of nobody": {func(ctx context.Context, l *slog.Logger) { l.WithGroup("").InfoContext(ctx, "x") }, "msg=x " + spanIDs},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
					return slog.Attr{}
				}
				return a
			}})
			tt.log(spanContext(t), slog.New(correlated(h)))
			if got := strings.TrimSpace(out.String()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestChildProcessesGetTheTrace(t *testing.T) {
	got := strings.Join(TraceEnviron(spanContext(t)), " ")
	want := "TRACEPARENT=00-4b000000000000000000000000000001-2a00000000000002-01 TRACESTATE=vendor=value"
	if got != want {
		t.Errorf("TraceEnviron() = %s, want %s", got, want)
	}
	if got := TraceEnviron(t.Context()); got != nil {
		t.Errorf("TraceEnviron() without a trace = %q, want nil", got)
	}
}

// A collector that nobody talks to is said once.
func TestACollectorThatIsNotUsedIsNoticed(t *testing.T) {
	env := map[string]string{envWorkspaceID: "11111111-2222-4333-8444-555555555555", envCollector: "http://collector:4318"}
	agent := AgentFunc(func(context.Context, *Turn, *Reply) error { return nil })
	r, err := New(agent, FromLookup(func(name string) string { return env[name] }))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(r.set.warnings, "\n"), envCollector); n != 1 {
		t.Errorf("the warnings name the variable %d times: %q", n, r.set.warnings)
	}
	seen := WithTelemetry(func(context.Context, TelemetryInfo) (Telemetry, error) { return Telemetry{}, nil })
	if r, err = New(agent, FromLookup(func(name string) string { return env[name] }), seen); err != nil {
		t.Fatal(err)
	}
	if len(r.set.warnings) > 0 {
		t.Errorf("warnings of a program that has telemetry: %q", r.set.warnings)
	}
}

func TestMessageContentNeedsAWayToRedact(t *testing.T) {
	_, err := New(AgentFunc(func(context.Context, *Turn, *Reply) error { return nil }), WithMessageContent(nil))
	if err == nil || !strings.Contains(err.Error(), "WithMessageContent") {
		t.Errorf("New() = %v, want the option named", err)
	}
}
