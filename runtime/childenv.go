package runtime

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// TraceEnviron returns the trace of ctx as entries for the environment of a
// child process, TRACEPARENT and, when there is one, TRACESTATE, so that what
// the child tells joins the turn:
//
//	cmd.Env = append(os.Environ(), runtime.TraceEnviron(ctx)...)
//
// It is nil when ctx carries no trace. The format is W3C's, whatever propagator
// the workspace uses.
func TraceEnviron(ctx context.Context) []string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	var env []string
	for _, key := range []string{"traceparent", "tracestate"} {
		if value := carrier[key]; value != "" {
			env = append(env, strings.ToUpper(key)+"="+value)
		}
	}
	return env
}
