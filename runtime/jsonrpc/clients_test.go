package jsonrpc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	legacy "github.com/a2aproject/a2a-go/a2a"
	legacyclient "github.com/a2aproject/a2a-go/a2aclient"
	legacycard "github.com/a2aproject/a2a-go/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// clients are the real Go clients of both versions, which have found the agent
// through its card.
type clients struct {
	v10 *a2aclient.Client
	v03 *legacyclient.Client
}

// discover serves an agent at one URL and lets both clients discover it there.
func discover(t *testing.T, rh a2asrv.RequestHandler, capabilities a2a.AgentCapabilities) clients {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	card, err := jsonrpc.NewCard(&a2a.AgentCard{
		Name: "probe", Version: "1", Capabilities: capabilities,
		SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface(server.URL, a2a.TransportProtocolJSONRPC)},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", jsonrpc.NewHandler(rh))
	mux.Handle("/.well-known/agent-card.json", card)

	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	card10, err := agentcard.NewResolver(client).Resolve(t.Context(), server.URL)
	if err != nil {
		t.Fatalf("the card, 1.0: %v", err)
	}
	c10, err := a2aclient.NewFromCard(t.Context(), card10, a2aclient.WithJSONRPCTransport(client))
	if err != nil {
		t.Fatal(err)
	}
	card03, err := legacycard.NewResolver(client).Resolve(t.Context(), server.URL)
	if err != nil {
		t.Fatalf("the card, 0.3: %v", err)
	}
	c03, err := legacyclient.NewFromCard(t.Context(), card03, legacyclient.WithJSONRPCTransport(client))
	if err != nil {
		t.Fatal(err)
	}
	return clients{c10, c03}
}

// turns is the engine of package task with an agent that repeats what it hears
// in n chunks ("count n"), or waits to be canceled ("wait").
func turns(t *testing.T) *task.Engine {
	t.Helper()
	engine := task.NewEngine(func(ctx context.Context, x *task.Execution) error {
		said := x.Message().Parts[0].Text()
		n, counted := strings.CutPrefix(said, "count ")
		switch {
		case counted:
			n, err := strconv.Atoi(n)
			if err != nil {
				return task.Public(err, "count what?")
			}
			for i := range n {
				if _, err := x.WriteText([]byte(strconv.Itoa(i) + " ")); err != nil {
					return err
				}
			}
		case said == "wait":
			if _, err := x.WriteText([]byte("waiting")); err != nil {
				return err
			}
			<-ctx.Done()
			return context.Cause(ctx)
		default:
			x.AddUsage(11, 7)
			x.AddToolTrace(task.ToolTrace{Tool: "sh", Input: "ls", OutputPreview: "a.txt"})
			if _, err := x.WriteText([]byte("You said: " + said)); err != nil {
				return err
			}
		}
		return nil
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Drain(ctx); err != nil {
			t.Error(err)
		}
	})
	return engine
}

var _ jsonrpc.Sequencer = (*task.Engine)(nil)

func say10(text string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
}

func say03(text string) *legacy.MessageSendParams {
	return &legacy.MessageSendParams{Message: legacy.NewMessage(legacy.MessageRoleUser, legacy.TextPart{Text: text})}
}

func text10(task *a2a.Task) string {
	var b strings.Builder
	for _, artifact := range task.Artifacts {
		for _, p := range artifact.Parts {
			b.WriteString(p.Text())
		}
	}
	return b.String()
}

func text03(task *legacy.Task) string {
	var b strings.Builder
	for _, artifact := range task.Artifacts {
		for _, p := range artifact.Parts {
			b.WriteString(p.(legacy.TextPart).Text)
		}
	}
	return b.String()
}

var everything = a2a.AgentCapabilities{Streaming: true, PushNotifications: true, ExtendedAgentCard: true}

func TestBothClientsSendAndGetOnOneURL(t *testing.T) {
	c := discover(t, turns(t), everything)
	result10, err := c.v10.SendMessage(t.Context(), say10("hello"))
	if err != nil {
		t.Fatal(err)
	}
	task10 := result10.(*a2a.Task)
	if task10.Status.State != a2a.TaskStateCompleted || text10(task10) != "You said: hello" {
		t.Errorf("1.0: %s %q", task10.Status.State, text10(task10))
	}
	result03, err := c.v03.SendMessage(t.Context(), say03("hello"))
	if err != nil {
		t.Fatal(err)
	}
	task03 := result03.(*legacy.Task)
	if task03.Status.State != legacy.TaskStateCompleted || text03(task03) != "You said: hello" {
		t.Errorf("0.3: %s %q", task03.Status.State, text03(task03))
	}

	// Each reads the task the other has made.
	got10, err := c.v10.GetTask(t.Context(), &a2a.GetTaskRequest{ID: a2a.TaskID(task03.ID)})
	if err != nil || text10(got10) != "You said: hello" || len(got10.History) != 1 {
		t.Errorf("1.0 reads the task of 0.3: %+v, %v", got10, err)
	}
	none := 0
	got03, err := c.v03.GetTask(t.Context(), &legacy.TaskQueryParams{ID: legacy.TaskID(task10.ID), HistoryLength: &none})
	if err != nil || text03(got03) != "You said: hello" || len(got03.History) != 0 {
		t.Errorf("0.3 reads the task of 1.0: %+v, %v", got03, err)
	}
	list, err := c.v10.ListTasks(t.Context(), &a2a.ListTasksRequest{})
	if err != nil || len(list.Tasks) != 2 || list.TotalSize != 2 {
		t.Errorf("the list: %+v, %v", list, err)
	}
}

func TestBothClientsStream(t *testing.T) {
	c := discover(t, turns(t), everything)
	want := "0 1 2 3 4 5 6 7 8 9 "
	var got strings.Builder
	var first, last a2a.Event
	for ev, err := range c.v10.SendStreamingMessage(t.Context(), say10("count 10")) {
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = ev
		}
		last = ev
		if update, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			for _, p := range update.Artifact.Parts {
				got.WriteString(p.Text())
			}
		}
	}
	if _, ok := first.(*a2a.Task); !ok || got.String() != want || last.(*a2a.TaskStatusUpdateEvent).Status.State != a2a.TaskStateCompleted {
		t.Errorf("1.0: first %T, text %q, last %+v", first, got.String(), last)
	}

	got.Reset()
	var first03, last03 legacy.Event
	finals := 0
	for ev, err := range c.v03.SendStreamingMessage(t.Context(), say03("count 10")) {
		if err != nil {
			t.Fatal(err)
		}
		if first03 == nil {
			first03 = ev
		}
		last03 = ev
		switch ev := ev.(type) {
		case *legacy.TaskArtifactUpdateEvent:
			for _, p := range ev.Artifact.Parts {
				got.WriteString(p.(legacy.TextPart).Text)
			}
		case *legacy.TaskStatusUpdateEvent:
			if ev.Final {
				finals++
			}
		}
	}
	status, _ := last03.(*legacy.TaskStatusUpdateEvent)
	if _, ok := first03.(*legacy.Task); !ok || got.String() != want || status == nil || !status.Final || finals != 1 {
		t.Errorf("0.3: first %T, text %q, %d finals, last %+v", first03, got.String(), finals, last03)
	}
}

