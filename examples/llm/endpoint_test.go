package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const wholeStream = ": alive\n\n" +
	"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" +
	"data: {\"choices\":[{\"delta\":{\"content\":\"Grüße, \"}}]}\r\n\r\n" +
	"data:{\"choices\":[{\"delta\":{\"content\":\"世界\"}}]}\n\n" +
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"one\",\"arguments\":\"\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"two\",\"arguments\":\"{\\\"x\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}},{\"index\":1,\"function\":{\"arguments\":\"\\\":1}\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n" +
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n" +
	"data: [DONE]\n\n"

func call(id, name, arguments string) ToolCall {
	c := ToolCall{ID: id, Type: "function"}
	c.Function.Name, c.Function.Arguments = name, arguments
	return c
}

// The network may cut a stream anywhere: within a character, a line, an event.
func TestAStreamInPieces(t *testing.T) {
	want := Answer{Usage: Usage{7, 5}, Message: Message{Role: "assistant", Content: "Grüße, 世界",
		ToolCalls: []ToolCall{call("a", "one", "{}"), call("b", "two", `{"x":1}`)}}}
	read := func(name string, r io.Reader) {
		t.Helper()
		var text strings.Builder
		got, err := Endpoint{}.read(r, func(s string) error { text.WriteString(s); return nil })
		if diff := cmp.Diff(want, got); diff != "" || err != nil || text.String() != want.Content {
			t.Errorf("%s: %v, text %q (-want +got):\n%s", name, err, text.String(), diff)
		}
	}
	read("byte by byte", iotest.OneByteReader(strings.NewReader(wholeStream)))
	for i := range len(wholeStream) {
		read(fmt.Sprint("cut at ", i), io.MultiReader(strings.NewReader(wholeStream[:i]), strings.NewReader(wholeStream[i:])))
	}
}

// A stream that ends early is an error wherever that is, and leaves no call to
// be made.
func TestAStreamThatBreaks(t *testing.T) {
	whole := strings.Index(wholeStream, `"finish_reason"`)
	for i := range whole {
		got, err := Endpoint{}.read(strings.NewReader(wholeStream[:i]), func(string) error { return nil })
		if !errors.Is(err, ErrBroken) || got.ToolCalls != nil {
			t.Fatalf("cut at %d: %v, calls %v", i, err, got.ToolCalls)
		}
	}
	for stream, want := range map[string]error{
		"data: {\"error\":{\"message\":\"overloaded, sk-secret\"}}\n\n":            ErrBroken,
		"data: {\"choices\":[{\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n": ErrCut,
		"data: {\"choices\":[{\"finish_reason\":\"content_filter\"}]}\n\n":         ErrCut,
		"data: {\n\n":                             ErrBroken,
		"<html>not a stream\n":                    ErrBroken,
		"data: " + strings.Repeat("x", 2*maxLine): ErrBroken,
	} {
		_, err := Endpoint{Key: "sk-secret"}.read(strings.NewReader(stream), func(string) error { return nil })
		if !errors.Is(err, want) || strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%.60q: %v", stream, err)
		}
	}
}

// Endpoints that number every call 0, or give no id.
func TestCallsThatAreBadlyNumbered(t *testing.T) {
	got, err := Endpoint{}.read(strings.NewReader(
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"one\",\"arguments\":\"{}\"}},{\"id\":\"b\",\"function\":{\"name\":\"two\",\"arguments\":\"{}\"}}]}}]}\n\n"+
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":5,\"function\":{\"name\":\"three\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n"), nil)
	want := []ToolCall{call("a", "one", "{}"), call("b", "two", "{}"), call("call_2", "three", "")}
	if diff := cmp.Diff(want, got.ToolCalls); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAnEndpointThatRefuses(t *testing.T) {
	const key = "sk-secret"
	for _, c := range []struct {
		status, refusals int // how often it refuses
		asked            int
		public           string // empty: it succeeds
	}{
		{400, 9, 1, "refused the request (400)"},
		{401, 9, 1, "does not accept this workspace's key"},
		{403, 9, 1, "does not accept this workspace's key"},
		{307, 9, 1, "refused the request (307)"}, // a redirect would take the conversation elsewhere
		{429, 1, 2, ""},
		{429, 9, attempts, "busy or its quota"},
		{500, 2, 3, ""},
		{503, 9, attempts, "has failed: try again later"},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Header.Get("Authorization") != "Bearer "+key || r.URL.Path != "/v1/chat/completions" {
				t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			if asked > c.refusals {
				fmt.Fprint(w, wholeStream)
				return
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"error":{"message":"not with %s"}}`, key)
		}))
		e := Endpoint{BaseURL: server.URL + "/v1/", Key: key, Model: "m", Pause: time.Millisecond}
		_, err := e.Stream(t.Context(), nil, nil, func(string) error { return nil })
		server.Close()
		if asked != c.asked || (err == nil) != (c.public == "") {
			t.Errorf("%d: asked %d times, %v", c.status, asked, err)
			continue
		}
		if err == nil {
			continue
		}
		var refused *StatusError
		if !errors.As(err, &refused) || refused.Status != c.status || strings.Contains(err.Error(), key) {
			t.Errorf("%d: %v", c.status, err)
		}
		if got := public(err); !strings.Contains(got, c.public) || strings.Contains(got, "not with") {
			t.Errorf("%d: the user reads %q", c.status, got)
		}
	}
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := Endpoint{BaseURL: server.URL, Key: "sk-secret"}.Stream(t.Context(), nil, nil, nil)
	if err == nil || strings.Contains(err.Error(), "sk-secret") || public(err) != "the model cannot be reached: try again later" {
		t.Errorf("%v", err)
	}
}

// Who waits for a busy endpoint can be cancelled.
func TestCancelBetweenAttempts(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
		time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
	}))
	defer server.Close()
	if _, err := (Endpoint{BaseURL: server.URL}).Stream(ctx, nil, nil, nil); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
