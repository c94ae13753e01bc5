package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Schedule is a prompt that the platform sends to the workspace at set times,
// unless the workspace has the capability scheduler.
type Schedule struct {
	ID          string    `json:"id"`
	WorkspaceID string    `json:"workspace_id"`
	Name        string    `json:"name"`
	CronExpr    string    `json:"cron_expr"` // five fields
	Timezone    string    `json:"timezone"`
	Prompt      string    `json:"prompt"`
	Enabled     bool      `json:"enabled"`
	LastRunAt   time.Time `json:"last_run_at"` // zero is never
	NextRunAt   time.Time `json:"next_run_at"`
	RunCount    int64     `json:"run_count"`
	LastStatus  string    `json:"last_status"` // "ok", "error", "stale" after three empty answers, or ""
	LastError   string    `json:"last_error"`
	Source      string    `json:"source"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Schedules lists this workspace's schedules: GET /workspaces/{id}/schedules.
func (c *Client) Schedules(ctx context.Context) ([]Schedule, error) {
	var out []Schedule
	err := c.do(ctx, call{op: "Schedules", method: http.MethodGet, path: c.own("/schedules"), asks: reads}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CreateScheduleRequest is a new schedule.
type CreateScheduleRequest struct {
	CronExpr string // required, five fields; neither six nor "@every"
	Prompt   string // required
	Name     string
	Timezone string // such as "Europe/Berlin"; the platform's default is UTC
	Disabled bool
}

// CreateScheduleResponse names the new schedule.
type CreateScheduleResponse struct {
	ID        string    `json:"id"`
	NextRunAt time.Time `json:"next_run_at"`
}

// CreateSchedule makes a schedule: POST /workspaces/{id}/schedules.
// [ErrBadRequest] says that the expression or the time zone is wrong. It is not
// repeated here, since each call makes another one.
func (c *Client) CreateSchedule(ctx context.Context, r CreateScheduleRequest) (*CreateScheduleResponse, error) {
	if r.CronExpr == "" || r.Prompt == "" {
		return nil, errors.New("registry: CreateSchedule: a cron expression and a prompt are required")
	}
	var out CreateScheduleResponse
	err := c.do(ctx, call{
		op: "CreateSchedule", method: http.MethodPost, path: c.own("/schedules"), asks: never,
		body: struct {
			Name     string `json:"name,omitempty"`
			CronExpr string `json:"cron_expr"`
			Prompt   string `json:"prompt"`
			Timezone string `json:"timezone,omitempty"`
			Enabled  bool   `json:"enabled"`
		}{r.Name, r.CronExpr, r.Prompt, r.Timezone, !r.Disabled},
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// ScheduleChange is what is to change in a schedule; what is nil stays.
type ScheduleChange struct {
	Name     *string `json:"name,omitempty"`
	CronExpr *string `json:"cron_expr,omitempty"`
	Prompt   *string `json:"prompt,omitempty"`
	Timezone *string `json:"timezone,omitempty"`
	Enabled  *bool   `json:"enabled,omitempty"`
}

// UpdateSchedule changes a schedule: PATCH
// /workspaces/{id}/schedules/{schedule}.
func (c *Client) UpdateSchedule(ctx context.Context, id string, change ScheduleChange) error {
	if err := checkUUID("schedule id", id); err != nil {
		return fmt.Errorf("registry: UpdateSchedule: %w", err)
	}
	return c.do(ctx, call{
		op: "UpdateSchedule", method: http.MethodPatch, path: c.own("/schedules/" + segment(id)), asks: upsert, body: change,
	}, nil)
}

// DeleteSchedule removes a schedule: DELETE
// /workspaces/{id}/schedules/{schedule}. It is [ErrNotFound] when there is none,
// also for a repeat when the first answer was lost.
func (c *Client) DeleteSchedule(ctx context.Context, id string) error {
	if err := checkUUID("schedule id", id); err != nil {
		return fmt.Errorf("registry: DeleteSchedule: %w", err)
	}
	return c.do(ctx, call{op: "DeleteSchedule", method: http.MethodDelete, path: c.own("/schedules/" + segment(id)), asks: removes}, nil)
}

// RunSchedule returns the prompt of a schedule to run it now: POST
// /workspaces/{id}/schedules/{schedule}/run. The platform says "fired" and fires
// nothing: the caller sends the prompt, with [Client.SendA2A].
func (c *Client) RunSchedule(ctx context.Context, id string) (prompt string, err error) {
	if err := checkUUID("schedule id", id); err != nil {
		return "", fmt.Errorf("registry: RunSchedule: %w", err)
	}
	var out struct {
		Prompt string `json:"prompt"`
	}
	err = c.do(ctx, call{
		op: "RunSchedule", method: http.MethodPost, path: c.own("/schedules/" + segment(id) + "/run"), asks: never, body: struct{}{},
	}, &out)
	return out.Prompt, err
}

// ScheduleRun is one time a schedule was due.
type ScheduleRun struct {
	Timestamp   time.Time       `json:"timestamp"`
	DurationMS  int64           `json:"duration_ms"`
	Status      string          `json:"status"`
	ErrorDetail string          `json:"error_detail"`
	Request     json.RawMessage `json:"request"`
}

// ScheduleHistory lists the last runs of a schedule, 20 at most: GET
// /workspaces/{id}/schedules/{schedule}/history.
func (c *Client) ScheduleHistory(ctx context.Context, id string) ([]ScheduleRun, error) {
	if err := checkUUID("schedule id", id); err != nil {
		return nil, fmt.Errorf("registry: ScheduleHistory: %w", err)
	}
	var out []ScheduleRun
	err := c.do(ctx, call{
		op: "ScheduleHistory", method: http.MethodGet, path: c.own("/schedules/" + segment(id) + "/history"), asks: reads,
	}, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}
