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
//	repeated       Workspace, Delegations (they only read), UpdateCard (an upsert)
//	not repeated   Register, Heartbeat, State (heartbeat.Loop owns their rhythm),
//	               SendA2A, Notify (a repeat would be a second message)
//
// A repeat follows a failure to get an answer, a 429 or a 5xx, after a jittered
// wait or what Retry-After asks for; see [Retry].
//
// # Several in one process
//
// A Client belongs to one workspace and holds no state but its connections,
// which are its transport's: clients that share a transport share them.
package registry
