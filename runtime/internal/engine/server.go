package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// chunk is about what a model streams at a time.
const chunk = "twenty bytes of text"

// agent writes as many chunks as the message says.
func agent(_ context.Context, x *task.Execution) error {
	n, err := strconv.Atoi(x.Message().Parts[0].Text())
	for range n {
		if _, err := x.WriteText([]byte(chunk)); err != nil {
			return err
		}
	}
	return err
}

// stockAgent is the same agent for the handler that a2a-go brings.
type stockAgent struct{}

func (stockAgent) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		n, _ := strconv.Atoi(ec.Message.Parts[0].Text())
		if !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) || !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
			return
		}
		var id a2a.ArtifactID
		for i := range n {
			ev := a2a.NewArtifactUpdateEvent(ec, id, a2a.NewTextPart(chunk))
			if i == 0 {
				ev = a2a.NewArtifactEvent(ec, a2a.NewTextPart(chunk))
				id = ev.Artifact.ID
			}
			if !yield(ev, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (stockAgent) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

// server is one of the contestants on loopback.
type server struct {
	*httptest.Server
	handler a2asrv.RequestHandler
	engine  *task.Engine // nil for the stock handler
	next    atomic.Uint64
	close   func() error
}

const (
	memory = "engine, memory"
	file   = "engine, file"
	stock  = "a2a-go"
)

func newServer(l *lab, name string, opts ...task.Option) (*server, error) {
	s := &server{close: func() error { return nil }}
	switch name {
	case stock:
		h := a2asrv.NewHandler(stockAgent{}, a2asrv.WithLogger(slog.New(slog.DiscardHandler)))
		s.handler = h
		s.Server = httptest.NewServer(a2asrv.NewJSONRPCHandler(h))
		return s, nil
	case memory:
		s.engine = task.NewEngine(agent, opts...)
	case file:
		dir, err := os.MkdirTemp("", "engine")
		if err != nil {
			return nil, err
		}
		store, err := filestore.Open(filepath.Join(dir, "tasks.db"))
		if err != nil {
			return nil, err
		}
		s.close = func() error { return errors.Join(store.Close(), os.RemoveAll(dir)) }
		if s.engine, err = task.Open(l.ctx, store, agent, opts...); err != nil {
			return nil, err
		}
	}
	s.handler = s.engine
	s.Server = httptest.NewServer(jsonrpc.NewHandler(s.engine))
	return s, nil
}

func (s *server) end(l *lab) error {
	s.Server.Close()
	if s.engine != nil {
		if err := s.engine.Drain(l.ctx); err != nil {
			return err
		}
		s.engine.Close()
	}
	return s.close()
}

// post sends a message that asks for n chunks and returns the answer.
func (s *server) post(ctx context.Context, method string, n int) (*http.Response, error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"message":{"messageId":"m%d","role":"ROLE_USER","parts":[{"text":"%d"}]}}}`, method, s.next.Add(1), n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return s.Client().Do(req)
}

// readStream reads a streamed reply and counts its chunks.
func (s *server) readStream(ctx context.Context, n int) error {
	res, err := s.post(ctx, "SendStreamingMessage", n)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	got := 0
	for lines.Scan() {
		if strings.Contains(lines.Text(), chunk) && strings.HasPrefix(lines.Text(), "data:") {
			got++
		}
	}
	if got < n {
		return fmt.Errorf("%d of %d chunks: %w", got, n, lines.Err())
	}
	return nil
}

// ask sends a message and waits for its task.
func (s *server) ask(ctx context.Context, n int) error {
	res, err := s.post(ctx, "SendMessage", n)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(text), "TASK_STATE_COMPLETED") {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}
