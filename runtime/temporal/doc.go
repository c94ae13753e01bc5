// Package temporal makes turns durable on a Temporal server: a turn that has
// begun is finished although its process dies, by the next one or by another
// that serves the same workspace.
//
//	func main() {
//		runtime.Main(agent, temporal.FromEnv()) // on when TEMPORAL_HOST is set
//	}
//
// Each turn is a workflow of a few lines, and the agent's Run is an activity of
// it, which the runtime keeps alive with heartbeats. The worker lives in the
// workspace's process. Each workspace has a task queue of its own, and each
// process another one: the process that has taken a message gets its turn first,
// and when it does not take it or dies, whichever comes first.
//
// # What goes where
//
// What a client sees comes from the journal of package task, durable or not:
// Temporal knows the ids of tasks and what became of turns, never what was said.
// So the journal decides what has happened. A second attempt has
// [runtime.Turn.Attempt] above 1 and the text that readers already have as
// [runtime.Turn.Written], and goes on behind it; an agent that cannot
// ([runtime.Resumer]) fails with a reason, and only a turn that had not begun
// begins. Side effects that must not happen twice go through
// [runtime.Turn.Once].
//
// Several processes of one workspace need a store that they share, such as that
// of package pgstore with [runtime.WithSharedTaskStore]. With a store of its own,
// such as the default file, a process knows the turns of its own store only: one
// that dies is waited for, and the others leave its turns alone.
//
// # When the server is away
//
// At the start, and later, a workspace runs without durability and says so in
// /readyz and its log until the server is there. Whether a turn is durable is
// decided once, before it begins, and stands in the journal. With [Require]
// messages are refused with 503 meanwhile, and the workspace is not ready. Turns
// that run when the server is lost go on; their end is told when it is back. A
// server that answers but does not take a turn counts as away, until it takes a
// workflow that does nothing, WORKSPACE/probe.
//
// # What the history says
//
// A workflow ends as COMPLETED when its task has completed or asks its caller,
// as CANCELED when the task was canceled, by an A2A caller or in Temporal, and as
// FAILED with one of the Failure types. What went wrong is told apart:
//
//	the agent has failed             [FailureAgent]; not retried
//	the turn took too long           [FailureTimeout]; not retried
//	the process is about to end      [FailureHandOver]; another one has it at once
//	the process has died             a heartbeat timeout of the activity
//	the process did not take it up   a schedule-to-start timeout of the activity: it
//	                                 had died already, or was too busy
//	the process has another store    [FailureUnknown]; retried for ten minutes
//	another process has the turn     [FailureElsewhere]; retried
//	the store fails                  [FailureStore]; retried
//
// A turn that waits for its place among the others of its process is an activity
// that runs, as far as Temporal can see.
package temporal
