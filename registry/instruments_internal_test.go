package registry

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The trace is put beside what a message has, and a message that has none of it,
// or is none, goes out as it is.
func TestCarryPutsTheTraceIntoTheMetadata(t *testing.T) {
	const parent = `"traceparent":"00-01000000000000000000000000000000-0200000000000000-01"`
	inTrace := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	large := `{"message":"` + strings.Repeat("x", maxA2A-roomForTrace) + `"}`
	for name, tt := range map[string]struct {
		ctx          context.Context
		params, want string
	}{
		"no metadata":      {inTrace, `{"message":{"n":12345678901234567890}}`, `{"message":{"n":12345678901234567890},"metadata":{` + parent + `}}`},
		"metadata":         {inTrace, `{"metadata":{"history":[1]}}`, `{"metadata":{"history":[1],` + parent + `}}`},
		"null metadata":    {inTrace, `{"metadata":null}`, `{"metadata":{` + parent + `}}`},
		"null trace":       {inTrace, `{"metadata":{"traceparent":null}}`, `{"metadata":{` + parent + `}}`},
		"a trace":          {inTrace, `{"metadata":{"traceparent":"own"}}`, `{"metadata":{"traceparent":"own"}}`},
		"no trace":         {t.Context(), `{"message":{}}`, `{"message":{}}`},
		"strange metadata": {inTrace, `{"metadata":[1]}`, `{"metadata":[1]}`},
		"an array":         {inTrace, `[1]`, `[1]`},
		"null":             {inTrace, `null`, `null`},
		"nothing":          {inTrace, ``, ``},
		"nonsense":         {inTrace, `{"metadata"`, `{"metadata"`},
		"no room":          {inTrace, large, large},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{tracing: newTracing(nil, propagation.TraceContext{})}
			if got := string(c.carry(tt.ctx, json.RawMessage(tt.params))); got != tt.want {
				t.Errorf("carry() = %.200s, want %.200s", got, tt.want)
			}
		})
	}
}
