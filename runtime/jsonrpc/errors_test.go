package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// failing is an agent that fails with *err, on every way.
func failing(err *error) *agent {
	stream := func(yield func(a2a.Event, error) bool) { yield(nil, *err) }
	return &agent{
		send:      func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) { return nil, *err },
		get:       func(context.Context, *a2a.GetTaskRequest) (*a2a.Task, error) { return nil, *err },
		stream:    func(context.Context, *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] { return stream },
		subscribe: func(context.Context, *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] { return stream },
	}
}

func TestBothClientsGetTheSentinelsBack(t *testing.T) {
	var err error
	c := discover(t, failing(&err), everything)
	for _, s := range []struct {
		code int
		v10  error
		v03  error
	}{
		{-32700, a2a.ErrParseError, legacy.ErrParseError},
		{-32600, a2a.ErrInvalidRequest, legacy.ErrInvalidRequest},
		{-32601, a2a.ErrMethodNotFound, legacy.ErrMethodNotFound},
		{-32602, a2a.ErrInvalidParams, legacy.ErrInvalidParams},
		{-32603, a2a.ErrInternalError, legacy.ErrInternalError},
		{-32000, a2a.ErrServerError, legacy.ErrServerError},
		{-32001, a2a.ErrTaskNotFound, legacy.ErrTaskNotFound},
		{-32002, a2a.ErrTaskNotCancelable, legacy.ErrTaskNotCancelable},
		{-32003, a2a.ErrPushNotificationNotSupported, legacy.ErrPushNotificationNotSupported},
		{-32004, a2a.ErrUnsupportedOperation, legacy.ErrUnsupportedOperation},
		{-32005, a2a.ErrUnsupportedContentType, legacy.ErrUnsupportedContentType},
		{-32006, a2a.ErrInvalidAgentResponse, legacy.ErrInvalidAgentResponse},
		{-32007, a2a.ErrExtendedCardNotConfigured, legacy.ErrAuthenticatedExtendedCardNotConfigured},
		{-32008, a2a.ErrExtensionSupportRequired, legacy.ErrInternalError}, // 0.3 does not know it
		{-32009, a2a.ErrVersionNotSupported, legacy.ErrInternalError},      // nor this
		{-31401, a2a.ErrUnauthenticated, legacy.ErrUnauthenticated},
		{-31403, a2a.ErrUnauthorized, legacy.ErrUnauthorized},
	} {
		t.Run(fmt.Sprint(s.code), func(t *testing.T) {
			for _, err = range []error{
				s.v10,
				fmt.Errorf("secret: %w", s.v10),
				a2a.NewError(fmt.Errorf("secret: %w", s.v10), "for the caller").WithDetails(map[string]any{"k": "v"}),
			} {
				var got []error
				_, e := c.v10.SendMessage(t.Context(), say10("x"))
				got = append(got, e)
				_, e = c.v10.GetTask(t.Context(), &a2a.GetTaskRequest{ID: "t"})
				got = append(got, e)
				for _, e := range c.v10.SendStreamingMessage(t.Context(), say10("x")) {
					got = append(got, e)
				}
				for _, e := range c.v10.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: "t"}) {
					got = append(got, e)
				}
				n := len(got)
				_, e = c.v03.SendMessage(t.Context(), say03("x"))
				got = append(got, e)
				_, e = c.v03.GetTask(t.Context(), &legacy.TaskQueryParams{ID: "t"})
				got = append(got, e)
				for _, e := range c.v03.SendStreamingMessage(t.Context(), say03("x")) {
					got = append(got, e)
				}
				for _, e := range c.v03.ResubscribeToTask(t.Context(), &legacy.TaskIDParams{ID: "t"}) {
					got = append(got, e)
				}
				if n != 4 || len(got) != 8 {
					t.Fatalf("%d and %d errors", n, len(got)-n)
				}
				for i, e := range got {
					want := s.v10
					if i >= n {
						want = s.v03
					}
					if !errors.Is(e, want) || strings.Contains(e.Error(), "secret") {
						t.Errorf("call %d with %v: got %v, want %v", i, err, e, want)
					}
					if public := (*a2a.Error)(nil); errors.As(err, &public) && !strings.Contains(e.Error(), "for the caller") {
						t.Errorf("call %d: the message for the caller is missing in %v", i, e)
					}
				}
			}
		})
	}
}

