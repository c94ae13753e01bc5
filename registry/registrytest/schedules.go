package registrytest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule is a prompt that the platform would send at set times. The double
// fires none.
type Schedule struct {
	ID, Name, CronExpr, Timezone, Prompt string
	Enabled                              bool
	CreatedAt, UpdatedAt, NextRunAt      time.Time
}

// Schedules are the workspace's, oldest first.
func (w *Workspace) Schedules() []Schedule {
	return look(w, func(r *row) []Schedule {
		out := make([]Schedule, len(r.schedules))
		for i, s := range r.schedules {
			out[i] = *s
		}
		return out
	})
}

// scheduleHealth and scheduleAnswer are records with a fixed order of keys.
type scheduleHealth struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Enabled    bool    `json:"enabled"`
	LastRunAt  *string `json:"last_run_at"`
	NextRunAt  string  `json:"next_run_at"`
	RunCount   int     `json:"run_count"`
	LastStatus string  `json:"last_status"`
	LastError  string  `json:"last_error"`
}

type scheduleAnswer struct {
	ID          string  `json:"id"`
	WorkspaceID string  `json:"workspace_id"`
	Name        string  `json:"name"`
	CronExpr    string  `json:"cron_expr"`
	Timezone    string  `json:"timezone"`
	Prompt      string  `json:"prompt"`
	Enabled     bool    `json:"enabled"`
	LastRunAt   *string `json:"last_run_at"`
	NextRunAt   string  `json:"next_run_at"`
	RunCount    int     `json:"run_count"`
	LastStatus  string  `json:"last_status"`
	LastError   string  `json:"last_error"`
	Source      string  `json:"source"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
}

// listSchedules serves GET /workspaces/{id}/schedules.
func (p *Platform) listSchedules(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	list := []scheduleAnswer{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, s := range w.schedules {
			list = append(list, scheduleAnswer{
				ID: s.ID, WorkspaceID: w.id, Name: s.Name, CronExpr: s.CronExpr, Timezone: s.Timezone, Prompt: s.Prompt, Enabled: s.Enabled,
				NextRunAt: timestamp(s.NextRunAt), Source: "runtime", CreatedAt: timestamp(s.CreatedAt), UpdatedAt: timestamp(s.UpdatedAt),
			})
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, list)
}

// scheduleHealths serves GET /workspaces/{id}/schedules/health, by a rule of its
// own: whoever asks about itself needs no token.
func (p *Platform) scheduleHealths(x *exchange, id string) {
	caller := x.r.Header.Get("X-Workspace-Id")
	if caller == "" {
		x.fail(http.StatusUnauthorized, "X-Workspace-ID header required")
		return
	}
	if caller != id && !p.isCaller(x, caller) {
		return
	}
	list := []scheduleHealth{}
	p.mu.Lock()
	from, w := p.find(caller), p.find(id)
	allowed := from != nil && w != nil && p.kin(from, w)
	if allowed {
		for _, s := range w.schedules {
			list = append(list, scheduleHealth{ID: s.ID, Name: s.Name, Enabled: s.Enabled, NextRunAt: timestamp(s.NextRunAt)})
		}
	}
	p.mu.Unlock()
	if !allowed {
		x.fail(http.StatusForbidden, "access denied")
		return
	}
	x.json(http.StatusOK, list)
}

// createSchedule serves POST /workspaces/{id}/schedules.
func (p *Platform) createSchedule(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Name     string `json:"name"`
		CronExpr string `json:"cron_expr"`
		Prompt   string `json:"prompt"`
		Timezone string `json:"timezone"`
		Enabled  *bool  `json:"enabled"`
	}
	if !x.decode(&body) {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	if body.CronExpr == "" || body.Prompt == "" {
		x.fail(http.StatusBadRequest, "cron_expr and prompt are required")
		return
	}
	zone, err := time.LoadLocation(cmp.Or(body.Timezone, "UTC"))
	if err != nil {
		x.fail(http.StatusBadRequest, "invalid timezone: "+body.Timezone)
		return
	}
	next, ok := nextRun(body.CronExpr, x.at.In(zone))
	if !ok {
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	}
	s := &Schedule{
		ID: newUUID(), Name: body.Name, CronExpr: body.CronExpr, Timezone: zone.String(), Prompt: body.Prompt,
		Enabled: body.Enabled == nil || *body.Enabled, CreatedAt: x.at, UpdatedAt: x.at, NextRunAt: next,
	}
	if w := p.Workspace(id); w != nil {
		w.change(func(r *row) { r.schedules = append(r.schedules, s) })
	}
	x.json(http.StatusCreated, map[string]any{"id": s.ID, "status": "created", "next_run_at": timestamp(s.NextRunAt)})
}

// nextRun is the next moment that a cron expression of five fields means.
func nextRun(expr string, after time.Time) (time.Time, bool) {
	fields := strings.Fields(expr)
	bounds := [][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}
	if len(fields) != len(bounds) {
		return time.Time{}, false
	}
	var allowed [5]map[int]bool
	for i, f := range fields {
		if allowed[i] = cronField(f, bounds[i][0], bounds[i][1]); allowed[i] == nil {
			return time.Time{}, false
		}
	}
	t := after.Truncate(time.Minute)
	for range 366 * 24 * 60 {
		t = t.Add(time.Minute)
		day := int(t.Weekday())
		if allowed[0][t.Minute()] && allowed[1][t.Hour()] && allowed[2][t.Day()] && allowed[3][int(t.Month())] &&
			(allowed[4][day] || day == 0 && allowed[4][7]) {
			return t, true
		}
	}
	return t, true
}

// cronField reads "*", "*/5", "1-5" and "1,3"; nil for anything else.
func cronField(text string, least, most int) map[int]bool {
	out := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to, step := least, most, 1
		var err error
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return nil
			}
		}
		if span != "*" {
			low, high, ranged := strings.Cut(span, "-")
			if from, err = strconv.Atoi(low); err != nil {
				return nil
			}
			to = from
			if ranged {
				if to, err = strconv.Atoi(high); err != nil {
					return nil
				}
			}
		}
		if from < least || to > most || from > to {
			return nil
		}
		for n := from; n <= to; n += step {
			out[n] = true
		}
	}
	return out
}

// schedule does something with a schedule and answers if there is none.
func (p *Platform) schedule(x *exchange, id, schedule, failure string, do func(*row, *Schedule)) bool {
	if !isUUID(schedule) {
		x.fail(http.StatusInternalServerError, failure)
		return false
	}
	found := false
	if w := p.Workspace(id); w != nil {
		w.change(func(r *row) {
			for _, s := range r.schedules {
				if s.ID == schedule {
					found = true
					do(r, s)
					return
				}
			}
		})
	}
	if !found {
		x.fail(http.StatusNotFound, "schedule not found")
	}
	return found
}

// updateSchedule serves PATCH /workspaces/{id}/schedules/{schedule}.
func (p *Platform) updateSchedule(x *exchange, id, schedule string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		Name, Prompt, Timezone *string
		CronExpr               *string `json:"cron_expr"`
		Enabled                *bool
	}
	if !x.decode(&body) {
		x.fail(http.StatusBadRequest, "invalid JSON")
		return
	}
	if p.schedule(x, id, schedule, "failed to update schedule", func(_ *row, s *Schedule) {
		set(&s.Name, body.Name)
		set(&s.Prompt, body.Prompt)
		set(&s.Timezone, body.Timezone)
		set(&s.CronExpr, body.CronExpr)
		set(&s.Enabled, body.Enabled)
		s.UpdatedAt = x.at
	}) {
		x.json(http.StatusOK, map[string]any{"status": "updated"})
	}
}

// deleteSchedule serves DELETE /workspaces/{id}/schedules/{schedule}.
func (p *Platform) deleteSchedule(x *exchange, id, schedule string) {
	if !p.mayCall(x, id) {
		return
	}
	if p.schedule(x, id, schedule, "failed to delete schedule", func(r *row, gone *Schedule) {
		r.schedules = slices.DeleteFunc(r.schedules, func(s *Schedule) bool { return s == gone })
	}) {
		x.json(http.StatusOK, map[string]any{"status": "deleted"})
	}
}

// runSchedule serves POST /workspaces/{id}/schedules/{schedule}/run, which fires
// nothing.
func (p *Platform) runSchedule(x *exchange, id, schedule string) {
	if !p.mayCall(x, id) {
		return
	}
	prompt := ""
	if p.schedule(x, id, schedule, "failed to run schedule", func(_ *row, s *Schedule) { prompt = s.Prompt }) {
		x.json(http.StatusOK, map[string]any{"status": "fired", "workspace_id": id, "prompt": prompt})
	}
}

// scheduleHistory serves GET /workspaces/{id}/schedules/{schedule}/history.
func (p *Platform) scheduleHistory(x *exchange, id, _ string) {
	if p.mayCall(x, id) {
		x.json(http.StatusOK, []any{})
	}
}