func TestATaskOf03IsCanceledBy10(t *testing.T) {
	c := discover(t, turns(t), everything)
	var states []legacy.TaskState
	for ev, err := range c.v03.SendStreamingMessage(t.Context(), say03("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		switch ev := ev.(type) {
		case *legacy.TaskArtifactUpdateEvent: // it is at work
			task, err := c.v10.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: a2a.TaskID(ev.TaskID)})
			if err != nil || task.Status.State != a2a.TaskStateCanceled {
				t.Fatalf("cancel: %+v, %v", task, err)
			}
		case *legacy.TaskStatusUpdateEvent:
			states = append(states, ev.Status.State)
		}
	}
	if n := len(states); n == 0 || states[n-1] != legacy.TaskStateCanceled {
		t.Errorf("the stream of 0.3 saw %v", states)
	}
}

func TestATaskOf10IsCanceledBy03(t *testing.T) {
	c := discover(t, turns(t), everything)
	var last a2a.Event
	for ev, err := range c.v10.SendStreamingMessage(t.Context(), say10("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		last = ev
		if update, ok := ev.(*a2a.TaskArtifactUpdateEvent); ok {
			task, err := c.v03.CancelTask(t.Context(), &legacy.TaskIDParams{ID: legacy.TaskID(update.TaskID)})
			if err != nil || task.Status.State != legacy.TaskStateCanceled {
				t.Fatalf("cancel: %+v, %v", task, err)
			}
		}
	}
	if status, ok := last.(*a2a.TaskStatusUpdateEvent); !ok || status.Status.State != a2a.TaskStateCanceled {
		t.Errorf("the stream of 1.0 ended with %+v", last)
	}
}

func TestBothClientsSubscribeToOneTask(t *testing.T) {
	c := discover(t, turns(t), everything)
	for ev, err := range c.v03.SendStreamingMessage(t.Context(), say03("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		update, ok := ev.(*legacy.TaskArtifactUpdateEvent)
		if !ok {
			continue
		}
		var ended []string
		for ev, err := range c.v10.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: a2a.TaskID(update.TaskID)}) {
			if err != nil {
				t.Fatal(err)
			}
			switch ev := ev.(type) {
			case *a2a.Task:
				if text10(ev) != "waiting" {
					t.Errorf("1.0 begins with %q", text10(ev))
				}
				for ev, err := range c.v03.ResubscribeToTask(t.Context(), &legacy.TaskIDParams{ID: update.TaskID}) {
					if err != nil {
						t.Fatal(err)
					}
					switch ev := ev.(type) {
					case *legacy.Task:
						if text03(ev) != "waiting" {
							t.Errorf("0.3 begins with %q", text03(ev))
						}
						if _, err := c.v10.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: a2a.TaskID(ev.ID)}); err != nil {
							t.Fatal(err)
						}
					case *legacy.TaskStatusUpdateEvent:
						ended = append(ended, "0.3 "+string(ev.Status.State))
					}
				}
			case *a2a.TaskStatusUpdateEvent:
				ended = append(ended, "1.0 "+string(ev.Status.State))
			}
		}
		if got := strings.Join(ended, ", "); got != "0.3 canceled, 1.0 TASK_STATE_CANCELED" {
			t.Errorf("the streams ended with %s", got)
		}
	}
}

