// Package mcp serves a workspace's tools over the Model Context Protocol, so
// that any agent which speaks MCP, such as a coding CLI, can use them:
//
//	func main() {
//		runtime.Main(agent, mcp.Enable())
//	}
//
// The adapter's binary is the server: ADAPTER mcp speaks MCP on its standard
// input and output. It does nothing by itself. It finds the workspace that runs
// beside it through a socket in the configuration directory that only its user
// can open, and hands the conversation over, so that there is one token, one
// way of retrying and one audit trail. Where no workspace runs it works from the
// token file. [WithHTTP] serves MCP over streamable HTTP as well, for agents
// that cannot start a program.
//
// # Calls
//
// Calls run beside each other: a delegation that takes five minutes delays no
// ping and no other call. They end when the client cancels them, or when its
// connection ends. Progress is told to clients that ask for it. What goes wrong
// in a tool is a result with isError and a text that a model can act on; a
// panic is that as well. Tools that come and go are announced.
//
// # An agent's configuration
//
// [WriteJSON] and [WriteTOML] put a server into the configuration file of an
// agent and leave the rest of the file, and what others keep in the entry, as it
// is.
//
// [NewServer] is for programs without a runtime.
package mcp
