// Both links OpenTelemetry's SDK and exporters, and Temporal's SDK.
package main

import (
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/internal/weigh/agent"
	"github.com/molecule-ai/workspace-runtime-go/runtime/telemetry"
	"github.com/molecule-ai/workspace-runtime-go/runtime/temporal"
)

func main() { runtime.Main(agent.Agent{}, telemetry.FromEnv(), temporal.FromEnv()) }
