package telemetry_test

import (
	"context"
	"fmt"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/telemetry"
)

// An adapter that can be seen. Without OTEL_EXPORTER_OTLP_ENDPOINT and its like
// in the environment nothing is sent.
func ExampleFromEnv() {
	agent := runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
		return err
	})
	_, err := runtime.New(agent, // in an adapter: runtime.Main(agent, telemetry.FromEnv())
		runtime.WithWorkspaceID("11111111-2222-4333-8444-555555555555"),
		runtime.WithPlatformURL("http://platform.example"),
		telemetry.FromEnv(),
	)
	fmt.Println(err)
	// Output: <nil>
}
