package temporal_test

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	common "go.temporal.io/api/common/v1"
	namespace "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// frontend is the part of a Temporal server that a workspace sees, for what the
// real one cannot be made to do: to fall silent, and to refuse. A workflow is one
// activity in it, at the process that has placed the turn.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	t    *testing.T
	addr string

	silent atomic.Bool // it takes calls and answers none
	denied atomic.Bool // nobody may start workflows
	stuck  atomic.Bool // a workflow that somebody wants to start is not
	looks  atomic.Int32

	mu     sync.Mutex
	starts []*workflowservice.StartWorkflowExecutionRequest
	queues map[string]chan *workflowservice.PollActivityTaskQueueResponse
}

func newFrontend(t *testing.T) *frontend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{t: t, addr: l.Addr().String(), queues: map[string]chan *workflowservice.PollActivityTaskQueueResponse{}}
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	workflowservice.RegisterWorkflowServiceServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *frontend) hostPort() string { return f.addr }

// answer waits for ever while the server is silent.
func (f *frontend) answer(ctx context.Context) error {
	if f.silent.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

// queue has what the workers of a task queue are to do.
func (f *frontend) queue(name string) chan *workflowservice.PollActivityTaskQueueResponse {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queues[name] == nil {
		f.queues[name] = make(chan *workflowservice.PollActivityTaskQueueResponse, 100)
	}
	return f.queues[name]
}

// started are the workflows that somebody wanted.
func (f *frontend) started() []*workflowservice.StartWorkflowExecutionRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*workflowservice.StartWorkflowExecutionRequest(nil), f.starts...)
}

func (f *frontend) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	f.looks.Add(1)
	return &workflowservice.DescribeNamespaceResponse{NamespaceInfo: &namespace.NamespaceInfo{Name: "default"}}, f.answer(ctx)
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) ShutdownWorker(ctx context.Context, _ *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error) {
	return &workflowservice.ShutdownWorkerResponse{}, f.answer(ctx)
}

func (f *frontend) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f *frontend) PollActivityTaskQueue(ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	select {
	case next := <-f.queue(r.TaskQueue.GetName()):
		return next, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *frontend) RecordActivityTaskHeartbeat(ctx context.Context, _ *workflowservice.RecordActivityTaskHeartbeatRequest) (*workflowservice.RecordActivityTaskHeartbeatResponse, error) {
	return &workflowservice.RecordActivityTaskHeartbeatResponse{}, f.answer(ctx)
}

func (f *frontend) RespondActivityTaskCompleted(ctx context.Context, _ *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	return &workflowservice.RespondActivityTaskCompletedResponse{}, f.answer(ctx)
}

func (f *frontend) RespondActivityTaskFailed(ctx context.Context, _ *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	return &workflowservice.RespondActivityTaskFailedResponse{}, f.answer(ctx)
}

func (f *frontend) StartWorkflowExecution(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	f.starts = append(f.starts, r)
	f.mu.Unlock()
	if f.denied.Load() {
		return nil, status.Error(codes.PermissionDenied, "you may look only")
	}
	if f.stuck.Load() {
		<-ctx.Done()
	}
	if err := f.answer(ctx); err != nil {
		return nil, err
	}
	var input struct{ Task, Process string }
	if err := json.Unmarshal(r.Input.Payloads[0].Data, &input); err != nil {
		f.t.Error(err)
	}
	if input.Task == "" { // such a workflow has no activity
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
	}
	f.queue(input.Process) <- &workflowservice.PollActivityTaskQueueResponse{
		TaskToken: []byte(r.WorkflowId), WorkflowNamespace: "default", WorkflowType: r.WorkflowType,
		WorkflowExecution: &common.WorkflowExecution{WorkflowId: r.WorkflowId, RunId: "run"},
		ActivityId:        "1", ActivityType: &common.ActivityType{Name: "run-turn"}, Input: r.Input, Attempt: 1,
		ScheduledTime: timestamppb.Now(), StartedTime: timestamppb.Now(), CurrentAttemptScheduledTime: timestamppb.Now(),
		StartToCloseTimeout: durationpb.New(time.Hour), ScheduleToCloseTimeout: durationpb.New(time.Hour), HeartbeatTimeout: durationpb.New(time.Second),
	}
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
}
