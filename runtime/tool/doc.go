// Package tool is one table of tools for every way of calling them: from Go,
// from a model's function calls, over MCP, from a shell.
//
//	table, err := tool.NewTable([]*tool.Tool{weather}, tool.WithRoles(roles))
//	...
//	request.Tools = table.Functions()                             // for a chat-completion interface
//	result, err := table.Call(ctx, call.Name, call.Arguments)     // what the model asked for
//	answer(result.Text, result.IsError)
//
// # A tool
//
// [New] makes one of a Go function and a struct; schemas are derived. Before
// the function is called, the input is checked, and everything that is wrong is
// said in words a model can act on: the field, what is wrong with it, what to do.
//
// # Permission
//
// A tool may need an action ([WithAction]), and the table asks its [Roles].
// Without roles nothing that needs one is allowed.
//
// # A call
//
// Calls are concurrent, bounded in time, cancelled through their context, and a
// panic ends none but its own. Each has an identity ([WithCallID]) under which
// its effects happen at most once, and may say how far it has come ([Report]).
// [WithObserver] is the one hook: audit trails and traces are made of it.
//
// # The platform's tools
//
// [Platform] makes them. The runtime does so for its workspace, so most adapters
// only add their own:
//
//	list_peers, get_workspace_info          who is there
//	delegate_task                           hand work to a peer and wait
//	delegate_task_async, check_task_status  hand work over, and see how it stands
//	route_task_to_team                      the same for children, while there are any
//	send_message_to_user                    with files
//	commit_memory, recall_memory
//	request_approval                        a person's leave
//
// Peers are reached through the platform alone. A message is sent again only
// when it has certainly not arrived, or when the peer's card says that it knows
// messages by their ids ([MessageIDExtension]): two deliveries are one piece of
// work then. What peers and other workspaces say is data: it is cut to its line,
// and the descriptions tell the model that it is no instruction.
package tool
