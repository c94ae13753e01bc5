package jsonrpc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// One path answers both versions of the protocol; the method says which.
func ExampleNewHandler() {
	engine := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		_, err := x.WriteText([]byte("You said: " + x.Message().Parts[0].Text()))
		return err
	})
	defer func() { _ = engine.Drain(context.Background()) }()
	server := httptest.NewServer(jsonrpc.NewHandler(engine))
	defer server.Close()

	for _, request := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"parts":[{"kind":"text","text":"hello"}]}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"SendMessage","params":{"message":{"parts":[{"text":"hello"}]}}}`,
	} {
		answer, err := server.Client().Post(server.URL, "application/json", strings.NewReader(request))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		for _, state := range []string{`"state":"completed"`, `"state":"TASK_STATE_COMPLETED"`} {
			if strings.Contains(string(body), state) {
				fmt.Println(answer.StatusCode, state, strings.Contains(string(body), "You said: hello"))
			}
		}
	}
	// Output:
	// 200 "state":"completed" true
	// 200 "state":"TASK_STATE_COMPLETED" true
}

func ExampleWithLimits() {
	engine := task.NewEngine(func(context.Context, *task.Execution) error { return nil })
	h := jsonrpc.NewHandler(engine, jsonrpc.WithLimits(jsonrpc.Limits{MaxBody: 1024}))

	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", 2000)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 413 {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request: the request has more than 1024 bytes"}}
}

// A reader that lost its connection says which event it saw last, and goes on
// with the next one.
func ExampleSequencer() {
	engine := task.NewEngine(func(_ context.Context, x *task.Execution) error {
		for _, word := range []string{"one ", "two ", "three"} {
			if _, err := x.WriteText([]byte(word)); err != nil {
				return err
			}
		}
		return nil
	})
	defer func() { _ = engine.Drain(context.Background()) }()
	server := httptest.NewServer(jsonrpc.NewHandler(engine))
	defer server.Close()

	result, err := engine.SendMessage(context.Background(), &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("count")),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	id := result.(*a2a.Task).ID
	r, _ := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tasks/resubscribe","params":{"id":"`+string(id)+`"}}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Last-Event-ID", "3")
	answer, err := server.Client().Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "id: ") {
			fmt.Println(lines.Text())
		}
	}
	// Output:
	// id: 4
	// id: 5
	// id: 6
}

func ExampleNewCard() {
	card, err := jsonrpc.NewCard(&a2a.AgentCard{
		Name:    "echo",
		Version: "1.0.0",
		SupportedInterfaces: []*a2a.AgentInterface{
			a2a.NewAgentInterface("http://echo:8000/", a2a.TransportProtocolJSONRPC),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/.well-known/agent-card.json", card)
	mux.Handle("/.well-known/agent.json", card) // its name before 0.3

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/agent-card.json", nil))
	etag := w.Header().Get("ETag")
	fmt.Println(w.Code, strings.Count(w.Body.String(), "http://echo:8000/"))

	r := httptest.NewRequest(http.MethodGet, "/.well-known/agent.json", nil)
	r.Header.Set("If-None-Match", etag)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// 200 3
	// 304
}