func TestOnlyTextMadeForCallersReachesThem(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		code    int
		message string
		logged  bool
	}{
		{"any error", errors.New("secret"), -32603, "internal error", true},
		{"a sentinel", a2a.ErrTaskNotFound, -32001, "task not found", false},
		{"a wrapped sentinel", fmt.Errorf("secret: %w: secret", a2a.ErrTaskNotFound), -32001, "task not found", false},
		{"a joined sentinel", errors.Join(errors.New("secret"), a2a.ErrTaskNotFound), -32001, "task not found", false},
		{"a public error", a2a.NewError(a2a.ErrTaskNotFound, "no task 7"), -32001, "no task 7", false},
		{"a wrapped public error", fmt.Errorf("secret: %w", a2a.NewError(a2a.ErrTaskNotFound, "no task 7")), -32001, "no task 7", false},
		{"a public error without a message", a2a.NewError(fmt.Errorf("secret: %w", a2a.ErrTaskNotFound), ""), -32001, "task not found", false},
		{"a public error without a sentinel", a2a.NewError(errors.New("secret"), "try again"), -32603, "try again", true},
		{"a public internal error", a2a.NewError(a2a.ErrInternalError, "the model is down"), -32603, "the model is down", true},
		{"a public error without anything", a2a.NewError(nil, ""), -32603, "internal error", true},
		{"the internal error", a2a.ErrInternalError, -32603, "internal error", true},
		{"text that is no UTF-8", a2a.NewError(a2a.ErrServerError, "a\xffb\nc"), -32000, "a\ufffdb\nc", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := new(recorder)
			h := jsonrpc.NewHandler(failing(&c.err), jsonrpc.WithLogger(log.logger()))
			both(t, func(t *testing.T, hello string) {
				got := post(t, h, hello)
				if r := got.wantError(t, c.code); r.Error.Message != c.message || strings.Contains(got.body, "secret") {
					t.Errorf("got %s", got.body)
				}
			})
			if logged := strings.Contains(log.String(), "level=ERROR"); logged != c.logged {
				t.Errorf("in the log: %v, want %v: %s", logged, c.logged, log)
			}
		})
	}
}

func TestErrorDataIsWhatEachDialectReads(t *testing.T) {
	err := error(a2a.NewError(a2a.ErrTaskNotFound, "no task 7").WithDetails(map[string]any{"task": "7"}))
	h := jsonrpc.NewHandler(failing(&err))
	// 1.0: a list of typed objects, one of them an ErrorInfo.
	got := post(t, h, hello10).wantError(t, -32001)
	var data []*errordetails.Typed
	if e := json.Unmarshal(got.Error.Data, &data); e != nil {
		t.Fatalf("%s: %v", got.Error.Data, e)
	}
	var types []string
	for _, d := range data {
		types = append(types, d.TypeURL)
		if d.TypeURL == errordetails.ErrorInfoType && (d.Value["reason"] != "TASK_NOT_FOUND" || d.Value["domain"] != "a2a-protocol.org") {
			t.Errorf("ErrorInfo %v", d.Value)
		}
		if d.TypeURL == errordetails.StructType && d.Value["task"] != "7" {
			t.Errorf("details %v", d.Value)
		}
	}
	if strings.Join(types, " ") != errordetails.StructType+" "+errordetails.ErrorInfoType {
		t.Errorf("types %v", types)
	}
	// 0.3: one object; its Go client reads nothing else.
	if got := post(t, h, hello03).wantError(t, -32001); string(got.Error.Data) != `{"task":"7"}` {
		t.Errorf("0.3: data %s", got.Error.Data)
	}

	err = a2a.ErrTaskNotFound
	if got := post(t, h, hello03).wantError(t, -32001); got.Error.Data != nil {
		t.Errorf("0.3, nothing to say: data %s", got.Error.Data)
	}
	if got := post(t, h, hello10).wantError(t, -32001); !strings.Contains(string(got.Error.Data), `"reason":"TASK_NOT_FOUND"`) {
		t.Errorf("1.0, nothing to say: data %s", got.Error.Data)
	}
}

