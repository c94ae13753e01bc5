package mcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// sessionTimeout ends HTTP sessions whose clients have gone without a word.
const sessionTimeout = time.Hour

// Server serves a table of tools. Make it with [NewServer]; it is safe for
// concurrent use, and any number of clients talk to it at once.
type Server struct {
	table *tool.Table
	log   *slog.Logger
	sdk   *sdk.Server

	mu    sync.Mutex // guards what follows
	shown map[string]bool
}

// NewServer makes a server of a table. name and version are what clients are
// told about the program. The logger is told of broken connections; nil means
// silence.
func NewServer(table *tool.Table, name, version string, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{table: table, log: log, shown: map[string]bool{}}
	s.sdk = sdk.NewServer(&sdk.Implementation{Name: name, Version: version}, &sdk.ServerOptions{
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{ListChanged: true}},
	})
	s.sdk.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			if method == "tools/list" {
				s.sync()
			}
			return next(ctx, method, req)
		}
	})
	s.sync()
	return s
}

// sync shows the tools that are there now; clients are told if these are others.
func (s *Server) sync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]bool{}
	for _, t := range s.table.Tools() {
		now[t.Name()] = true
		if !s.shown[t.Name()] {
			s.sdk.AddTool(describe(t), s.call)
		}
	}
	var gone []string
	for name := range s.shown {
		if !now[name] {
			gone = append(gone, name)
		}
	}
	s.sdk.RemoveTools(gone...)
	s.shown = now
}

// follow keeps what is shown up to date until ctx ends.
func (s *Server) follow(ctx context.Context) {
	for {
		changed := s.table.Changed()
		s.sync()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func describe(t *tool.Tool) *sdk.Tool {
	h := t.Hints()
	d := &sdk.Tool{
		Name: t.Name(), Description: t.Description(), InputSchema: t.InputSchema(),
		Annotations: &sdk.ToolAnnotations{
			Title: h.Title, ReadOnlyHint: h.ReadOnly, IdempotentHint: h.Idempotent,
			DestructiveHint: &h.Destructive, OpenWorldHint: &h.OpenWorld,
		},
	}
	if schema := t.OutputSchema(); schema != nil {
		d.OutputSchema = schema
	}
	return d
}

// call is one call of a tool. The table says what went wrong in the result, so
// an error of the protocol is only for who cannot be answered.
func (s *Server) call(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	if token := req.Params.GetProgressToken(); token != nil {
		ctx = tool.WithProgress(ctx, func(p tool.Progress) {
			_ = req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
				ProgressToken: token, Message: p.Message, Progress: p.Done, Total: p.Total,
			})
		})
	}
	input := req.Params.Arguments
	if len(input) == 0 || string(input) == "null" { // some clients send nothing to a tool without fields
		input = []byte("{}")
	}
	ctx, release := untilItsConnectionEnds(ctx)
	defer release()
	r, _ := s.table.Call(ctx, req.Params.Name, input)
	result := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: r.Text}}, IsError: r.IsError}
	if r.Structured != nil {
		result.StructuredContent = r.Structured
	}
	return result, nil
}

// connection is the key of the context in which a client is served. The SDK hands
// its values on to calls, and keeps its end from them.
type connection struct{}

func withConnection(ctx context.Context) context.Context {
	return context.WithValue(ctx, connection{}, ctx)
}

// untilItsConnectionEnds is a call's context that also ends with the connection's.
func untilItsConnectionEnds(ctx context.Context) (context.Context, func()) {
	served, ok := ctx.Value(connection{}).(context.Context)
	if !ok { // a handler in somebody else's HTTP server
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(served, func() { cancel(context.Cause(served)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Serve speaks with one client over a pair of streams, one JSON message a line,
// until the client closes its side or ctx ends, which also ends the calls in
// flight. It closes both.
func (s *Server) Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { s.follow(ctx) })
	defer follower.Wait()
	defer cancel()
	// The SDK waits for calls in flight before it closes anything, and an answer
	// that nobody reads is one of them.
	defer context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })()
	err := s.sdk.Run(withConnection(ctx), &sdk.IOTransport{Reader: in, Writer: out, MaxLineLength: maxLine})
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return err
}

// maxLine bounds one message: what a tool takes, and room for its envelope.
const maxLine = tool.DefaultMaxInput + 64<<10

// Handler serves MCP over streamable HTTP to who brings the secret as a bearer
// token; an empty secret lets nobody in. A page in a browser is refused, as is a
// name that is not this machine's when the connection is.
func (s *Server) Handler(secret string) http.Handler {
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.sdk }, &sdk.StreamableHTTPOptions{
		SessionTimeout:               sessionTimeout,
		MaxRequestBodyBytes:          maxLine,
		PropagateRequestCancellation: true,
	})
	return http.NewCrossOriginProtection().Handler(bearer(secret, h))
}

// endSessions ends those of HTTP, which outlive their connections, and waits for
// their calls. Those of streams have no id, and end with their streams.
func (s *Server) endSessions() {
	for session := range s.sdk.Sessions() {
		if session.ID() != "" {
			_ = session.Close()
		}
	}
}
