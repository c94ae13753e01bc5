// Package workspaceruntime is the front door of a library for authors of agent
// adapters. An adapter turns one agent (an LLM loop, a coding CLI, a framework)
// into a managed workspace of an agent platform. The author writes one method;
// the library keeps the workspace's bearer token, serves the A2A protocol,
// registers, heartbeats, streams, drains, and survives token rotation, crashes
// and platform outages.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//
//		"github.com/molecule-ai/workspace-runtime-go/runtime"
//	)
//
//	func main() {
//		runtime.Main(runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
//			_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
//			return err
//		}))
//	}
//
// That program, built with CGO_ENABLED=0, copied into a scratch image and
// started with WORKSPACE_ID and PLATFORM_URL, is a complete workspace.
//
// This package holds nothing else. Go on with
//
//	runtime                 the workspace: Agent, Turn, Reply, Runtime, Main
//	heartbeat               the fix for a rotated token, in any http.Client:
//	                        RoundTripper; and Loop, which keeps a workspace alive
//	platformauth            the token file
//	registry                the platform's HTTP API
//	registry/registrytest   a platform to test against
//	examples                programs to run
//
// # Decisions
//
// Where the code differs from what one would expect, this is why.
//
//   - A workspace that the platform has removed stays up, not ready, until it is
//     stopped: a container that exits is only started again, and would register
//     a ghost.
//   - A subscriber to a task that has ended gets its end, where the A2A
//     specification allows a refusal: who lost the connection a moment before
//     the end need not ask in another way.
//   - A message id that comes again gets the task it made: the platform delivers
//     messages again with the same id. Within a conversation that holds whatever
//     else the message says now; without one, other content is refused, because
//     it may be somebody else's.
//   - A turn begins only once it is stored that it does: a commit before each
//     turn is the price of never answering a message twice, also when the
//     process is killed between the two.
//   - Reply.Ask ends the turn instead of waiting in it: a goroutine that waits
//     for a person does not survive a restart, a stored question does.
//   - Push notifications tell changes of status, not pieces of the reply, and
//     never follow a redirect: a token belongs to the host it was given for.
//   - A trace travels in the metadata of messages as well as in headers: the
//     platform's proxy passes no headers on. Heartbeats and the check of the
//     token are metrics, not spans: they would be most of all there is to see.
//   - The server has no read timeout, because one on the connection would end the
//     context of turns that take longer; headers and bodies have their own.
//   - A token file that does not look finished is given a tenth of a second
//     before it is believed: the platform writes it in place.
//   - All watches of token files in a process share one handle of the system's,
//     the module's only hidden state: Linux grants a user 128 of them, and a
//     program may host a thousand workspaces.
//   - Once the platform says that another token is the live one, it is asked
//     again only every other interval: the watch on the file is faster.
package workspaceruntime