func TestBothClientsSeeTheErrorOfASubscription(t *testing.T) {
	c := discover(t, turns(t), everything)
	var err10, err03 error
	for _, err := range c.v10.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: "nobody"}) {
		err10 = err
	}
	for _, err := range c.v03.ResubscribeToTask(t.Context(), &legacy.TaskIDParams{ID: "nobody"}) {
		err03 = err
	}
	if !errors.Is(err10, a2a.ErrTaskNotFound) || !errors.Is(err03, legacy.ErrTaskNotFound) {
		t.Errorf("1.0: %v, 0.3: %v; want task not found", err10, err03)
	}
	for _, err := range c.v10.SendStreamingMessage(t.Context(), &a2a.SendMessageRequest{Message: &a2a.Message{ID: "m"}}) {
		err10 = err
	}
	for _, err := range c.v03.SendStreamingMessage(t.Context(), &legacy.MessageSendParams{Message: &legacy.Message{ID: "m"}}) {
		err03 = err
	}
	if !errors.Is(err10, a2a.ErrInvalidParams) || !errors.Is(err03, legacy.ErrInvalidParams) {
		t.Errorf("a message without parts: 1.0: %v, 0.3: %v; want invalid params", err10, err03)
	}
}

func TestBothClientsGetTheExtendedCard(t *testing.T) {
	a := &agent{card: func(context.Context, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
		return &a2a.AgentCard{
			Name: "extended", Capabilities: everything,
			SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface("http://agent.test/", a2a.TransportProtocolJSONRPC)},
		}, nil
	}}
	c := discover(t, a, everything)
	card10, err := c.v10.GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
	if err != nil || card10.Name != "extended" {
		t.Errorf("1.0: %+v, %v", card10, err)
	}
	card03, err := c.v03.GetAgentCard(t.Context()) // sends no params
	if err != nil || card03.Name != "extended" || card03.URL != "http://agent.test/" {
		t.Errorf("0.3: %+v, %v", card03, err)
	}
}
