package task

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Sizes of a page of [Engine.ListTasks] (specification 3.1.4).
const (
	defaultPageSize = 50
	maxPageSize     = 100
)

// GetTask returns a task as it is now, with the reply as far as it is written.
// HistoryLength is how many messages to include: all when nil, none when 0. An
// unknown task, and one of another caller, is a2a.ErrTaskNotFound.
func (e *Engine) GetTask(ctx context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	if req == nil {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	if err := checkHistoryLength(req.HistoryLength); err != nil {
		return nil, err
	}
	t, err := e.find(ctx, e.cfg.owner(ctx), req.ID)
	if err != nil {
		return nil, err
	}
	noteTask(ctx, t)
	return e.present(ctx, t, req.HistoryLength, true)
}

func checkHistoryLength(n *int) error {
	if n != nil && *n < 0 {
		return refused(a2a.ErrInvalidParams, "historyLength is %d: it must be 0 or more", *n)
	}
	return nil
}

// ListTasks returns the caller's tasks, the one whose status changed last
// first, in pages of 1 to 100 (50 when PageSize is 0). It takes all filters of
// the request; artifacts are in the answer only when asked for. A task whose
// status changes between two pages may be in both or in none.
func (e *Engine) ListTasks(ctx context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
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
	owner := e.cfg.owner(ctx)
	found, err := e.matching(ctx, owner, req)
	if err != nil {
		return nil, err
	}
	res := &a2a.ListTasksResponse{Tasks: []*a2a.Task{}, TotalSize: len(found), PageSize: size}
	if req.PageToken != "" {
		begin, exact := slices.BinarySearchFunc(found, from, listed.compare)
		if exact {
			begin++
		}
		found = found[begin:]
	}
	if len(found) > size {
		found = found[:size]
		res.NextPageToken = found[size-1].token()
	}
	for _, l := range found {
		t, err := e.find(ctx, owner, l.id)
		if errors.Is(err, a2a.ErrTaskNotFound) || errors.Is(err, a2a.ErrInternalError) {
			continue // it was removed meanwhile, or is damaged, which is in the log
		}
		if err != nil {
			return nil, err
		}
		s, err := e.present(ctx, t, req.HistoryLength, req.IncludeArtifacts)
		if err != nil {
			return nil, err
		}
		res.Tasks = append(res.Tasks, s)
	}
	return res, nil
}

// matching returns the tasks a request asks for, in the order of the listing.
func (e *Engine) matching(ctx context.Context, owner string, req *a2a.ListTasksRequest) ([]listed, error) {
	r := Range{Bucket: BucketListed, From: ownerKey(owner), To: ownerEnd(owner), Reverse: true}
	if after := req.StatusTimestampAfter; after != nil {
		// What is in the milliseconds of a task's time is not cut off by those
		// of the question.
		r.From = listedKey(owner, max(after.Add(time.Millisecond-1).UnixMilli(), 0), "")
	}
	entries, err := e.store.Scan(ctx, r)
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "tasks cannot be listed", slog.Any("error", err))
		return nil, refused(a2a.ErrInternalError, "the agent's store cannot be read; its log says why")
	}
	found := make([]listed, 0, len(entries))
	for _, entry := range entries {
		l, err := decodeListed(entry)
		if err != nil {
			e.log.LogAttrs(ctx, slog.LevelError, "an entry of the listing is damaged", slog.Any("error", err))
			continue
		}
		if req.ContextID != "" && req.ContextID != l.context ||
			req.Status != a2a.TaskStateUnspecified && req.Status != l.state {
			continue
		}
		found = append(found, l)
	}
	return found, nil
}

// compare orders by time and, within a millisecond, by id, newest first.
func (l listed) compare(m listed) int {
	return cmp.Or(cmp.Compare(m.at, l.at), cmp.Compare(m.id, l.id))
}

// token names the place for the next page to go on behind it.
func (l listed) token() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(l.at, 10) + "." + string(l.id)))
}

func parsePageToken(token string) (listed, error) {
	if token == "" {
		return listed{}, nil
	}
	bad := refused(a2a.ErrInvalidParams, "pageToken %.64q is none that was given out here: leave it out to begin with the first page", token)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return listed{}, bad
	}
	at, id, ok := strings.Cut(string(raw), ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return listed{}, bad
	}
	return listed{at: ms, id: a2a.TaskID(id)}, nil
}
