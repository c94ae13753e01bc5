// Package heartbeat keeps a workspace alive on the platform. It has four
// parts, each of use without the others:
//
//   - [RoundTripper] adds the workspace's token to every call and, on a 401,
//     re-reads it and tries once more
//   - [State] is what the workspace says about itself: its running tasks, how
//     its turns went, whether it is wedged, what it can do
//   - [Loop] registers, sends heartbeats with that State, and recovers from
//     token rotations and outages
//   - [Inbox] delivers the results of delegations to the agent
//
// All together:
//
//	tokens := platformauth.NewStore("")
//	transport, err := heartbeat.NewRoundTripper(url, tokens)
//	client, err := registry.NewClient(url, id, registry.WithTransport(transport))
//	state := heartbeat.NewState()
//	loop, err := heartbeat.NewLoop(heartbeat.LoopConfig{
//		Client: client, Transport: transport, Tokens: tokens, State: state,
//		Registration: func() heartbeat.Registration {
//			return heartbeat.Registration{URL: "https://agent.example", Card: card}
//		},
//	})
//	err = loop.Run(ctx) // until ctx ends or the workspace is removed
//
// # Life
//
// [Loop.Run] registers, then beats every 30 s, a tenth more or less. When a
// task begins or ends or the wedge changes, it beats at once: five times in a
// row, then once per second, and the last edge is always told, since the
// platform hands out one queued message per heartbeat. At the end it beats one
// last time. A heartbeat never waits for any call but the heartbeat before it,
// and each call has a deadline: 10 s or a third of the interval.
//
// Every heartbeat carries the full State, because the platform overwrites all
// it knows with what a heartbeat says and clears what is missing.
//
// # Tokens
//
// The platform rotates a workspace's token when it restarts the workspace: it
// revokes the old one, issues another one and writes that into the token file,
// in this order, not atomically and sometimes late. What holds here:
//
//   - A 401 is a question, not a verdict. A platform whose database is down
//     answers 401 to good tokens. Nothing is thrown away because of one.
//   - A heartbeat's 200 proves nothing: while a workspace has no live token the
//     platform accepts any. So the Loop makes one call per interval that needs a
//     good token (GET /workspaces/{id}/state), and only such a call ends a
//     recovery. A 401 that anybody else's call meets on the same transport
//     makes it do so at once.
//   - A token that the platform issues is on disk before anything else happens,
//     since it is shown only once. If it cannot be written, it is used from
//     memory and the writing repeated.
//   - The moment the token changes, a heartbeat goes out with it, whatever its
//     back-off says.
//
// The way from a 401 to a good token is drawn in ladder.go.
//
// # When things fail
//
//	what                       what the Loop does
//	no answer, 5xx, 429        backs off with jitter up to the interval; Retry-After is obeyed
//	any other status           a failure too; the next try is the next heartbeat
//	401                        the ladder: file, row, registration
//	403                        is no 401: nothing is refreshed
//	registration refused, 400  heartbeats alone, the card pushed by itself; tried again with another
//	                           address or after Announce
//	silence beyond the TTL     registers again: only that makes the platform watch it again
//	paused, hibernated         waits; a registration would wake it
//	removed                    Run returns ErrRemoved
//
// It never gives up while its context lives. What an operator should know is in
// [Status], which readiness endpoints read, and in the log: a warning twice, an
// error with what to do, then one in twenty, and a line with the length of the
// outage when it is over. Keys in the log: workspace_id, call, kind, attempt,
// wait, next_beat, outage, failures, rounds, url, error, do.
//
// # The inbox
//
// A workspace hands work to others and learns of the end by a list: GET
// /workspaces/{id}/delegations, the newest 50 rows, two rows to a delegation. The
// [Inbox] reads it beside the heartbeats, which never wait for it, and delivers
// each result to the agent exactly once:
//
//	look      a result that is new goes into the file, with the user's notification
//	hand      the attempt goes into the file, then the agent's turn runs
//	finish    the turn has succeeded: the file says so, for good
//
// A process that dies anywhere in between delivers again with the same message
// id, which a task engine runs once. A turn that failed is repeated under another
// id, after a rest, and a result is given up after some attempts: the log and the
// user are told. A turn that could not begin ([ErrNotTaken]) is no attempt.
//
// More may end between two looks than the list has, and a delegation may have left
// it when it ends. Then, and once at the start, the Inbox reads the same rows from
// GET /workspaces/{id}/activity, the newest 500. What lies beyond those is lost,
// and an error in the log.
//
// The first look ever is the baseline: what has ended by then is history. What
// ends between the first boot and the first look that succeeds is history too;
// nobody can tell the two apart. Only rows with this workspace as their source
// count. The platform's 300 bytes of an answer are all that the list has.
//
// The user gets one notification for each result. The platform takes no key that
// would make a repeat harmless, so one that may have arrived is not repeated: a
// process that dies during the call costs a notification, never brings two.
//
// # Several in one process
//
// There is no package state. Make one RoundTripper, registry.Client, State and
// Loop per workspace and let the RoundTrippers share a base transport; a Loop
// then costs two goroutines and about 14 KB.
package heartbeat
