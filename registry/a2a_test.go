package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/http"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestA2AAnswers(t *testing.T) {
	result := `{"kind": "message", "role": "agent", "messageId": "m-agent-1", "parts": [{"kind": "text", "text": "echo: hello"}]}`
	tests := []struct {
		name   string
		status int
		body   string
		want   registry.A2AResponse
	}{
		{"a result, in its own words", 200, `{"jsonrpc": "2.0", "id": "req-1", "result": ` + result + `}`, registry.A2AResponse{Result: []byte(result)}},
		{"big numbers are kept", 200, `{"jsonrpc":"2.0","id":1,"result":{"n":9007199254740993}}`, registry.A2AResponse{Result: []byte(`{"n":9007199254740993}`)}},
		{"an error inside 200", 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"Task not found","data":[1]}}`,
			registry.A2AResponse{Err: &registry.A2AError{Code: -32001, Message: "Task not found", Data: []byte(`[1]`)}}},
		{"error null beside a result", 200, `{"jsonrpc":"2.0","id":1,"error":null,"result":{}}`, registry.A2AResponse{Result: []byte(`{}`)}},
		{"result without an envelope", 200, `{"result":{}}`, registry.A2AResponse{Result: []byte(`{}`)}},
		{"envelope of another type", 200, `{"jsonrpc":2.0,"result":{}}`, registry.A2AResponse{Result: []byte(`{}`)}},
		{"the agent's own 202", 202, `{"jsonrpc":"2.0","result":{}}`, registry.A2AResponse{Result: []byte(`{}`)}},
		{"queued", 202, `{"message":"workspace agent busy — request queued, will dispatch when capacity available","queue_depth":1,"queue_id":"3ff5b80c-dbd4-49d2-b89d-dfb63c718352","queued":true}`,
			registry.A2AResponse{Queued: &registry.Queued{ID: "3ff5b80c-dbd4-49d2-b89d-dfb63c718352", Depth: 1, Message: "workspace agent busy — request queued, will dispatch when capacity available"}}},
		{"nothing", 200, "", registry.A2AResponse{}},
		{"no content", 204, "", registry.A2AResponse{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, answer(tt.status, tt.body)).client(t)
			got, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestA2AAnswersThatAreNone(t *testing.T) {
	cut := `{"jsonrpc":"2.0","result":"` + strings.Repeat("x", 10<<20)
	tests := []struct{ name, body, want string }{
		{"text", "hello", "not JSON"},
		{"an object of another kind", `{"hello":1}`, "another shape"},
		{"a list", `[]`, "another shape"},
		{"cut off by the platform", cut[:10<<20], "10 MiB"},
		{"endless", cut + strings.Repeat("x", 1<<20), "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, answer(200, tt.body)).client(t)
			_, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send"})
			if !errors.Is(err, registry.ErrUnexpectedAnswer) || !registry.FromPlatform(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
			if len(err.Error()) > 1000 {
				t.Error("the answer stands in the error")
			}
		})
	}
}

func TestA2AFailureDetails(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name   string
		status int
		body   string
		want   registry.Error
	}{
		{"delivered", 502, `{"delivery_confirmed":true,"error":"e"}`, registry.Error{DeliveryConfirmed: &yes}},
		{"not delivered", 502, `{"delivery_confirmed":false,"error":"e"}`, registry.Error{DeliveryConfirmed: &no}},
		{"not said", 502, `{"error":"e"}`, registry.Error{}},
		{"native session", 503, `{"busy":true,"error":"e","native_session":true}`, registry.Error{Busy: true, NativeSession: true}},
		{"busy", 503, `{"busy":true,"error":"e"}`, registry.Error{Busy: true}},
		{"restarting", 503, `{"restarting":true,"error":"e"}`, registry.Error{Restarting: true}},
		{"waking", 503, `{"waking":true,"error":"e"}`, registry.Error{Waking: true}},
		{"no URL", 503, `{"error":"e","status":"paused"}`, registry.Error{RowStatus: "paused"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, answer(tt.status, tt.body)).client(t)
			_, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "message/send"})
			var got *registry.Error
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			type details struct {
				Busy, Native, Restarting, Waking bool
				Delivered                        *bool
				Row                              string
			}
			of := func(e *registry.Error) details {
				return details{e.Busy, e.NativeSession, e.Restarting, e.Waking, e.DeliveryConfirmed, e.RowStatus}
			}
			if diff := cmp.Diff(of(&tt.want), of(got)); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
		})
	}
}

func TestA2AHasNoTimeLimitButItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, transport := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
			}
			answer(200, `{"jsonrpc":"2.0","result":{}}`)(w, r)
		})
		c := mustClient(t, "http://platform.test", registry.WithTransport(transport), registry.WithTimeout(time.Second))
		if _, err := c.SendA2A(t.Context(), peerID, registry.A2ARequest{Method: "m"}); err != nil {
			t.Errorf("an hour's turn: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.SendA2A(ctx, peerID, registry.A2ARequest{Method: "m"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a minute's patience: %v", err)
		}
		if _, err := c.State(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("State has no time limit: %v", err)
		}
	})
}
