// None links nothing but the runtime.
package main

import (
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/internal/weigh/agent"
)

func main() { runtime.Main(agent.Agent{}) }
