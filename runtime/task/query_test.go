package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestGetWhileRunningHasTheTextSoFar(t *testing.T) {
	g := newGate()
	e := task.NewEngine(g.run)
	defer drain(t, e)
	id := start(t, e, send("hi")).ID
	<-g.begun
	got := get(t, e, id)
	wantState(t, got, a2a.TaskStateWorking)
	if text := replyText(got); text != "before " {
		t.Errorf("the reply is %q", text)
	}
	close(g.open)
}

func TestGetRefusesWhatItDoesNotKnow(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	_, err := e.GetTask(t.Context(), nil)
	wantError(t, err, a2a.ErrInvalidParams)
	_, err = e.GetTask(t.Context(), &a2a.GetTaskRequest{})
	wantError(t, err, a2a.ErrInvalidParams, "id of the task")
	_, err = e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: a2a.TaskID(strings.Repeat("x", 1000))})
	wantError(t, err, a2a.ErrTaskNotFound, "there is no task")
	if len(err.Error()) > 300 {
		t.Errorf("the error repeats a thousand bytes: %v", err)
	}
}

func TestGetHistoryLength(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	id := finish(t, e, send("hi")).ID
	for length, want := range map[int]int{0: 0, 1: 1, 10: 1} {
		got, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id, HistoryLength: &length})
		if err != nil || len(got.History) != want {
			t.Errorf("historyLength %d: %v messages, %v, want %d", length, len(got.History), err, want)
		}
	}
	negative := -1
	_, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id, HistoryLength: &negative})
	wantError(t, err, a2a.ErrInvalidParams, "-1")
}

// listed returns the texts of the listed tasks' messages.
func listed(t testing.TB, e *task.Engine, req *a2a.ListTasksRequest) []string {
	t.Helper()
	res, err := e.ListTasks(t.Context(), req)
	if err != nil {
		t.Fatalf("ListTasks: %v", err)
	}
	got := []string{}
	for _, task := range res.Tasks {
		got = append(got, task.History[0].Parts[0].Text())
	}
	return got
}

func TestListOrderAndFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := task.NewEngine(g.run, task.WithParallelTurns())
		var middle time.Time
		for i, text := range []string{"a", "b", "c", "d"} {
			req := send(text)
			req.Message.ContextID = fmt.Sprint("context ", i%2)
			start(t, e, req)
			if text == "b" {
				middle = time.Now()
			}
			time.Sleep(time.Second)
		}
		tasks, err := e.ListTasks(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cancel(t.Context(), e, tasks.Tasks[3].ID); err != nil { // a
			t.Fatal(err)
		}
		for _, tc := range []struct {
			name string
			req  *a2a.ListTasksRequest
			want []string
		}{
			{"all, last change first", nil, []string{"a", "d", "c", "b"}},
			{"of a context", &a2a.ListTasksRequest{ContextID: "context 1"}, []string{"d", "b"}},
			{"of a state", &a2a.ListTasksRequest{Status: a2a.TaskStateCanceled}, []string{"a"}},
			{"of another state", &a2a.ListTasksRequest{Status: a2a.TaskStateWorking}, []string{"d", "c", "b"}},
			{"since a time, which is included", &a2a.ListTasksRequest{StatusTimestampAfter: &middle}, []string{"a", "d", "c", "b"}},
			{"both", &a2a.ListTasksRequest{ContextID: "context 0", Status: a2a.TaskStateWorking}, []string{"c"}},
			{"none", &a2a.ListTasksRequest{ContextID: "nothing"}, []string{}},
		} {
			if diff := cmp.Diff(tc.want, listed(t, e, tc.req)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.name, diff)
			}
		}
		later := middle.Add(time.Millisecond)
		if diff := cmp.Diff([]string{"a", "d", "c"}, listed(t, e, &a2a.ListTasksRequest{StatusTimestampAfter: &later})); diff != "" {
			t.Errorf("since a little later (-want +got):\n%s", diff)
		}
		close(g.open)
		drain(t, e)
	})
}

func TestListPages(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	var want []string
	for i := range 7 {
		text := fmt.Sprint(i)
		finish(t, e, send(text))
		want = append(want, text)
	}
	all := listed(t, e, nil)
	if sorted := slices.Sorted(slices.Values(all)); !slices.Equal(sorted, want) {
		t.Fatalf("listed %v", all)
	}
	for size := 1; size <= 8; size++ {
		var got []string
		req := &a2a.ListTasksRequest{PageSize: size}
		for {
			res, err := e.ListTasks(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if res.TotalSize != 7 || res.PageSize != size || len(res.Tasks) > size {
				t.Errorf("page of %d: %d tasks, total %d, size %d", size, len(res.Tasks), res.TotalSize, res.PageSize)
			}
			for _, task := range res.Tasks {
				got = append(got, task.History[0].Parts[0].Text())
			}
			if req.PageToken = res.NextPageToken; req.PageToken == "" {
				break
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
}

func TestListIncludesWhatIsAskedFor(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	finish(t, e, send("hi"))
	zero := 0
	for _, artifacts := range []bool{false, true} {
		res, err := e.ListTasks(t.Context(), &a2a.ListTasksRequest{IncludeArtifacts: artifacts, HistoryLength: &zero})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Tasks[0]; (got.Artifacts != nil) != artifacts || got.History != nil {
			t.Errorf("artifacts %t: %+v", artifacts, got)
		}
	}
}

func TestListRefusesWhatItCannotRead(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	finish(t, e, send("hi"))
	negative := -1
	for name, req := range map[string]*a2a.ListTasksRequest{
		"page size 101":    {PageSize: 101},
		"page size -1":     {PageSize: -1},
		"history -1":       {HistoryLength: &negative},
		"token no base64":  {PageToken: "?"},
		"token no place":   {PageToken: "aGVsbG8"},
		"token no number":  {PageToken: "eC5pZA"},
		"token of another": {PageToken: "MjAyNi0wMS0wMVQwMDowMDowMFpfaWQ="},
	} {
		_, err := e.ListTasks(t.Context(), req)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantError(t, err, a2a.ErrInvalidParams)
	}
}

func TestPushAndExtendedCardAreRefused(t *testing.T) {
	e := task.NewEngine(echo)
	defer drain(t, e)
	ctx := t.Context()
	_, err := e.GetTaskPushConfig(ctx, nil)
	wantError(t, err, a2a.ErrPushNotificationNotSupported)
	_, err = e.ListTaskPushConfigs(ctx, nil)
	wantError(t, err, a2a.ErrPushNotificationNotSupported)
	_, err = e.CreateTaskPushConfig(ctx, nil)
	wantError(t, err, a2a.ErrPushNotificationNotSupported)
	wantError(t, e.DeleteTaskPushConfig(ctx, nil), a2a.ErrPushNotificationNotSupported)
	_, err = e.GetExtendedAgentCard(ctx, nil)
	wantError(t, err, a2a.ErrExtendedCardNotConfigured)
}
