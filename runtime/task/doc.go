// Package task runs turns and keeps the A2A tasks they make. An [Engine] stands
// between a front end that speaks A2A and a function that answers one message:
//
//	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
//		_, err := x.WriteText([]byte("You said: " + x.Message().Parts[0].Text()))
//		return err
//	})
//	defer engine.Drain(ctx)
//	http.Handle("/", a2asrv.NewJSONRPCHandler(engine)) // or another binding
//
// It takes the place of the handler that a2asrv.NewHandler makes, which copies
// the whole task for each event, so that a reply of 4,000 chunks takes seconds
// there. Here a chunk costs the same, well below a microsecond, however long
// the reply is and however many read it.
//
// # Tasks and events
//
// A message makes a task, and one turn answers it. What happens is a sequence
// of events, numbered from 1: the task as it was submitted, its status
// (working), the reply piece by piece, and the final status (completed, failed
// or canceled). Text and parts that the turn writes make one artifact,
// [ReplyArtifactID]; further artifacts may stand beside it. The task is what the
// events add up to, except that text which was written in a row is one part in
// it, not one for each write. Tokens and tools that the turn has counted are in
// the metadata of the final event and of the task, as [MetadataUsage] and
// [MetadataToolTrace].
//
// An event is in the task's journal before anybody sees it. Readers have their
// own place in the journal: a slow one is late and delays nobody, one that comes
// back with the last sequence it has seen misses nothing and sees nothing twice.
// What readers get is theirs down to messages and parts, which are shared and
// must not be modified.
//
// A message that comes again, with the same id in the same context, gets the
// task it made the first time; the platform delivers a message twice when a
// connection breaks.
//
// # What can go wrong
//
//   - The caller leaves: the turn goes on, and its task can be read later.
//   - The turn returns an error, panics or leaves its goroutine: the task fails,
//     with the text of a [Public] error or else with one that says nothing about
//     the cause, which is in the log, together with the stack of a panic.
//   - A caller cancels: the turn's context ends with [ErrCanceled]. The call
//     answers when the turn has returned, or after [WithCancelGrace] without it.
//   - Too many turns are running: new messages are refused with [ErrBusy].
//   - [Engine.Drain] runs out of time: the turns' contexts end with
//     [ErrShutdown]. A turn that comes to a good end within [WithShutdownGrace]
//     completes; one that fails then, or had a write refused, does not.
//
// What is refused has an error of type *a2a.Error with a text for the caller
// and a sentinel of package a2a to make a code of.
//
// # Memory
//
// Everything is in memory and gone with the process. [Limits] bounds the turns
// at once and the finished tasks that are kept; the oldest are forgotten first.
// Engines share nothing, so that any number of them fit in one process.
package task
