package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// dialect is a version of A2A on the wire. Their method names are disjoint, so
// the name of the method says which one a caller speaks.
type dialect int

const (
	v03 dialect = iota // message/send
	v10                // SendMessage
)

// method is one A2A method in one dialect. Either unary or stream is set.
type method struct {
	dialect dialect
	unary   func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error)
	// stream checks the parameters and returns what produces the events;
	// after is the sequence of the Last-Event-ID.
	stream func(to a2asrv.RequestHandler, params json.RawMessage, after uint64) (streamFunc, error)
}

var methods = map[string]method{
	"message/send":                        {v03, sendMessage(v03), nil},
	"message/stream":                      {v03, nil, streamMessage(v03)},
	"tasks/get":                           {v03, getTask(v03), nil},
	"tasks/cancel":                        {v03, cancelTask(v03), nil},
	"tasks/resubscribe":                   {v03, nil, streamTask},
	"tasks/pushNotificationConfig/set":    {v03, createPush03, nil},
	"tasks/pushNotificationConfig/get":    {v03, getPush(v03), nil},
	"tasks/pushNotificationConfig/list":   {v03, listPush(v03), nil},
	"tasks/pushNotificationConfig/delete": {v03, deletePush(v03), nil},
	"agent/getAuthenticatedExtendedCard":  {v03, extendedCard, nil},

	"SendMessage":                      {v10, sendMessage(v10), nil},
	"SendStreamingMessage":             {v10, nil, streamMessage(v10)},
	"GetTask":                          {v10, getTask(v10), nil},
	"ListTasks":                        {v10, listTasks, nil},
	"CancelTask":                       {v10, cancelTask(v10), nil},
	"SubscribeToTask":                  {v10, nil, streamTask},
	"CreateTaskPushNotificationConfig": {v10, createPush10, nil},
	"GetTaskPushNotificationConfig":    {v10, getPush(v10), nil},
	"ListTaskPushNotificationConfigs":  {v10, listPush(v10), nil},
	"DeleteTaskPushNotificationConfig": {v10, deletePush(v10), nil},
	"GetExtendedAgentCard":             {v10, extendedCard, nil},
}

// choose finds the method and holds it against the version that was asked for.
func choose(name, version string) (method, *fault) {
	m, ok := methods[name]
	want := m.dialect
	switch {
	case version == "":
	case version == "1.0" || strings.HasPrefix(version, "1.0."):
		want = v10
	case version == "0.3" || strings.HasPrefix(version, "0.3."):
		want = v03
	default:
		return m, &fault{Code: -32009, Message: "this version of A2A is not supported; use 1.0 or 0.3"}
	}
	if !ok || want != m.dialect {
		return m, &fault{Code: -32601, Message: "method not found"}
	}
	return m, nil
}

// decodeParams reads a method's parameters. The texts of encoding/json name Go
// types and stay here.
func decodeParams(params json.RawMessage, into any) error {
	if len(params) == 0 || bytes.Equal(params, null) {
		return invalidParams("params is missing")
	}
	if params[0] != '{' {
		return invalidParams("params is not an object")
	}
	err := json.Unmarshal(params, into)
	if err == nil {
		return nil
	}
	if t, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // encoding/json returns it bare
		kind, _, _ := strings.Cut(t.Value, " ") // a number that does not fit comes with all its digits
		return invalidParams("a JSON " + kind + " cannot stand at params." + t.Field)
	}
	return invalidParams("params cannot be read")
}

func sendMessage(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		req, err := decodeSend(params, d)
		if err != nil {
			return nil, err
		}
		result, err := to.SendMessage(ctx, req)
		if err != nil {
			return nil, err
		}
		return encodeEvent(result, d), nil
	}
}

func streamMessage(d dialect) func(a2asrv.RequestHandler, json.RawMessage, uint64) (streamFunc, error) {
	return func(to a2asrv.RequestHandler, params json.RawMessage, _ uint64) (streamFunc, error) {
		req, err := decodeSend(params, d)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, yield yieldFunc) error {
			if s, ok := to.(Sequencer); ok {
				return s.StreamMessage(ctx, req, yield)
			}
			return number(to.SendStreamingMessage(ctx, req), yield)
		}, nil
	}
}

// taskParams are the parameters of the methods about one task, in both
// dialects.
type taskParams struct {
	Tenant        string         `json:"tenant"`
	ID            a2a.TaskID     `json:"id"`
	HistoryLength *int           `json:"historyLength"`
	Metadata      map[string]any `json:"metadata"`
}

func decodeTask(params json.RawMessage) (*taskParams, error) {
	var p taskParams
	if err := decodeParams(params, &p); err != nil {
		return nil, err
	}
	if p.ID == "" {
		return nil, invalidParams("params.id, the id of the task, is missing")
	}
	if p.HistoryLength != nil && *p.HistoryLength < 0 {
		return nil, invalidParams("params.historyLength is negative")
	}
	return &p, nil
}

func streamTask(to a2asrv.RequestHandler, params json.RawMessage, after uint64) (streamFunc, error) {
	p, err := decodeTask(params)
	if err != nil {
		return nil, err
	}
	req := &a2a.SubscribeToTaskRequest{Tenant: p.Tenant, ID: p.ID}
	return func(ctx context.Context, yield yieldFunc) error {
		if s, ok := to.(Sequencer); ok {
			return s.StreamTask(ctx, req, after, yield)
		}
		return number(to.SubscribeToTask(ctx, req), yield)
	}, nil
}

func getTask(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		p, err := decodeTask(params)
		if err != nil {
			return nil, err
		}
		task, err := to.GetTask(ctx, &a2a.GetTaskRequest{Tenant: p.Tenant, ID: p.ID, HistoryLength: p.HistoryLength})
		if err != nil {
			return nil, err
		}
		return encodeTask(task, d), nil
	}
}

func cancelTask(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		p, err := decodeTask(params)
		if err != nil {
			return nil, err
		}
		task, err := to.CancelTask(ctx, &a2a.CancelTaskRequest{Tenant: p.Tenant, ID: p.ID, Metadata: p.Metadata})
		if err != nil {
			return nil, err
		}
		return encodeTask(task, d), nil
	}
}

func listTasks(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
	var req a2a.ListTasksRequest
	if len(params) > 0 && !bytes.Equal(params, null) { // nothing in them is required
		if err := decodeParams(params, &req); err != nil {
			return nil, err
		}
	}
	if req.HistoryLength != nil && *req.HistoryLength < 0 {
		return nil, invalidParams("params.historyLength is negative")
	}
	list, err := to.ListTasks(ctx, &req)
	if err == nil && list != nil && list.Tasks == nil {
		empty := *list
		empty.Tasks = []*a2a.Task{} // not null
		list = &empty
	}
	return list, err
}

func extendedCard(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
	var req a2a.GetExtendedAgentCardRequest
	if len(params) > 0 && !bytes.Equal(params, null) { // they may be left out
		if err := decodeParams(params, &req); err != nil {
			return nil, err
		}
	}
	card, err := to.GetExtendedAgentCard(ctx, &req)
	if err != nil {
		return nil, err
	}
	return renderCard(card)
}
