// Package runtime runs a workspace: one agent, served over A2A, registered with
// its platform and kept alive there. An adapter is a program that gives it an
// [Agent]:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//
//		"github.com/molecule-ai/workspace-runtime-go/runtime"
//	)
//
//	func main() {
//		runtime.Main(runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
//			_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
//			return err
//		}))
//	}
//
// # Three ways in
//
// [Main] is a whole binary: settings from the environment, signals, exit codes,
// sub-commands. [New] and [Runtime.Run] are the same life inside a program that
// has these already. [Runtime.Handler] is what the workspace serves, for a
// server of one's own.
//
// # What the runtime does around every turn
//
// It counts the turn and tells the platform its label, keeps the error rate,
// clears a wedge after a success, keeps the text of errors from callers (see
// [Public]), survives a panic, answers a message that comes twice from memory,
// lets the turn go on when its caller hangs up, and ends its context when a
// caller cancels it ([ErrCanceled]) or the drain deadline is over
// ([ErrShutdown]).
//
// # Results of delegations
//
// Work that the agent has handed to another workspace ends some time later. The
// runtime then wakes the agent with a message of its own, one for each result:
// its text says what came back, and [Turn.Delegations] has it as data. Each result
// comes in a turn that succeeds exactly once, whatever restarts lie between; a
// turn that fails is repeated. The user gets one notification. All these turns
// are one conversation. [heartbeat.Inbox] says more; [WithoutInbox] switches it
// off.
//
// # Optional interfaces
//
// An agent may have more methods than Run; they are found by type assertion.
//
//	interface        asked for                       without it
//	[Describer]      name, version, skills           config.yaml's name, no skills
//	[SetUpper]       work before the first message   nothing is set up
//	[Capable]        what the agent does by itself   the platform does everything
//	[Resumer]        a turn that was interrupted     such a turn fails
//	[IdleTimeouter]  how long a turn may be silent   the platform's 5 minutes
//	[Closer]         what to let go of at the end    nothing is let go of
//
// # Tools
//
// With [WithTools], [Workspace.Tools] is one table of what the agent can do at
// the platform: find peers and delegate to them, message its user, remember, ask
// a person for leave; and of tools of the adapter's own. A model gets its
// functions, a shell the sub-commands of [Main], and rbac of config.yaml is
// enforced for both. [Workspace.Team] follows who the workspace works with.
// Nothing of this starts until it is asked for. See package tool.
//
// # Settings
//
// Options win over [FromEnv] when they come after it, as [Main]'s do. What
// cannot be used is an error of [New], all at once, that names the setting, its
// value and the remedy. config.yaml is read by Run; see package config for its
// keys.
//
// # When things fail
//
// A platform that is away, rate limits, or refuses the token ends nothing: the
// workspace serves, registers when it can, and says in /readyz what is missing.
// Package heartbeat tells how it recovers. A workspace that the platform has
// removed says so and waits to be stopped.
//
// # Health
//
// /livez is 200 unless the heartbeats hang. /readyz is 200 when the platform can
// use the workspace, else 503, with "reasons": starting, not registered, no
// heartbeat accepted, token not accepted, paused or removed on the platform,
// wedged, draining. Its "warnings" stop nobody, but somebody should see to them:
// a refused address, a token that could not be saved.
//
// # The end
//
// When Run's context ends, new messages are answered with 503, so that the
// platform keeps them; running turns may finish within [WithDrainTimeout], the
// last second of which is for those whose contexts had to be ended; the last
// heartbeat takes at most 1.5 s, answers under way, [Closer] and the last of the
// telemetry a quarter of a second each. So the default stays within a container's 10 s at the worst. On a platform
// that answers and with turns that end, that is a few milliseconds.
//
// # Log
//
// Every line carries workspace_id; lines about one turn carry task_id. What
// repeats is a warning twice, an error with what to do the third time, and then
// every twentieth time, and one line says when it is over.
//
// # Traces and metrics
//
// Every message is a server span, every turn a span below it, with the names of
// OpenTelemetry's conventions for generative AI as far as the agent says what
// it does ([Reply.Model], [Reply.Usage], [Reply.ToolCall]), and every call to
// the platform a client span, with repeats and a refreshed token as events.
// Heartbeats are metrics. The trace of a caller is read from the headers or,
// because the platform's proxy passes none on, from traceparent in the metadata
// of the message; it goes on with [registry.Client.SendA2A], and to child
// processes with [TraceEnviron]. Lines of the log carry trace_id and span_id.
// No text of a message is in a span without [WithMessageContent]; probes and
// the card are neither traced nor logged.
//
// It goes where [WithTelemetry], or an option for one of the providers, says, and
// nowhere without them. Package runtime/telemetry has the exporters, and the table
// of metrics.
//
// # Several in one process
//
// There are no globals: any number of Runtimes live in one process, each with
// its own configuration directory and address.
package runtime
