package task_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2apb/v1/pbconv"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// everything is an agent whose task has all a task can have.
func everything(_ context.Context, x *task.Execution) error {
	x.WriteText([]byte("some "))
	x.WriteText([]byte("text"))
	x.WriteParts(
		a2a.NewDataPart(map[string]any{"n": 1, "list": []string{"a"}}),
		a2a.NewRawPart([]byte{0, 1, 2}),
		a2a.NewFileURLPart("http://f", "image/png"),
		&a2a.Part{Content: a2a.Text("named"), Filename: "f", Metadata: map[string]any{"k": 1.5}})
	x.AddArtifact(&a2a.Artifact{Name: "extra", Parts: a2a.ContentParts{a2a.NewTextPart("x")}, Metadata: map[string]any{"k": "v"}})
	x.AddUsage(1, 2)
	x.AddToolTrace(task.ToolTrace{Tool: "t", Input: "i", OutputPreview: "o"})
	return task.Public(nil, "done in a way")
}

// TestBindingsOfA2AGo serves the engine through the bindings of a2a-go to its
// own client: the interface is the seam.
func TestBindingsOfA2AGo(t *testing.T) {
	for name, tc := range map[string]struct {
		handler  func(a2asrv.RequestHandler) http.Handler
		protocol a2a.TransportProtocol
	}{
		"JSON-RPC": {func(h a2asrv.RequestHandler) http.Handler { return a2asrv.NewJSONRPCHandler(h) }, a2a.TransportProtocolJSONRPC},
		"REST":     {func(h a2asrv.RequestHandler) http.Handler { return a2asrv.NewRESTHandler(h) }, a2a.TransportProtocolHTTPJSON},
	} {
		t.Run(name, func(t *testing.T) {
			e := task.NewEngine(everything)
			defer drain(t, e)
			server := httptest.NewServer(tc.handler(e))
			defer server.Close()
			client, err := a2aclient.NewFromEndpoints(t.Context(),
				[]*a2a.AgentInterface{a2a.NewAgentInterface(server.URL, tc.protocol)},
				a2aclient.WithJSONRPCTransport(server.Client()), a2aclient.WithRESTTransport(server.Client()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Destroy()

			var sum *a2a.Task
			for ev, err := range client.SendStreamingMessage(t.Context(), send("hi")) {
				if err != nil {
					t.Fatal(err)
				}
				sum = fold(t, sum, ev)
			}
			wantState(t, sum, a2a.TaskStateFailed)
			read, err := client.GetTask(t.Context(), &a2a.GetTaskRequest{ID: sum.ID})
			if err != nil {
				t.Fatal(err)
			}
			want := jsonOf(t, joined(get(t, e, sum.ID)))
			for how, got := range map[string]*a2a.Task{"streamed": sum, "read": read} {
				if text := jsonOf(t, joined(got)); text != want {
					t.Errorf("%s: %s\nwant %s", how, text, want)
				}
			}
			list, err := client.ListTasks(t.Context(), &a2a.ListTasksRequest{})
			if err != nil || len(list.Tasks) != 1 {
				t.Errorf("listed %v, %v", list, err)
			}
			_, err = client.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: sum.ID})
			wantError(t, err, a2a.ErrTaskNotCancelable)
			_, err = client.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "nobody"})
			wantError(t, err, a2a.ErrTaskNotFound)
		})
	}
}

// TestTasksFitIntoProtobuf: what the gRPC binding does with them.
func TestTasksFitIntoProtobuf(t *testing.T) {
	e := task.NewEngine(everything)
	defer drain(t, e)
	for ev, err := range e.SendStreamingMessage(t.Context(), send("hi")) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pbconv.ToProtoStreamResponse(ev); err != nil {
			t.Errorf("%T: %v", ev, err)
		}
	}
	list, err := e.ListTasks(t.Context(), &a2a.ListTasksRequest{IncludeArtifacts: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pbconv.ToProtoTask(list.Tasks[0]); err != nil {
		t.Error(err)
	}
}
