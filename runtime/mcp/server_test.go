package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/molecule-ai/workspace-runtime-go/runtime/mcp"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// TestMain lets this test binary be an adapter, so that real processes can be
// started without building anything.
func TestMain(m *testing.M) {
	if addr, ok := os.LookupEnv("BE_THE_ADAPTER"); ok {
		beTheAdapter(addr)
	}
	goleak.VerifyTestMain(m)
}

type words struct {
	Text string `json:"text" jsonschema:"what to say"`
}

type count struct {
	Letters int `json:"letters"`
}

// bench is a table with one tool of each kind.
type bench struct {
	table   *tool.Table
	begun   chan struct{} // the slow tool has begun
	ended   chan error    // and why it has ended
	shown   atomic.Bool   // the shy tool is there
	observe atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{begun: make(chan struct{}, 200), ended: make(chan error, 200)}
	table, err := tool.NewTable([]*tool.Tool{
		tool.New("say", "Says a text.", func(_ context.Context, in words) (string, error) { return in.Text, nil },
			tool.WithHints(tool.Hints{ReadOnly: true, Title: "Say"})),
		tool.New("count", "Counts letters.", func(_ context.Context, in words) (count, error) { return count{len(in.Text)}, nil }),
		tool.New("slow", "Takes five minutes.", func(ctx context.Context, _ struct{}) (string, error) {
			tool.Report(ctx, tool.Progress{Message: "on its way", Done: 1, Total: 2})
			b.begun <- struct{}{}
			<-ctx.Done()
			b.ended <- context.Cause(ctx)
			return "", context.Cause(ctx)
		}),
		tool.New("panic", "Panics.", func(context.Context, struct{}) (string, error) { panic("ouch") }),
		tool.New("shy", "Comes and goes.", func(context.Context, struct{}) (string, error) { return "here", nil }, tool.When(b.shown.Load)),
	}, tool.WithObserver(func(ctx context.Context, _ tool.Call) (context.Context, func(tool.Outcome)) {
		b.observe.Add(1)
		return ctx, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.table = table
	return b
}

// way connects a client to a server of a table.
type way func(t *testing.T, s *mcp.Server, client *sdk.Client) *sdk.ClientSession

var ways = map[string]way{
	"streams": func(t *testing.T, s *mcp.Server, client *sdk.Client) *sdk.ClientSession {
		fromClient, toServer := io.Pipe()
		fromServer, toClient := io.Pipe()
		over := make(chan error, 1)
		go func() { over <- s.Serve(t.Context(), fromClient, toClient) }()
		session, err := client.Connect(t.Context(), &sdk.IOTransport{Reader: fromServer, Writer: toServer}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = session.Close()
			if err := <-over; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		return session
	},
	"http": func(t *testing.T, s *mcp.Server, client *sdk.Client) *sdk.ClientSession {
		server := httptest.NewServer(s.Handler("sesame"))
		transport := &http.Transport{}
		session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{
			Endpoint: server.URL, HTTPClient: &http.Client{Transport: carrying{transport, "sesame"}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = session.Close()
			server.CloseClientConnections()
			server.Close()
			transport.CloseIdleConnections()
		})
		return session
	},
}

type carrying struct {
	base   http.RoundTripper
	secret string
}

func (c carrying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+c.secret)
	return c.base.RoundTrip(r)
}

func text(r *sdk.CallToolResult) string {
	var b strings.Builder
	for _, c := range r.Content {
		if c, ok := c.(*sdk.TextContent); ok {
			b.WriteString(c.Text)
		}
	}
	return b.String()
}

func call(ctx context.Context, s *sdk.ClientSession, name string, args any) (*sdk.CallToolResult, error) {
	return s.CallTool(ctx, &sdk.CallToolParams{Name: name, Arguments: args})
}

func TestARealClientListsAndCalls(t *testing.T) {
	for name, connect := range ways {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := connect(t, mcp.NewServer(b.table, "test", "1", nil), sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, nil))
			list, err := s.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Tools) != 4 {
				t.Errorf("%d tools are listed, want the 4 that are there", len(list.Tools))
			}
			for _, listed := range list.Tools {
				if listed.Name == "say" && (!listed.Annotations.ReadOnlyHint || listed.Annotations.Title != "Say" || listed.Description != "Says a text.") {
					t.Errorf("say is listed as %+v %+v", listed, listed.Annotations)
				}
				if schema, _ := json.Marshal(listed.InputSchema); listed.Name == "say" && !strings.Contains(string(schema), "what to say") {
					t.Errorf("its schema is %s", schema)
				}
			}
			r, err := call(t.Context(), s, "say", words{"hello"})
			if err != nil || r.IsError || text(r) != "hello" {
				t.Errorf("say: %v %+v", err, r)
			}
			r, err = call(t.Context(), s, "count", words{"hello"})
			if structured, _ := json.Marshal(r.StructuredContent); err != nil || string(structured) != `{"letters":5}` {
				t.Errorf("count: %v %s", err, structured)
			}
			for what, args := range map[string]struct {
				tool string
				args any
			}{"a wrong input": {"say", map[string]any{"txet": 1}}, "a panic": {"panic", nil}} {
				r, err = call(t.Context(), s, args.tool, args.args)
				if err != nil || !r.IsError || text(r) == "" || strings.Contains(text(r), "goroutine") {
					t.Errorf("%s: %v %+v", what, err, r)
				}
			}
			if _, err = call(t.Context(), s, "nobody", nil); err == nil {
				t.Error("an unknown tool can be called")
			}
			if err := s.Ping(t.Context(), nil); err != nil {
				t.Errorf("after all that: %v", err)
			}
		})
	}
}

