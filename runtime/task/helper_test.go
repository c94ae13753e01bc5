package task_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send makes a request with a fresh message.
func send(text string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
}

// again makes the same request once more, as it comes over the wire.
func again(req *a2a.SendMessageRequest) *a2a.SendMessageRequest {
	m := *req.Message
	m.Parts = a2a.ContentParts{a2a.NewTextPart(m.Parts[0].Text())}
	return &a2a.SendMessageRequest{Message: &m, Config: req.Config}
}

// start sends without waiting for the end.
func start(t testing.TB, e *task.Engine, req *a2a.SendMessageRequest) *a2a.Task {
	t.Helper()
	c := *req
	c.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
	return finish(t, e, &c)
}

// finish sends and returns the task it gets.
func finish(t testing.TB, e *task.Engine, req *a2a.SendMessageRequest) *a2a.Task {
	t.Helper()
	res, err := e.SendMessage(t.Context(), req)
	if err != nil {
		t.Fatalf("SendMessage: %v", err)
	}
	return res.(*a2a.Task)
}

func get(t testing.TB, e *task.Engine, id a2a.TaskID) *a2a.Task {
	t.Helper()
	got, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
	if err != nil {
		t.Fatalf("GetTask: %v", err)
	}
	return got
}

// drain ends an engine that has nothing to do any more.
func drain(t testing.TB, e *task.Engine) {
	t.Helper()
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// replyText is all text of a task's artifacts.
func replyText(task *a2a.Task) string {
	var text strings.Builder
	for _, a := range task.Artifacts {
		for _, p := range a.Parts {
			text.WriteString(p.Text())
		}
	}
	return text.String()
}

// statusText is what a task's status says.
func statusText(task *a2a.Task) string {
	if task.Status.Message == nil {
		return ""
	}
	return task.Status.Message.Parts[0].Text()
}

// wantState checks the state a task is in.
func wantState(t testing.TB, got *a2a.Task, want a2a.TaskState) {
	t.Helper()
	if got.Status.State != want {
		t.Errorf("the task is %s (%s), want %s", got.Status.State, statusText(got), want)
	}
}

// wantError checks that an error is a sentinel and says what it is about.
func wantError(t testing.TB, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

// answer is an agent that writes a text.
func answer(text string) task.RunFunc {
	return func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte(text))
		return err
	}
}

// echo is an agent that writes the text of the message.
func echo(_ context.Context, x *task.Execution) error {
	_, err := x.WriteText([]byte(x.Message().Parts[0].Text()))
	return err
}

// gate is an agent that writes its gate's name and waits until it is opened or
// its context ends.
type gate struct {
	open  chan struct{}
	begun chan a2a.TaskID
}

func newGate() *gate {
	return &gate{open: make(chan struct{}), begun: make(chan a2a.TaskID, 100)}
}

func (g *gate) run(ctx context.Context, x *task.Execution) error {
	if _, err := x.WriteText([]byte("before ")); err != nil {
		return err
	}
	g.begun <- x.TaskID()
	select {
	case <-g.open:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	_, err := x.WriteText([]byte("after"))
	return err
}

// deaf is gate.run that does not heed its context.
func (g *gate) deaf(_ context.Context, x *task.Execution) error {
	g.begun <- x.TaskID()
	<-g.open
	_, err := x.WriteText([]byte("after"))
	return err
}

// logged is a log that can be read; a turn's last line is there when the
// engine has been drained.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// wantLogged checks that all texts are in the log.
func wantLogged(t testing.TB, l *logged, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(l.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, l)
		}
	}
}
