package runtime

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// traceREST starts the span of a request to the HTTP+JSON binding. Its name is
// one of a fixed set, whatever a client sends.
func (r *Runtime) traceREST(req *http.Request, body []byte) (context.Context, trace.Span) {
	ctx := jsonrpc.TraceContext(req.Context(), r.observers.propagator(), req.Header, body)
	method, route := restMethod(req.Method), restRoute(req.URL.Path)
	name := method
	if method == otherMethod {
		name = "HTTP"
	}
	attrs := []attribute.KeyValue{attribute.String("http.request.method", method), attribute.String("a2a.dialect", "1.0")}
	if route != "" {
		name += " " + route
		attrs = append(attrs, attribute.String("http.route", route))
	}
	return r.observers.tracers().Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
}

// endREST ends the span with the status of the answer. One that blames the
// caller is no error of the workspace.
func endREST(span trace.Span, status int) {
	defer span.End()
	if status == 0 {
		status = http.StatusOK // nothing was written, so net/http says that
	}
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
}

// otherMethod is what OpenTelemetry's conventions call a method that nobody
// knows.
const otherMethod = "_OTHER"

func restMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return otherMethod
}

// restRoute is the path with names in the place of ids; "" when the binding has
// none like it.
func restRoute(path string) string {
	path = strings.TrimPrefix(path, restPath)
	switch path {
	case "/message:send", "/message:stream", "/tasks", "/extendedAgentCard":
		return restPath + path
	}
	id, ok := strings.CutPrefix(path, "/tasks/")
	if !ok || id == "" {
		return ""
	}
	const task = restPath + "/tasks/{id}"
	_, rest, below := strings.Cut(id, "/")
	configs, config, one := strings.Cut(rest, "/")
	switch {
	case !below && strings.HasSuffix(id, ":cancel"):
		return task + ":cancel"
	case !below && strings.HasSuffix(id, ":subscribe"):
		return task + ":subscribe"
	case !below:
		return task
	case configs != "pushNotificationConfigs" || strings.Contains(config, "/"):
		return ""
	case one:
		return task + "/pushNotificationConfigs/{configId}"
	}
	return task + "/pushNotificationConfigs"
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int // 0 while nothing is written
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] find deadlines and flushing.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
