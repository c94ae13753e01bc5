package registrytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Activity is an entry of a workspace's activity as the platform stored it.
type Activity struct {
	ID, Type           string
	SourceID, TargetID string
	Method, Summary    string
	Status             string
	ErrorDetail        string
	Duration           time.Duration
	Timed              bool // whether there is a duration at all
	Request, Response  json.RawMessage
	ToolTrace          json.RawMessage
	CreatedAt          time.Time

	of *Delegation // of which this is the entry; nil for others
}

// How many entries a workspace of the double keeps, and how large their bodies
// may be together.
const (
	activityKept  = 1000
	activityBytes = 16 << 20
)

// Activities are what the workspace's activity has, oldest first, delegations
// included.
func (w *Workspace) Activities() []Activity {
	return look(w, func(r *row) []Activity {
		out := make([]Activity, len(r.activities))
		for i, a := range r.activities {
			out[i] = a.current()
		}
		return out
	})
}

// log adds an entry, which is lost when PostgreSQL would not take it. p.mu is
// held.
func (w *row) log(a Activity) {
	if hasNUL(a.Type, a.Method, a.Summary, a.Status, a.ErrorDetail) || spellsNUL(a.Request) || spellsNUL(a.Response) ||
		!utf8.ValidString(a.Summary) || a.TargetID != "" && !isUUID(a.TargetID) {
		return
	}
	if a.ID == "" {
		a.ID = newUUID()
	}
	if a.CreatedAt.IsZero() {
		a.CreatedAt = time.Now()
	}
	w.activities = append(w.activities, &a)
	w.activitySize += a.size()
	for len(w.activities) > activityKept || len(w.activities) > 1 && w.activitySize > activityBytes {
		w.activitySize -= w.activities[0].size()
		w.activities = slices.Delete(w.activities, 0, 1)
	}
}

func (a *Activity) size() int { return len(a.Request) + len(a.Response) + len(a.Summary) }

// announce tells the listeners of an entry.
func (w *row) announce(a Activity) {
	event := map[string]any{
		"activity_type": a.Type, "method": orNull(a.Method), "summary": orNull(a.Summary), "status": a.Status,
		"source_id": orNull(a.SourceID), "target_id": orNull(a.TargetID), "duration_ms": a.milliseconds(),
	}
	if len(a.ToolTrace) > 0 {
		event["tool_trace"] = a.ToolTrace
	}
	w.emit("ACTIVITY_LOGGED", event)
}

func (a Activity) milliseconds() any {
	if !a.Timed {
		return nil
	}
	return a.Duration.Milliseconds()
}

// current is the entry as it is now: that of a delegation changes with it.
func (a *Activity) current() Activity {
	if a.of == nil {
		return *a
	}
	out := *a
	out.Status, out.Summary, out.ErrorDetail = a.of.Status, a.of.Summary, a.of.Error
	switch raw := json.RawMessage(a.of.ResponsePreview); {
	case a.Method != "delegate_result" || a.of.DelegationID == "": // also that of a failed one has none
	case a.of.Status == "queued" && json.Valid(raw):
		out.Response = raw
	default:
		out.Response, _ = json.Marshal(map[string]any{"text": a.of.ResponsePreview, "delegation_id": a.of.DelegationID})
	}
	return out
}

func (a Activity) describe(workspace string) map[string]any {
	m := map[string]any{
		"id": a.ID, "workspace_id": workspace, "activity_type": a.Type, "source_id": orNull(a.SourceID), "target_id": orNull(a.TargetID),
		"method": orNull(a.Method), "summary": orNull(a.Summary), "duration_ms": a.milliseconds(), "status": a.Status,
		"error_detail": orNull(a.ErrorDetail), "created_at": timestamp(a.CreatedAt),
	}
	for key, raw := range map[string]json.RawMessage{"request_body": a.Request, "response_body": a.Response, "tool_trace": a.ToolTrace} {
		if len(raw) > 0 && string(raw) != "null" {
			m[key] = stored(raw)
		}
	}
	return m
}

var reportable = []string{"a2a_send", "a2a_receive", "task_update", "agent_log", "skill_promotion", "memory_write", "error"}

// reportActivity serves POST /workspaces/{id}/activity: what cannot be stored
// is answered as if it were.
func (p *Platform) reportActivity(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	var body struct {
		ActivityType string          `json:"activity_type"`
		Method       string          `json:"method"`
		Summary      string          `json:"summary"`
		TargetID     string          `json:"target_id"`
		SourceID     string          `json:"source_id"`
		Status       string          `json:"status"`
		ErrorDetail  string          `json:"error_detail"`
		DurationMS   *int            `json:"duration_ms"`
		RequestBody  json.RawMessage `json:"request_body"`
		ResponseBody json.RawMessage `json:"response_body"`
		Metadata     json.RawMessage `json:"metadata"`
	}
	switch ok := x.decode(&body); {
	case !ok || body.ActivityType == "":
		x.fail(http.StatusBadRequest, "invalid request body")
		return
	case !slices.Contains(reportable, body.ActivityType):
		x.fail(http.StatusBadRequest, "invalid activity_type, must be one of: "+strings.Join(reportable, ", "))
		return
	case body.SourceID != "" && body.SourceID != id:
		x.fail(http.StatusForbidden, "source_id must match authenticated workspace")
		return
	}
	a := Activity{
		Type: body.ActivityType, SourceID: id, TargetID: body.TargetID, Method: body.Method, Summary: body.Summary,
		Status: cmp.Or(body.Status, "ok"), ErrorDetail: body.ErrorDetail, CreatedAt: x.at,
		Request: body.RequestBody, Response: body.ResponseBody,
	}
	if len(a.Request) == 0 {
		a.Request = body.Metadata
	}
	if body.DurationMS != nil {
		a.Timed, a.Duration = true, time.Duration(*body.DurationMS)*time.Millisecond
	}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		if body.DurationMS == nil || *body.DurationMS <= math.MaxInt32 && *body.DurationMS >= math.MinInt32 {
			w.log(a)
		}
		w.announce(a)
		p.touch()
	}
	p.mu.Unlock()
	x.json(http.StatusOK, map[string]any{"status": "logged"})
}

