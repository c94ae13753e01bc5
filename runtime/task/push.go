package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxPushConfigs is how many targets a task can have, and maxPushID how long
// their ids can be.
const (
	maxPushConfigs = 10
	maxPushID      = 64
)

// storedPush is a target as it is kept. The credentials are the caller's, and
// have to be there after a restart.
type storedPush struct {
	URL         string `json:"url"`
	Token       string `json:"token,omitempty"`
	Scheme      string `json:"scheme,omitempty"`
	Credentials string `json:"credentials,omitempty"`
	Auth        bool   `json:"auth,omitempty"`
	Disabled    string `json:"disabled,omitempty"` // why it is told nothing more
}

func storePush(c *a2a.PushConfig) storedPush {
	s := storedPush{URL: c.URL, Token: c.Token}
	if c.Auth != nil {
		s.Auth, s.Scheme, s.Credentials = true, c.Auth.Scheme, c.Auth.Credentials
	}
	return s
}

func (s *storedPush) config(task a2a.TaskID, id string) *a2a.PushConfig {
	c := &a2a.PushConfig{TaskID: task, ID: id, URL: s.URL, Token: s.Token}
	if s.Auth {
		c.Auth = &a2a.PushAuthInfo{Scheme: s.Scheme, Credentials: s.Credentials}
	}
	return c
}

func pushKey(id a2a.TaskID, config string) string { return string(id) + ":" + config }
func pushEnd(id a2a.TaskID) string                { return string(id) + ";" }

func errNoPush() error {
	return refused(a2a.ErrPushNotificationNotSupported, "this agent sends no push notifications: stream the task, or ask for it")
}

func errNoConfig(id string) error {
	return refused(a2a.ErrTaskNotFound, "the task has no push notification config %.64q", id)
}

// checkPush finds what is wrong with a target, and gives it an id if it has
// none.
func (e *Engine) checkPush(c *a2a.PushConfig) error {
	if e.cfg.notifier == nil {
		return errNoPush()
	}
	if err := e.cfg.notifier.Check(c.URL); err != nil {
		return refused(a2a.ErrInvalidParams, "the push notification URL cannot be used: %v", err)
	}
	if c.ID == "" {
		c.ID = a2a.NewMessageID()
	}
	if len(c.ID) > maxPushID || strings.ContainsAny(c.ID, ":;\x00") {
		return refused(a2a.ErrInvalidParams, "the id of a push notification config has %d bytes at most, and none of : and ;", maxPushID)
	}
	return nil
}

// targetOf is the target that comes with a message, checked, nil when none does.
// No mutex is held: the check is foreign code.
func (e *Engine) targetOf(req *a2a.SendMessageRequest) (*a2a.PushConfig, error) {
	if req.Config == nil || req.Config.PushConfig == nil {
		return nil, nil
	}
	own := *req.Config.PushConfig
	if err := e.checkPush(&own); err != nil {
		return nil, err
	}
	return &own, nil
}

// roomForTarget says why a task can have no more targets, nil when it can.
func (e *Engine) roomForTarget(id a2a.TaskID, config string) error {
	if n := e.outbox.targets(id); !n[config] && len(n) >= maxPushConfigs {
		return refused(a2a.ErrInvalidParams, "the task has %d push notification configs, which is as many as it can have", len(n))
	}
	return nil
}

// subscribe adds a target to a task with its next commit. Both mutexes are held.
func (e *Engine) subscribe(t *task, c *a2a.PushConfig) {
	s := storePush(c)
	t.saved.ops = append(t.saved.ops, Op{Kind: Put, Bucket: BucketPush, Key: pushKey(t.info.TaskID, c.ID), Value: mustJSON(&s)})
	e.outbox.add(t.info.TaskID, c.ID)
}