// TestALongCallIsInNobodysWay: MC-1.
func TestALongCallIsInNobodysWay(t *testing.T) {
	for name, connect := range ways {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			progress := make(chan string, 10)
			client := sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, &sdk.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { progress <- r.Params.Message },
			})
			s := connect(t, mcp.NewServer(b.table, "test", "1", nil), client)
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() {
				params := &sdk.CallToolParams{Name: "slow"}
				params.SetProgressToken("p")
				_, err := s.CallTool(ctx, params)
				over <- err
			}()
			<-b.begun
			if err := s.Ping(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if got := <-progress; got != "on its way" {
				t.Errorf("progress says %q", got)
			}
			var calls sync.WaitGroup
			for i := range 100 {
				calls.Go(func() {
					want := fmt.Sprint("call ", i)
					if r, err := call(t.Context(), s, "say", words{want}); err != nil || text(r) != want {
						t.Errorf("%d: %v %+v", i, err, r)
					}
				})
			}
			calls.Wait()
			cancel()
			if err := <-over; !errors.Is(err, context.Canceled) {
				t.Errorf("the canceled call ends with %v", err)
			}
			select {
			case <-b.ended:
			case <-time.After(30 * time.Second):
				t.Error("the tool was not told that it is canceled")
			}
		})
	}
}

func TestToolsThatComeAreAnnounced(t *testing.T) {
	b := newBench(t)
	changed := make(chan struct{}, 10)
	client := sdk.NewClient(&sdk.Implementation{Name: "client", Version: "1"}, &sdk.ClientOptions{
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} },
	})
	s := ways["streams"](t, mcp.NewServer(b.table, "test", "1", nil), client)
	b.shown.Store(true)
	b.table.Change()
	<-changed
	if r, err := call(t.Context(), s, "shy", nil); err != nil || text(r) != "here" {
		t.Errorf("shy: %v %+v", err, r)
	}
	b.shown.Store(false)
	b.table.Change()
	<-changed
	if list, err := s.ListTools(t.Context(), nil); err != nil || len(list.Tools) != 4 {
		t.Errorf("%v %+v", err, list)
	}
}

func TestHTTPWantsTheSecret(t *testing.T) {
	b := newBench(t)
	for name, auth := range map[string]string{"none": "", "another": "Bearer sesam", "empty": "Bearer ", "no scheme": "sesame"} {
		for _, secret := range []string{"sesame", ""} {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json, text/event-stream")
			if auth != "" {
				req.Header.Set("Authorization", auth)
			}
			w := httptest.NewRecorder()
			mcp.NewServer(b.table, "test", "1", nil).Handler(secret).ServeHTTP(w, req)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s with secret %q: status %d", name, secret, w.Code)
			}
		}
	}
}

// TestRubbishEndsNothing: MC-2, MC-3, MC-5.
func TestRubbishEndsNothing(t *testing.T) {
	b := newBench(t)
	s := mcp.NewServer(b.table, "test", "1", nil)
	in, client := io.Pipe()
	out, toClient := io.Pipe()
	over := make(chan error, 1)
	go func() { over <- s.Serve(t.Context(), in, toClient) }()
	lines := json.NewDecoder(out)
	ask := func(line string) {
		t.Helper()
		if _, err := io.WriteString(client, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	answer := func() map[string]any {
		t.Helper()
		var m map[string]any
		if err := lines.Decode(&m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	ask(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"old","version":"0"}}}`)
	if a := answer(); a["error"] != nil || a["result"].(map[string]any)["protocolVersion"] != "2024-11-05" {
		t.Fatalf("initialize: %v", a)
	}
	ask(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	ask(`{"jsonrpc":"2.0","method":"notifications/never_heard_of"}`)
	ask(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow_not","arguments":null}}`)
	if a := answer(); a["id"] != 2.0 || a["error"] == nil {
		t.Errorf("an unknown tool: %v", a)
	}
	ask(`{"jsonrpc":"2.0","id":3,"method":"no/such"}`)
	if a := answer(); a["id"] != 3.0 || a["error"] == nil {
		t.Errorf("an unknown method: %v", a)
	}
	long := strings.Repeat("ä", 100_000)
	ask(`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"say","arguments":{"text":"` + long + `"}}}`)
	content := answer()["result"].(map[string]any)["content"].([]any)
	if got := content[0].(map[string]any)["text"]; got != long {
		t.Error("a long text does not come back as it was")
	}
	_ = client.Close()
	if err := <-over; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
