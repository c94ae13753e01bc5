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
// A turn may end with a question instead ([Execution.Ask]): the task is
// INPUT_REQUIRED, and the message that answers is another turn of it, in the
// same sequence of events.
//
// Readers have their own place in the sequence: a slow one is late and delays
// nobody, one that comes back with the last sequence it has seen misses nothing
// and sees nothing twice, whatever restarts lie between. What readers get is
// theirs down to messages and parts, which are shared and must not be modified.
//
// A message that comes again, with the same id in the same context and by the
// same caller, gets the task it made the first time; the platform delivers a
// message twice when a connection breaks.
//
// # What is stored, and when
//
// Tasks are kept in a [Store]: [NewEngine] has one in memory, [Open] takes any,
// such as that of package filestore. An event is in the store before anybody
// sees it. A turn begins when it is in the store that it does, and a message is
// remembered together with the task it makes, so that it does not run twice.
//
// Commits are grouped. While one is on its way everything that happens meanwhile
// comes together for the next, so that nothing waits while nothing else is going
// on, and thousands of chunks make one commit when the agent is fast. An agent
// that is faster than the store waits once a megabyte is not stored yet. While
// the store fails nothing new is shown, new messages are refused with
// [ErrStore], what has happened is kept, and [Engine.Health] says so.
//
// After a crash [Open] looks after every task that was not at rest. A turn that
// had begun goes on if the agent can ([WithResume]), with what was written so
// far in its hands; otherwise it fails, with a text that says so. One that had
// not begun begins. One that a caller has canceled is canceled. A task whose
// records are damaged keeps what is whole and fails; the log names it.
//
// Finished tasks leave memory as they end. [Limits] bounds how many of them the
// store keeps, and how many message ids.
//
// # Side effects
//
// A turn that is gone on with runs from its beginning, so what it does to the
// world outside happens again. [Execution.Once] keeps in the store that an
// effect was made and what came of it, so that it is made at most once.
//
// # Several processes
//
// Processes that share a store ([WithShared]) stand for each other: a caller may
// talk to any of them, and what one was doing when it died another one takes
// over. Where a turn runs may also be decided by a durable execution service
// ([WithDispatcher]). One process alone can write to a task at a time: taking it
// over is a compare-and-swap in the store.
//
// # Order
//
// The turns of one conversation (context id) run one after another, in the order
// their messages came; conversations run beside each other, up to
// [Limits].MaxRunning. What cannot run yet waits in a bounded queue, and beyond
// that a message is refused with a [BusyError] that says when to come again.
//
// # What can go wrong
//
//   - The caller leaves: the turn goes on, and its task can be read later.
//   - The turn returns an error, panics or leaves its goroutine: the task fails,
//     with the text of a [Public] error or else with one that says nothing about
//     the cause, which is in the log, together with the stack of a panic.
//   - A caller cancels: the turn's context ends with [ErrCanceled]. The call
//     answers when the turn has returned, or after [WithCancelGrace] without it.
//   - The turn takes too long ([WithTimeouts]): its context ends with an
//     [ErrTimeout], and the task fails.
//   - [Engine.Drain] runs out of time: the turns' contexts end with
//     [ErrShutdown]. A turn that comes to a good end within [WithShutdownGrace]
//     completes. Another goes on with the next start, if the store outlives the
//     process and the agent can resume, and fails otherwise.
//
// What is refused has an error in which there is an *a2a.Error with a text for
// the caller and a sentinel of package a2a to make a code of.
//
// # Whose a task is
//
// A task belongs to who has sent its first message ([WithOwner]). For everybody
// else it does not exist.
//
// Engines share nothing, so that any number of them fit in one process.
package task