// CreateTaskPushConfig registers a target for a task, or changes the one with
// the same id; see [WithPush].
func (e *Engine) CreateTaskPushConfig(ctx context.Context, c *a2a.PushConfig) (*a2a.PushConfig, error) {
	if e.cfg.notifier == nil {
		return nil, errNoPush()
	}
	if c == nil {
		return nil, refused(a2a.ErrInvalidParams, "the push notification config is missing")
	}
	own := *c
	if err := e.checkPush(&own); err != nil {
		return nil, err
	}
	if _, err := e.find(ctx, e.cfg.owner(ctx), own.TaskID); err != nil {
		return nil, err
	}
	if err := e.roomForTarget(own.TaskID, own.ID); err != nil {
		return nil, err
	}
	s := storePush(&own)
	if err := e.commits.commitFor(ctx, []Op{{Kind: Put, Bucket: BucketPush, Key: pushKey(own.TaskID, own.ID), Value: mustJSON(&s)}}); err != nil {
		return nil, err
	}
	e.outbox.add(own.TaskID, own.ID)
	return &own, nil
}

// pushConfig reads one target of a task.
func (e *Engine) pushConfig(ctx context.Context, task a2a.TaskID, id string) (*storedPush, error) {
	if len(id) > maxPushID {
		return nil, ErrNotFound
	}
	value, err := e.store.Get(ctx, BucketPush, pushKey(task, id))
	if err != nil {
		return nil, asDamaged(err)
	}
	var s storedPush
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return &s, nil
}

// GetTaskPushConfig returns a target of a task.
func (e *Engine) GetTaskPushConfig(ctx context.Context, req *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	if req == nil {
		req = &a2a.GetTaskPushConfigRequest{}
	}
	if err := e.mayPush(ctx, req.TaskID); err != nil {
		return nil, err
	}
	id := req.ID
	if id == "" { // 0.3 lets it be left out where there is one
		for only := range e.outbox.targets(req.TaskID) {
			id = only
		}
	}
	s, err := e.pushConfig(ctx, req.TaskID, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, errNoConfig(id)
	case err != nil:
		return nil, e.errPushStore(ctx, err)
	}
	return s.config(req.TaskID, id), nil
}

// mayPush refuses what concerns the targets of a task that is not the caller's.
func (e *Engine) mayPush(ctx context.Context, id a2a.TaskID) error {
	if e.cfg.notifier == nil {
		return errNoPush()
	}
	_, err := e.find(ctx, e.cfg.owner(ctx), id)
	return err
}

func (e *Engine) errPushStore(ctx context.Context, err error) error {
	e.log.LogAttrs(ctx, slog.LevelError, "push notification configs cannot be read", slog.Any("error", err))
	return refused(a2a.ErrInternalError, "the agent's store cannot be read; its log says why")
}

// ListTaskPushConfigs returns all targets of a task, on one page.
func (e *Engine) ListTaskPushConfigs(ctx context.Context, req *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
	if req == nil {
		req = &a2a.ListTaskPushConfigRequest{}
	}
	if err := e.mayPush(ctx, req.TaskID); err != nil {
		return nil, err
	}
	entries, err := e.store.Scan(ctx, Range{Bucket: BucketPush, From: pushKey(req.TaskID, ""), To: pushEnd(req.TaskID)})
	if err != nil {
		return nil, e.errPushStore(ctx, err)
	}
	res := &a2a.ListTaskPushConfigResponse{Configs: []*a2a.PushConfig{}}
	for _, entry := range entries {
		var s storedPush
		if json.Unmarshal(entry.Value, &s) == nil {
			_, id, _ := strings.Cut(entry.Key, ":")
			res.Configs = append(res.Configs, s.config(req.TaskID, id))
		}
	}
	return res, nil
}

// DeleteTaskPushConfig removes a target, and what it has not been told yet. One
// that is not there is no error.
func (e *Engine) DeleteTaskPushConfig(ctx context.Context, req *a2a.DeleteTaskPushConfigRequest) error {
	if req == nil {
		req = &a2a.DeleteTaskPushConfigRequest{}
	}
	if err := e.mayPush(ctx, req.TaskID); err != nil {
		return err
	}
	if len(req.ID) > maxPushID {
		return nil
	}
	e.outbox.remove(req.TaskID, req.ID)
	return e.commits.commitFor(ctx, []Op{{Kind: Delete, Bucket: BucketPush, Key: pushKey(req.TaskID, req.ID)}})
}