// getActivities serves GET /workspaces/{id}/activity: newest first.
func (p *Platform) getActivities(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	q := x.r.URL.Query()
	source := q.Get("source")
	if source != "" && source != "canvas" && source != "agent" {
		x.fail(http.StatusBadRequest, "source must be 'canvas' or 'agent'")
		return
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 {
		limit = 100
	}
	limit = min(limit, 500)
	rows := []map[string]any{}
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, a := range slices.Backward(w.activities) {
			if len(rows) == limit {
				break
			}
			if q.Get("type") != "" && a.Type != q.Get("type") || source != "" && (source == "canvas") != (a.SourceID == "") {
				continue
			}
			rows = append(rows, a.current().describe(w.id))
		}
	}
	p.mu.Unlock()
	x.json(http.StatusOK, rows)
}

// searchSession serves GET /workspaces/{id}/session-search.
func (p *Platform) searchSession(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	q := strings.ToLower(x.r.URL.Query().Get("q"))
	limit, err := strconv.Atoi(x.r.URL.Query().Get("limit"))
	if err != nil || limit < 1 {
		limit = 50
	}
	type found struct {
		at time.Time
		m  map[string]any
	}
	var all []found
	p.mu.Lock()
	if w := p.find(id); w != nil {
		for _, stored := range w.activities {
			a := stored.current()
			text := strings.ToLower(strings.Join([]string{a.Summary, a.Type, a.Method, a.Status}, "\x00"))
			if !strings.Contains(text, q) && !bytes.Contains(bytes.ToLower(a.Request), []byte(q)) && !bytes.Contains(bytes.ToLower(a.Response), []byte(q)) {
				continue
			}
			m := a.describe(w.id)
			for key := range m {
				if !slices.Contains([]string{"id", "workspace_id", "method", "status", "created_at", "request_body", "response_body"}, key) {
					delete(m, key)
				}
			}
			m["kind"], m["label"], m["content"] = "activity", a.Type, a.Summary
			all = append(all, found{a.CreatedAt, m})
		}
		for _, mem := range w.memories {
			if strings.Contains(strings.ToLower(mem.Content), q) {
				all = append(all, found{mem.CreatedAt, map[string]any{
					"kind": "memory", "id": mem.ID, "workspace_id": w.id, "label": mem.Scope, "content": mem.Content,
					"method": nil, "status": nil, "created_at": timestamp(mem.CreatedAt),
				}})
			}
		}
	}
	p.mu.Unlock()
	slices.SortStableFunc(all, func(a, b found) int { return b.at.Compare(a.at) })
	rows := []map[string]any{}
	for _, f := range all[:min(len(all), limit, 200)] {
		rows = append(rows, f.m)
	}
	x.json(http.StatusOK, rows)
}

// logCall makes a call that was delivered, or not, an entry in the target's
// activity, and tells the canvas of an answer to it.
func (p *Platform) logCall(c call, w *row, message []byte, out outcome, took time.Duration) {
	var said struct {
		Method string
		Result struct {
			Metadata struct {
				ToolTrace json.RawMessage `json:"tool_trace"`
			}
		}
	}
	_ = json.Unmarshal(message, &said) // normalised: an object
	_ = json.Unmarshal(out.raw, &said) // whatever the agent wrote
	p.mu.Lock()
	defer p.mu.Unlock()
	if w == nil {
		return
	}
	a := Activity{
		Type: "a2a_receive", SourceID: c.caller, TargetID: w.id, Method: said.Method, Status: "ok",
		Summary: said.Method + " → " + w.name, Timed: true, Duration: took, Request: message, ToolTrace: said.Result.Metadata.ToolTrace,
	}
	switch {
	case out.cause != "":
		a.Status, a.ErrorDetail, a.Summary = "error", out.cause, "A2A request to "+w.name+" failed: "+out.cause
	case out.status >= 300:
		a.Status = "error"
	case json.Valid(out.raw):
		a.Response = out.raw
	}
	if c.caller == "" && a.Status == "ok" && len(a.Response) > 0 {
		w.emit("A2A_RESPONSE", map[string]any{"response_body": a.Response, "method": a.Method, "duration_ms": a.milliseconds()})
	}
	w.log(a)
	w.announce(a)
	p.touch()
}
