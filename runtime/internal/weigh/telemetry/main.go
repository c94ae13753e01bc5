// Telemetry links OpenTelemetry's SDK and exporters.
package main

import (
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/internal/weigh/agent"
	"github.com/molecule-ai/workspace-runtime-go/runtime/telemetry"
)

func main() { runtime.Main(agent.Agent{}, telemetry.FromEnv()) }
