package jsonrpc

import (
	"context"
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// pushConfig03 is A2A 0.3's PushNotificationConfig.
type pushConfig03 struct {
	ID             string      `json:"id,omitempty"`
	URL            string      `json:"url"`
	Token          string      `json:"token,omitempty"`
	Authentication *pushAuth03 `json:"authentication,omitempty"`
}

type pushAuth03 struct {
	Schemes     []string `json:"schemes"`
	Credentials string   `json:"credentials,omitempty"`
}

// taskPushConfig03 is A2A 0.3's TaskPushNotificationConfig.
type taskPushConfig03 struct {
	TaskID a2a.TaskID    `json:"taskId"`
	Config *pushConfig03 `json:"pushNotificationConfig"`
}

func (c *pushConfig03) internal(task a2a.TaskID) *a2a.PushConfig {
	out := &a2a.PushConfig{TaskID: task, ID: c.ID, URL: c.URL, Token: c.Token}
	if auth := c.Authentication; auth != nil {
		out.Auth = &a2a.PushAuthInfo{Credentials: auth.Credentials}
		if len(auth.Schemes) > 0 {
			out.Auth.Scheme = auth.Schemes[0] // 1.0 has room for one
		}
	}
	return out
}

func encodePush(c *a2a.PushConfig, d dialect) any {
	if d == v10 || c == nil {
		return c
	}
	out := &pushConfig03{ID: c.ID, URL: c.URL, Token: c.Token}
	if c.Auth != nil {
		out.Authentication = &pushAuth03{Schemes: []string{c.Auth.Scheme}, Credentials: c.Auth.Credentials}
	}
	return taskPushConfig03{TaskID: c.TaskID, Config: out}
}

func createPush03(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
	var p taskPushConfig03
	if err := decodeParams(params, &p); err != nil {
		return nil, err
	}
	if p.TaskID == "" || p.Config == nil || p.Config.URL == "" {
		return nil, invalidParams("params.taskId and params.pushNotificationConfig.url are required")
	}
	c, err := to.CreateTaskPushConfig(ctx, p.Config.internal(p.TaskID))
	if err != nil {
		return nil, err
	}
	return encodePush(c, v03), nil
}

func createPush10(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
	var c a2a.PushConfig
	if err := decodeParams(params, &c); err != nil {
		return nil, err
	}
	if c.TaskID == "" || c.URL == "" {
		return nil, invalidParams("params.taskId and params.url are required")
	}
	return to.CreateTaskPushConfig(ctx, &c)
}

// pushParams are the parameters of the other three methods. 1.0 has the task in
// taskId and the configuration in id; 0.3 has the task in id and the
// configuration in pushNotificationConfigId.
type pushParams struct {
	Tenant    string     `json:"tenant"`
	ID        string     `json:"id"`
	TaskID    a2a.TaskID `json:"taskId"`
	ConfigID  string     `json:"pushNotificationConfigId"`
	PageSize  int        `json:"pageSize"`
	PageToken string     `json:"pageToken"`
}

func decodePush(params json.RawMessage, d dialect) (*pushParams, error) {
	var p pushParams
	if err := decodeParams(params, &p); err != nil {
		return nil, err
	}
	if d == v03 {
		p.TaskID, p.ID = a2a.TaskID(p.ID), p.ConfigID
	}
	if p.TaskID == "" {
		return nil, invalidParams("the id of the task is missing")
	}
	return &p, nil
}

func getPush(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		p, err := decodePush(params, d)
		if err != nil {
			return nil, err
		}
		c, err := to.GetTaskPushConfig(ctx, &a2a.GetTaskPushConfigRequest{Tenant: p.Tenant, TaskID: p.TaskID, ID: p.ID})
		if err != nil {
			return nil, err
		}
		return encodePush(c, d), nil
	}
}

func listPush(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		p, err := decodePush(params, d)
		if err != nil {
			return nil, err
		}
		list, err := to.ListTaskPushConfigs(ctx, &a2a.ListTaskPushConfigRequest{
			Tenant: p.Tenant, TaskID: p.TaskID, PageSize: p.PageSize, PageToken: p.PageToken,
		})
		if err != nil || list == nil {
			return nil, err
		}
		out := []any{}
		for _, c := range list.Configs {
			out = append(out, encodePush(c, d))
		}
		if d == v10 {
			return struct {
				Configs       []any  `json:"configs"`
				NextPageToken string `json:"nextPageToken,omitempty"`
			}{out, list.NextPageToken}, nil
		}
		return out, nil
	}
}

func deletePush(d dialect) func(context.Context, a2asrv.RequestHandler, json.RawMessage) (any, error) {
	return func(ctx context.Context, to a2asrv.RequestHandler, params json.RawMessage) (any, error) {
		p, err := decodePush(params, d)
		if err != nil {
			return nil, err
		}
		if err := to.DeleteTaskPushConfig(ctx, &a2a.DeleteTaskPushConfigRequest{Tenant: p.Tenant, TaskID: p.TaskID, ID: p.ID}); err != nil {
			return nil, err
		}
		return struct{}{}, nil // a response must have a result
	}
}
