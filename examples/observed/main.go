// Observed is two workspaces that can be seen: a desk that asks a library, and
// what OpenTelemetry is told of it.
//
//	go run ./examples/observed
//
// needs nothing: the program brings a platform along, and a small receiver that
// prints the one trace that goes from the caller through the platform's proxy to
// the desk, and on to the library, and some of the metrics.
//
// To look at the same in a backend of your own, start one, such as
//
//	docker run --rm -p 3000:3000 -p 4318:4318 grafana/otel-lgtm
//
// and let the standard variable name it; then nothing is printed here:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 go run ./examples/observed
//
// What an adapter needs for all this is one option: telemetry.FromEnv().
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/telemetry"
)

const (
	deskID    = "11111111-2222-4333-8444-555555555555"
	libraryID = "99999999-8888-4777-8666-555555555555"
	endpoint  = "OTEL_EXPORTER_OTLP_ENDPOINT"
)

// desk answers with the help of the library.
type desk struct{ ws *runtime.Workspace }

func (d *desk) Describe() runtime.Description { return runtime.Description{Name: "Desk"} }

func (d *desk) SetUp(_ context.Context, ws *runtime.Workspace) error { d.ws = ws; return nil }

func (d *desk) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	// What the agent says of itself is what its span says. A real one would say
	// which model it has called, and what that has cost.
	reply.Model("example:small-model")
	reply.Usage(120, 8)
	reply.ToolCall(runtime.ToolCall{Name: "catalogue", Took: 2 * time.Millisecond})

	// The context carries the trace: the call takes it along to the library.
	answer, err := d.ws.Platform.SendA2A(ctx, libraryID, registry.A2ARequest{ID: "1", Method: "message/send", Params: ask(turn.Text())})
	if err != nil {
		return err
	}
	if answer.Err != nil {
		return answer.Err
	}
	_, err = reply.WriteString("The library has answered.")
	return err
}

// library answers by itself.
type library struct{}

func (library) Describe() runtime.Description { return runtime.Description{Name: "Library"} }

func (library) Run(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	_, err := fmt.Fprintf(reply, "A book about %s.", turn.Text())
	return err
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "observed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var seen *receiver
	if os.Getenv(endpoint) == "" {
		if seen, err = receive(); err != nil {
			return err
		}
		defer seen.close()
		if err := os.Setenv(endpoint, seen.url()); err != nil {
			return err
		}
	}
	platform, err := registrytest.Start()
	if err != nil {
		return err
	}
	defer platform.Close()
	stopLibrary, err := start(ctx, platform, libraryID, library{})
	if err != nil {
		return err
	}
	stopDesk, err := start(ctx, platform, deskID, &desk{})
	if err != nil {
		return errors.Join(err, stopLibrary())
	}
	status, answer, err := platform.Call(ctx, deskID, "message/send", ask("otters"))
	fmt.Fprintf(out, "the desk answers %d: %v\n", status, strings.Contains(string(answer), "The library has answered."))

	// The end of a workspace sends what is not sent yet.
	if err := errors.Join(err, stopDesk(), stopLibrary()); err != nil {
		return err
	}
	if seen == nil {
		fmt.Fprintln(out, "traces and metrics went to", os.Getenv(endpoint))
		return nil
	}
	seen.print(out)
	return nil
}

// start runs a workspace until stop is called. In a container all of this is
// runtime.Main(agent, telemetry.FromEnv()) and two variables.
func start(ctx context.Context, platform *registrytest.Platform, id string, agent runtime.Agent) (stop func() error, err error) {
	row := platform.AddWorkspace(id)
	dir, err := os.MkdirTemp("", "observed-")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	ws, err := runtime.New(agent,
		runtime.WithWorkspaceID(id),
		runtime.WithPlatformURL(platform.URL()),
		runtime.WithConfigDir(dir),
		runtime.WithListener(listener),
		runtime.WithAgentURL("http://localhost:"+port),
		telemetry.FromEnv(),
	)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- ws.Run(life) }()
	stop = func() error {
		end()
		return errors.Join(<-over, os.RemoveAll(dir))
	}
	if err := platform.Await(ctx, func() bool { return row.Status() == "online" && len(row.Heartbeats()) > 0 }); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// ask makes the parameters of message/send.
func ask(text string) json.RawMessage {
	b, err := json.Marshal(map[string]any{"message": map[string]any{
		"role": "user", "messageId": "about-" + text, "parts": []any{map[string]any{"kind": "text", "text": text}},
	}})
	if err != nil { // strings always can
		panic(err)
	}
	return b
}
