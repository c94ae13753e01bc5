package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// A workspace on a platform that lives in this process: it registers, is sent a
// message through the platform, answers, and ends when its context does.
func Example() {
	platform, err := registrytest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer platform.Close()
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
	dir, err := os.MkdirTemp("", "workspace")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	agent := runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := fmt.Fprintf(reply, "You said: %s", turn.Text())
		return err
	})
	workspace, err := runtime.New(agent,
		runtime.WithWorkspaceID(row.ID()),
		runtime.WithPlatformURL(platform.URL()),
		runtime.WithConfigDir(dir),
		runtime.WithAddr("localhost:0"),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- workspace.Run(ctx) }()

	err = platform.Await(ctx, func() bool { return row.Status() == "online" })
	if err != nil {
		log.Fatal(err)
	}
	status, answer, err := platform.Say(ctx, row.ID(), "hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status, text(answer))

	stop()
	fmt.Println("Run returned", <-over)
	// Output:
	// 200 You said: hello
	// Run returned <nil>
}

// Everything that is wrong is said at once, with what to do about it.
func ExampleNew() {
	_, err := runtime.New(runtime.AgentFunc(answer),
		runtime.WithWorkspaceID("my workspace"),
		runtime.WithPlatformURL("localhost:8080"),
	)
	fmt.Println(err)
	// Output:
	// runtime: WithWorkspaceID="my workspace" is not a UUID; take the workspace's id from the platform
	// WithPlatformURL="localhost:8080" has no http or https in front; write it like http://host:8080
}

// The settings of several workspaces in one process, as each one's environment
// would have them.
func ExampleFromLookup() {
	env := map[string]string{
		"WORKSPACE_ID":       "11111111-2222-4333-8444-555555555555",
		"PLATFORM_URL":       "https://platform.example.com",
		"HEARTBEAT_INTERVAL": "30",
	}
	_, err := runtime.New(runtime.AgentFunc(answer), runtime.FromLookup(func(name string) string { return env[name] }))
	fmt.Println(err)
	// Output:
	// runtime: HEARTBEAT_INTERVAL="30" is not a duration; write a number with a unit, such as 30s or 1m
}

// A workspace on a server of one's own. Until Run has set the agent up, callers
// are asked to wait.
func ExampleRuntime_Handler() {
	workspace, err := runtime.New(runtime.AgentFunc(answer),
		runtime.WithWorkspaceID("11111111-2222-4333-8444-555555555555"),
		runtime.WithPlatformURL("https://platform.example.com"),
		runtime.WithAgentURL("https://agents.example.com/one"),
		runtime.WithoutServer(),
	)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/one/", http.StripPrefix("/one", workspace.Handler()))
	// go workspace.Run(ctx) goes here.

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/one/readyz", nil))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output:
	// 503 {"ready":false,"reasons":["starting"]}
}

// The caller reads the message; the cause is for the log.
func ExamplePublic() {
	overloaded := errors.New("POST https://models.internal/v1: 529")
	err := runtime.Public(overloaded, "the model is overloaded, try again in a minute")
	fmt.Println(err)
	fmt.Println(errors.Is(err, overloaded))
	// Output:
	// the model is overloaded, try again in a minute: POST https://models.internal/v1: 529
	// true
}

// answer is an agent with nothing to say.
func answer(context.Context, *runtime.Turn, *runtime.Reply) error { return nil }

// text is what a person reads of an answer.
func text(raw []byte) string {
	var r reply
	if err := json.Unmarshal(raw, &r); err != nil {
		return err.Error()
	}
	return r.text()
}

// reader is an agent with a tool of its own beside the platform's.
type reader struct{ tools *tool.Table }

type page struct {
	URL string `json:"url" jsonschema:"what to read"`
}

func (r *reader) SetUp(_ context.Context, ws *runtime.Workspace) error {
	r.tools = ws.Tools() // its Functions are what a model is told
	return nil
}

func (r *reader) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	// A model would say which tool, and with what. The call's id is the same
	// when the turn is gone on with after a restart: nothing is done twice.
	ctx = tool.WithCallID(ctx, turn.TaskID()+"/1")
	result, _ := r.tools.Call(ctx, "read_page", json.RawMessage(`{"url":"`+turn.Text()+`"}`))
	_, err := fmt.Fprint(reply, result.Text)
	return err
}

func ExampleWithTools() {
	read := tool.New("read_page", "Reads a page of the web.", func(_ context.Context, in page) (string, error) {
		return "the page " + in.URL, nil
	}, tool.WithHints(tool.Hints{ReadOnly: true, OpenWorld: true}))

	_, err := runtime.New(&reader{},
		runtime.WithWorkspaceID("11111111-2222-4333-8444-555555555555"),
		runtime.WithPlatformURL("http://localhost:8080"),
		runtime.WithTools(read),
	)
	fmt.Println(err)
	// Output: <nil>
}
