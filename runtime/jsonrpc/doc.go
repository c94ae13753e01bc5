// Package jsonrpc is the A2A front end of a workspace: JSON-RPC over HTTP, in
// the versions 1.0 and 0.3 of the protocol on one path, over any
// [a2asrv.RequestHandler] of the official Go library.
//
//	card, err := jsonrpc.NewCard(&a2a.AgentCard{
//		Name:                "echo",
//		SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface(url, a2a.TransportProtocolJSONRPC)},
//	})
//	if err != nil {
//		return err
//	}
//	mux := http.NewServeMux()
//	mux.Handle("/", jsonrpc.NewHandler(engine))
//	mux.Handle("/.well-known/agent-card.json", card)
//
// The library's own handlers are not used: the one for 0.3 links gRPC, refuses
// what the platform sends and can be made to hang; both read bodies of any size,
// ignore the version a caller asks for, and tell callers what went wrong inside.
//
// # Two versions, one path
//
// The name of the method says which version a caller speaks (message/send or
// SendMessage), and the answer is in the same one. A caller that names a
// version (A2A-Version) gets it or a refusal. Parts may be keyed by "kind", by
// "type" or by neither; a missing message id is made up, a missing role is the
// user's. What stands in params.metadata and in message.metadata reaches the
// handler as it is.
//
// An answer in 0.3 has its text where the platform looks for it: a message in
// result.parts, a task in result.artifacts, and a task that has no other text
// repeats its status message as result.parts. Metadata "usage" is repeated as
// result.usage.
//
// # What is refused, and how
//
//	not a POST                          405, with Allow
//	another site's page                 403
//	Content-Type other than JSON        415
//	body over the limit (4 MiB)         413
//	body that does not arrive in 30 s   400
//	no JSON, or more than one value     -32700
//	batch, notification, no object, id
//	over 1 KiB, nested deeper than 64   -32600
//	unknown method, or one of the
//	version that was not asked for      -32601
//	bad parameters, null parts          -32602
//	unknown A2A-Version                 -32009
//
// Nothing is decoded before the cheap checks have passed. Ids are echoed as
// they came, also numbers above 2^53. A JSON-RPC error has the HTTP status 200.
//
// # Errors
//
// A caller reads the texts of A2A's own errors and what an [a2a.Error] says for
// callers. Every other error, and every panic, is "internal error" there and a
// line in the log here. Both Go clients turn the codes back into the errors of
// their package.
//
// # Streams
//
// Headers are sent as soon as the parameters are found good; from then on an
// error is the last event of the stream. A caller that accepts nothing but
// text/event-stream gets every error as an event, because in a plain answer the
// Go clients would see a stream without events.
//
// The id of an event is its sequence within the task when the handler is a
// [Sequencer], the one optional ability of a handler; a Last-Event-ID then
// resumes. Without it ids count the events of each stream, and a caller that
// comes back begins with the task as it is. A comment keeps silent streams
// alive. Every write has its own deadline, so a caller that stops reading ends
// its own stream and delays nobody; the work it asked for goes on if the handler
// sees to that.
//
// The timeouts of the http.Server do not matter to calls in progress: the
// deadlines here replace them, for calls and streams of any length.
//
// # Several in one process
//
// Handlers and cards share nothing. A handler starts one goroutine for each
// open stream and waits for it.
package jsonrpc
