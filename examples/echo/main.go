// Echo is the smallest real adapter: a workspace that answers what it is told.
//
// It takes its settings from the environment, like every adapter:
//
//	WORKSPACE_ID=11111111-2222-4333-8444-555555555555 PLATFORM_URL=http://localhost:8080 go run ./examples/echo
//
// Send it any text and it answers "You said: TEXT". A few texts are commands,
// so that a runtime can be exercised with nothing but this program:
//
//	count N      answers with the numbers from 1 to N, each a chunk of its own
//	sleep 2s     takes two seconds to answer
//	fail TEXT    fails; the log says TEXT, the caller reads a safe sentence
//	panic        panics; that task fails and the workspace lives on
package main

import "github.com/molecule-ai/workspace-runtime-go/runtime"

func main() {
	runtime.Main(Agent{})
}