func TestErrorDataThatCannotBeWrittenIsLeftOut(t *testing.T) {
	for name, err := range map[string]error{
		"details":       a2a.NewError(a2a.ErrTaskNotFound, "no task").WithDetails(map[string]any{"x": func() {}}),
		"typed details": a2a.NewError(a2a.ErrTaskNotFound, "no task").WithTypedDetails(nil, &errordetails.Typed{}, errordetails.NewTyped("t", map[string]any{"x": func() {}})),
		"a panic":       a2a.NewError(a2a.ErrTaskNotFound, "no task").WithDetails(map[string]any{"x": panicky{}}),
	} {
		both(t, func(t *testing.T, hello string) {
			if r := post(t, jsonrpc.NewHandler(failing(&err)), hello).wantError(t, -32001); r.Error.Message != "no task" {
				t.Errorf("%s: message %q", name, r.Error.Message)
			}
		})
	}
}

func TestAPublicErrorOfATurnIsReadByBothClients(t *testing.T) {
	c := discover(t, turns(t), everything)
	result, err := c.v10.SendMessage(t.Context(), say10("count what"))
	if err != nil {
		t.Fatal(err)
	}
	failed := result.(*a2a.Task)
	if failed.Status.State != a2a.TaskStateFailed || failed.Status.Message.Parts[0].Text() != "count what?" {
		t.Errorf("1.0: %+v", failed.Status)
	}
	result03, err := c.v03.SendMessage(t.Context(), say03("count what"))
	if err != nil {
		t.Fatal(err)
	}
	failed03 := result03.(*legacy.Task)
	if failed03.Status.State != legacy.TaskStateFailed || failed03.Status.Message.Parts[0].(legacy.TextPart).Text != "count what?" {
		t.Errorf("0.3: %+v", failed03.Status)
	}
}

func TestWhatIsWrongWithTheParamsIsSaidWithoutGo(t *testing.T) {
	for _, c := range []struct{ params, want string }{
		{`{"message":{"messageId":7,"parts":[{"text":"x"}]}}`, "params.message.messageId"},
		{`{"message":{"parts":[{"text":7}]}}`, "params.message.parts."}, // with its index or without, as encoding/json has it
		{`{"message":[]}`, "params.message"},
		{`{"message":{"parts":[{"text":"x"},null]}}`, "params.message.parts[1]"},
		{`{"message":{"parts":[{"text":"x"}]},"configuration":{"historyLength":1.5}}`, "params.configuration.historyLength"},
		{`{"message":{"parts":[{"text":"x"}]},"configuration":{"historyLength":-1}}`, "params.configuration.historyLength"},
		{`{"message":{"parts":[{"text":"x"}]},"metadata":[]}`, "params.metadata"},
		{`{"message":{"parts":[{"text":"x"}]},"configuration":{"historyLength":` + strings.Repeat("9", 5000) + `}}`, "params.configuration.historyLength"},
	} {
		for _, method := range []string{"message/send", "SendMessage"} {
			message := post(t, jsonrpc.NewHandler(new(agent)), call(method, c.params)).wantError(t, -32602).Error.Message
			if !strings.Contains(message, c.want) || len(message) > 300 || strings.Contains(message, "Go ") || strings.Contains(message, "In.") || strings.Contains(message, "json:") {
				t.Errorf("%.80s: message %.400q, want it to name %s", c.params, message, c.want)
			}
		}
	}
}
