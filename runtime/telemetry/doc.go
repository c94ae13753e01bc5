// Package telemetry lets a workspace be seen: OpenTelemetry's SDK and its OTLP
// exporters behind one option.
//
//	runtime.Main(agent, telemetry.FromEnv())
//
// The rest of this module knows only OpenTelemetry's API. Whoever imports this
// package links the SDK, the exporters and the gRPC packages that they name,
// 8 MB more (BENCHMARKS.md); a program that does not, and finds OTEL_EXPORTER_OTLP_ENDPOINT
// set, says so once in its log.
//
// # Variables
//
//	OTEL_EXPORTER_OTLP_ENDPOINT   where traces and metrics go, such as
//	                              http://collector:4318; so do the variables of
//	                              one signal, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
//	                              and ..._METRICS_ENDPOINT. Unset: nowhere
//	OTEL_EXPORTER_OTLP_*          headers, timeout, compression, certificates;
//	                              the protocol is http/protobuf
//	OTEL_TRACES_EXPORTER          otlp, console or none; and the same with
//	OTEL_METRICS_EXPORTER         for metrics. Default: otlp if there is an endpoint
//	OTEL_SERVICE_NAME             default: the agent's name
//	OTEL_RESOURCE_ATTRIBUTES      more about the workspace; workspace.id is added
//	OTEL_TRACES_SAMPLER           and the rest of OTEL_* that the SDK for Go knows,
//	                              such as OTEL_METRIC_EXPORT_INTERVAL (60000 ms)
//	OTEL_PROPAGATORS              tracecontext, baggage, none; default the first two
//	OTEL_SDK_DISABLED             true: nothing is made and nothing sent
//	OTEL_DEBUG                    true: traces and metrics to standard error as well
//	LANGFUSE_HOST                 a Langfuse server, which gets the traces as well;
//	LANGFUSE_PUBLIC_KEY           its keys are sent to it alone
//	LANGFUSE_SECRET_KEY
//
// # Spans
//
//	message/send, SendMessage, ...   server: a call of A2A, by its method, with
//	                                 rpc.method, a2a.dialect, a2a.task.id,
//	                                 a2a.context.id, a2a.task.state and
//	                                 rpc.response.status_code
//	POST /rest/message:send, ...     server: the same over HTTP+JSON, by its route,
//	                                 with http.route and http.response.status_code
//	invoke_agent NAME                a turn: outcome, workspace.turn.attempt,
//	                                 a2a.task.id, a2a.context.id and what the agent
//	                                 says of itself (gen_ai.*)
//	execute_tool NAME                a tool the agent has used: one of the workspace's
//	                                 table, or one it tells of (Reply.ToolCall)
//	platform.METHOD                  client: a call of the platform, by the method
//	                                 of registry.Client; events: retry, token
//	                                 refresh, sent again with the fresh token
//
// A trace that comes with a message, in its headers or as traceparent in its
// metadata, is gone on with, and goes on to peers in the same way, because the
// platform's proxy passes no headers on. No text of a message and no token is in
// any span, see runtime.WithMessageContent; probes, the card and heartbeats have
// none.
//
// # Metrics
//
// A test holds this table against what a collector receives.
//
//	name                              | kind      | unit         | attributes          | what
//	workspace.turns                   | counter   | {turn}       | outcome             | turns that have ended, also before they began
//	workspace.turn.duration           | histogram | s            | outcome             | from begin to end
//	workspace.turns.active            | updown    | {turn}       |                     | turns that run
//	workspace.turns.queued            | updown    | {turn}       |                     | turns that wait: the depth of the queue, and those at a dispatcher
//	workspace.reply.chunks            | counter   | {chunk}      |                     | writes to replies, counted at the end of the turn
//	workspace.journal.commits         | counter   | {commit}     | result              | commits of the journal to the store
//	workspace.journal.commit.duration | histogram | s            | result              | how long they took
//	workspace.heartbeats              | counter   | {heartbeat}  | result              | heartbeats sent
//	workspace.heartbeat.duration      | histogram | s            | result              | how long the platform took to answer
//	workspace.heartbeat.age           | gauge     | s            |                     | since the last accepted one
//	workspace.token.refreshes         | counter   | {refresh}    | result              | looks for a fresh token after a 401
//	gen_ai.client.token.usage         | histogram | {token}      | gen_ai.*            | tokens, as the agent reports them
//	workspace.durable                 | gauge     | 1            |                     | 1 while new turns outlive the process
//	process.uptime                    | gauge     | s            |                     | since Run began
//	process.memory.usage              | updown    | By           |                     | resident, on Linux
//	go.goroutine.count                | updown    | {goroutine}  |                     | goroutines
//	go.memory.used                    | updown    | By           |                     | memory of Go's runtime
//
// outcome is completed, failed, panicked, canceled, timed_out, input_required,
// shutdown (cut off and failed), interrupted (goes on with the next start) or
// elsewhere (another process has it). result is ok or error for commits;
// accepted, unreachable, unavailable, rate_limited, unauthorized or refused for
// heartbeats; changed, unchanged or gave_up for refreshes. Every scope carries
// workspace.id, for processes with several workspaces on one provider.
//
// # When things fail
//
// A collector that is away, refuses or never answers costs spans and metrics,
// one line of the log at the first failure and one at every twentieth, and at
// the end of the workspace at most a second, within the drain deadline. What
// waits to be sent is bounded (2,048 spans). Nothing global is set: neither
// providers nor OpenTelemetry's error handler.
//
// # Several in one process
//
// Each runtime.Runtime has its own SDK; all read the same variables.
package telemetry
