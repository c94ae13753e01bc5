package task

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Sizes of a page of [Engine.ListTasks] (specification 3.1.4).
const (
	defaultPageSize = 50
	maxPageSize     = 100
)

// GetTask returns a task as it is now, with the reply as far as it is written.
// HistoryLength is how many messages to include: all when nil, none when 0. An
// unknown task is a2a.ErrTaskNotFound.
func (e *Engine) GetTask(_ context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	if req == nil {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	if err := checkHistoryLength(req.HistoryLength); err != nil {
		return nil, err
	}
	t, err := e.find(req.ID)
	if err != nil {
		return nil, err
	}
	return t.snapshot(req.HistoryLength, true), nil
}

func checkHistoryLength(n *int) error {
	if n != nil && *n < 0 {
		return refused(a2a.ErrInvalidParams, "historyLength is %d: it must be 0 or more", *n)
	}
	return nil
}

// ListTasks returns the tasks that are running or remembered, the one whose
// status changed last first, in pages of 1 to 100 (50 when PageSize is 0). It
// takes all filters of the request; artifacts are in the answer only when asked
// for. A task whose status changes between two pages may be in both or in none.
func (e *Engine) ListTasks(_ context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	if req == nil {
		req = &a2a.ListTasksRequest{}
	}
	size := cmp.Or(req.PageSize, defaultPageSize)
	if size < 1 || size > maxPageSize {
		return nil, refused(a2a.ErrInvalidParams, "pageSize is %d: it must be between 1 and %d", size, maxPageSize)
	}
	if err := checkHistoryLength(req.HistoryLength); err != nil {
		return nil, err
	}
	from, err := parsePageToken(req.PageToken)
	if err != nil {
		return nil, err
	}

	found := e.matching(req)
	slices.SortFunc(found, func(a, b place) int { return a.compare(b) })
	res := &a2a.ListTasksResponse{Tasks: []*a2a.Task{}, TotalSize: len(found), PageSize: size}
	if req.PageToken != "" {
		begin, exact := slices.BinarySearchFunc(found, from, func(a, b place) int { return a.compare(b) })
		if exact {
			begin++
		}
		found = found[begin:]
	}
	if len(found) > size {
		found = found[:size]
		res.NextPageToken = found[size-1].token()
	}
	for _, p := range found {
		res.Tasks = append(res.Tasks, p.task.snapshot(req.HistoryLength, req.IncludeArtifacts))
	}
	return res, nil
}

// matching returns the tasks a request asks for, in no order.
func (e *Engine) matching(req *a2a.ListTasksRequest) []place {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := make([]place, 0, len(e.tasks))
	for _, t := range e.tasks {
		if req.ContextID != "" && req.ContextID != t.info.ContextID {
			continue
		}
		t.mu.Lock()
		status := t.status
		t.mu.Unlock()
		if req.Status != a2a.TaskStateUnspecified && req.Status != status.State {
			continue
		}
		if req.StatusTimestampAfter != nil && status.Timestamp.Before(*req.StatusTimestampAfter) {
			continue
		}
		found = append(found, place{at: status.Timestamp.UnixMilli(), id: t.info.TaskID, task: t})
	}
	return found
}

// place is where a task stands in a listing.
type place struct {
	at   int64 // its last change of status, Unix milliseconds
	id   a2a.TaskID
	task *task
}

// compare orders by time and, within a millisecond, by id, newest first: ids
// begin with the time they were made.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(q.at, p.at), cmp.Compare(q.id, p.id))
}

// token names the place for the next page to go on behind it.
func (p place) token() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.at, 10) + "." + string(p.id)))
}

func parsePageToken(token string) (place, error) {
	if token == "" {
		return place{}, nil
	}
	bad := refused(a2a.ErrInvalidParams, "pageToken %.64q is none that was given out here: leave it out to begin with the first page", token)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return place{}, bad
	}
	at, id, ok := strings.Cut(string(raw), ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return place{}, bad
	}
	return place{at: ms, id: a2a.TaskID(id)}, nil
}
