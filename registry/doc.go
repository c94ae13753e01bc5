// Package registry is a typed client of the platform's HTTP API, for one
// workspace.
//
//	client, err := registry.NewClient("http://localhost:8080", id,
//		registry.WithTransport(authTransport)) // a heartbeat.RoundTripper
//	...
//	answer, err := client.Register(ctx, registry.RegisterRequest{URL: url, AgentCard: card})
//
// # Layers
//
// A call passes retries, then the time limit of one attempt, then the
// transport it was given. The bearer is the transport's business: this package
// knows no token, and a 401 that arrives here is final. Redirects within the
// platform's origin are followed, others are refused.
//
// # Errors
//
// An answer other than success is an [*Error], and [errors.Is] finds its kind:
// [ErrUnauthorized], [ErrRateLimited], [ErrUnavailable] and so on. A failure to
// get an answer is neither; [FromPlatform] tells the two apart. Do not act on a
// single [ErrUnauthorized] or [ErrForbidden]: the platform gives both to good
// tokens while its database is down.
//
// # Repeats
//
//	repeated       what only reads; UpdateCard, SetKV without a version and
//	               others of which a repeat leaves what one call leaves; Delegate
//	               with an idempotency key; DeleteMemory and other removals (a
//	               repeat may find nothing left: ErrNotFound)
//	not repeated   Register, Heartbeat, State (heartbeat.Loop owns their rhythm),
//	               SendA2A, Notify, CommitMemory, RequestApproval, ReportActivity
//	               and whatever else a repeat would do twice; files
//
// A repeat follows a failure to get an answer, a 429 or a 5xx, after a jittered
// wait or what Retry-After asks for; see [Retry]. Each method says which it is.
//
// # What is sent
//
// Ids go out in lower case, since the platform compares them byte by byte. A
// NUL is taken out of every text, since the platform cannot store one. What it
// would refuse, or accept and lose, is refused here with an error that names
// the field.
//
// # Events
//
// [Client.Events] and [Client.PeerEvents] follow what happens to this workspace
// and to its peers, and connect again by themselves. The platform repeats
// nothing: after each [EventConnected], look.
//
// # Several in one process
//
// A Client belongs to one workspace and holds no state but its connections,
// which are its transport's: clients that share a transport share them.
package registry
