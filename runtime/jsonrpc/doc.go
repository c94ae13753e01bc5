// Package jsonrpc is the A2A front end of a workspace: JSON-RPC over HTTP, in
// the versions 1.0 and 0.3 of the protocol on one path, over any
// [a2asrv.RequestHandler] of the official Go library.
//
//	mux := http.NewServeMux()
//	mux.Handle("/", jsonrpc.NewHandler(engine))
//	card, err := jsonrpc.NewCard(agentCard)
//	...
//	mux.Handle("/.well-known/agent-card.json", card)
//
// # Two versions, one path
//
// The name of the method says which version a caller speaks (message/send or
// SendMessage), and the answer is in the same one. A caller that names a
// version (A2A-Version) gets it or a refusal. Parts may be keyed by "kind", by
// "type" or by neither; a missing message id is made up, a missing role is the
// user's. In 0.3, metadata "usage" of a task is repeated as result.usage, where
// the platform reads it.
//
// # What is refused, and how
//
//	not a POST                          405, with Allow
//	another site's page                 403
//	Content-Type other than JSON        415
//	body over the limit (4 MiB)         413
//	no JSON, or more than one value     -32700
//	batch, notification, no object,
//	nested deeper than 64               -32600
//	unknown method, or one of the
//	version that was not asked for      -32601
//	bad parameters, null parts          -32602
//	unknown A2A-Version                 -32009
//
// Nothing is decoded before the cheap checks have passed. Ids are echoed as
// they came, also numbers above 2^53.
//
// # Errors
//
// A caller reads the text of A2A's own errors and what an [a2a.Error] says for
// callers. Every other error, and every panic, is "internal error" there and a
// line in the log here.
//
// # Streams
//
// Headers are sent at once. The id of an event is its sequence within the task
// when the handler is a [Sequencer]; a Last-Event-ID then resumes. A comment
// keeps silent streams alive. Each event has its own write deadline, so a caller
// that stops reading ends its own stream and delays nobody; do not set a
// WriteTimeout on the server.
package jsonrpc
