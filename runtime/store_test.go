package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/push"
)

// alone runs a workspace on loopback without a platform, which is no matter to
// its tasks.
func alone(t *testing.T, dir string, agent runtime.Agent, opts ...runtime.Option) (url string, stop func()) {
	t.Helper()
	h, end := aloneHandler(t, agent, append([]runtime.Option{runtime.WithConfigDir(dir)}, opts...)...)
	server := httptest.NewServer(h)
	return server.URL, func() {
		end()
		server.Close()
	}
}

// aloneHandler is alone without a server.
func aloneHandler(t *testing.T, agent runtime.Agent, opts ...runtime.Option) (h http.Handler, stop func()) {
	t.Helper()
	r, err := runtime.New(agent, append([]runtime.Option{
		runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL("http://127.0.0.1:1"), runtime.WithConfigDir(t.TempDir()),
		runtime.WithoutServer(), runtime.WithAgentURL("http://127.0.0.1:2"),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	h = r.Handler()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	for i := 0; ; i++ { // the card is there a moment before messages are let in
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != http.StatusServiceUnavailable {
			return h, stop
		}
		if i == 10_000 {
			t.Fatal("the workspace does not start")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func fetch(t *testing.T, method, url, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// say sends a message as A2A 1.0 and returns the answer.
func say(t *testing.T, url, id, task, text string, header http.Header) string {
	t.Helper()
	_, answer := fetch(t, http.MethodPost, url, fmt.Sprintf(
		`{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":%q,"taskId":%q,"role":"ROLE_USER","parts":[{"text":%q}]}}}`, id, task, text), header)
	return answer
}

func wantIn(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not have %q in it: %s", what, want, text)
		}
	}
}

func taskID(t *testing.T, answer string) string {
	t.Helper()
	_, rest, _ := strings.Cut(answer, `"task":{"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no task in %s", answer)
	}
	return id
}

// TestTasksOutliveTheWorkspace: a question asked in one life is answered in the
// next, and a message that comes again is answered with the task it made.
func TestTasksOutliveTheWorkspace(t *testing.T) {
	dir := t.TempDir()
	agent := runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		if len(turn.History()) == 0 {
			return reply.Ask("Which city?")
		}
		_, err := fmt.Fprintf(reply, "to %s", turn.Text())
		return err
	})
	url, stop := alone(t, dir, agent)
	asked := say(t, url, "m1", "", "a trip", nil)
	wantIn(t, "the question", asked, "TASK_STATE_INPUT_REQUIRED", "Which city?")
	id := taskID(t, asked)
	stop()
	if info, err := os.Stat(filepath.Join(dir, ".runtime", "tasks.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of tasks: %v, %v", info, err)
	}
	url, stop = alone(t, dir, agent)
	defer stop()
	if again := say(t, url, "m1", "", "a trip", nil); taskID(t, again) != id {
		t.Errorf("the message ran again: %s", again)
	}
	wantIn(t, "the answer", say(t, url, "m2", id, "Oslo", nil), "TASK_STATE_COMPLETED", "to Oslo", id)
}

// TestWhereTasksAreKept, and that readiness tells when it is not for long.
// TestTwoWorkspacesOnOneStore: what is asked of one may be answered to the other,
// and a message sent to both is answered once.
func TestTwoWorkspacesOnOneStore(t *testing.T) {
	agent := runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		if len(turn.History()) == 0 {
			return reply.Ask("Which city?")
		}
		number, err := turn.Once(ctx, "ticket", func(context.Context) ([]byte, error) { return []byte("ticket 7"), nil })
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(reply, "%s to %s", number, turn.Text())
		return err
	})
	store := task.NewMemory()
	one, stop := alone(t, t.TempDir(), agent, runtime.WithSharedTaskStore(store))
	defer stop()
	two, stop := alone(t, t.TempDir(), agent, runtime.WithSharedTaskStore(store))
	defer stop()
	asked := say(t, one, "m1", "", "a ticket", nil)
	wantIn(t, "the first answer", asked, "Which city?")
	wantIn(t, "the same from the other", say(t, two, "m1", "", "a ticket", nil), "Which city?", taskID(t, asked))
	wantIn(t, "the answer from the other", say(t, two, "m2", taskID(t, asked), "Bergen", nil), "ticket 7 to Bergen")
	wantIn(t, "the answer from the first", say(t, one, "m2", taskID(t, asked), "Bergen", nil), "ticket 7 to Bergen")
}

func TestWhereTasksAreKept(t *testing.T) {
	silent := runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error { return nil })
	t.Run("no directory", func(t *testing.T) {
		var log bytes.Buffer
		url, stop := alone(t, filepath.Join(t.TempDir(), "none"), silent, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, ready := fetch(t, http.MethodGet, url+"/readyz", "", nil)
		wantIn(t, "readiness", ready, "tasks are kept in memory")
		stop()
		wantIn(t, "the log", log.String(), "tasks are kept in memory", "WithTaskStore")
	})
	t.Run("damaged", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".runtime"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".runtime", "tasks.db"), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		url, stop := alone(t, dir, silent, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, ready := fetch(t, http.MethodGet, url+"/readyz", "", nil)
		wantIn(t, "readiness", ready, "damaged and moved to tasks.db.corrupt-")
		wantIn(t, "the answer", say(t, url, "m1", "", "hi", nil), "TASK_STATE_COMPLETED")
		stop()
		wantIn(t, "the log", log.String(), "level=ERROR", "moved aside")
	})
	t.Run("in use", func(t *testing.T) {
		dir := t.TempDir()
		_, stop := alone(t, dir, silent)
		defer stop()
		r, err := runtime.New(silent, runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL("http://127.0.0.1:1"),
			runtime.WithConfigDir(dir), runtime.WithoutServer(), runtime.WithAgentURL("http://127.0.0.1:2"))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); !errors.Is(err, filestore.ErrLocked) {
			t.Errorf("a second workspace on the same directory: %v, want ErrLocked", err)
		}
	})
}

// TestCallersSeeTheirOwnTasks on both bindings.
func TestCallersSeeTheirOwnTasks(t *testing.T) {
	agent := runtime.AgentFunc(func(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
		_, err := reply.WriteString("hello")
		return err
	})
	url, stop := alone(t, t.TempDir(), agent, runtime.WithREST(), runtime.WithTaskStore(task.NewMemory()),
		runtime.WithAuthenticator(func(r *http.Request) (string, error) {
			name := r.Header.Get("X-User")
			if name == "" {
				return "", errors.New("no user: secret reason")
			}
			return name, nil
		}))
	defer stop()
	ann, bob := http.Header{"X-User": {"ann"}}, http.Header{"X-User": {"bob"}}
	id := taskID(t, say(t, url, "m1", "", "hi", ann))
	get := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":%q}}`, id)
	_, mine := fetch(t, http.MethodPost, url, get, ann)
	wantIn(t, "Ann's task", mine, "hello")
	_, others := fetch(t, http.MethodPost, url, get, bob)
	wantIn(t, "Bob's answer", others, "-32001")
	status, body := fetch(t, http.MethodPost, url, get, nil)
	if status != http.StatusUnauthorized || strings.Contains(body, "secret reason") {
		t.Errorf("nobody gets %d %s", status, body)
	}
	status, rest := fetch(t, http.MethodGet, url+"/rest/tasks/"+id, "", ann)
	if wantIn(t, "Ann's task by REST", rest, "hello"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if status, _ := fetch(t, http.MethodGet, url+"/rest/tasks/"+id, "", bob); status != http.StatusNotFound {
		t.Errorf("Bob gets %d by REST", status)
	}
	_, sent := fetch(t, http.MethodPost, url+"/rest/message:send", `{"message":{"messageId":"m2","role":"ROLE_USER","parts":[{"text":"hi"}]}}`, bob)
	wantIn(t, "a message by REST", sent, "TASK_STATE_COMPLETED")
	_, card := fetch(t, http.MethodGet, url+"/.well-known/agent-card.json", "", nil)
	wantIn(t, "the card", card, "HTTP+JSON", "/rest")
}

// TestPushNotificationsAreToldOnlyWhenOn: the card of a workspace that sends none
// says so, and all methods about them are refused as the specification wants it
// (PushNotificationNotSupportedError, -32003), in both dialects.
func TestPushNotificationsAreToldOnlyWhenOn(t *testing.T) {
	agent := runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error { return nil })
	url, stop := alone(t, t.TempDir(), agent)
	defer stop()
	_, card := fetch(t, http.MethodGet, url+"/.well-known/agent-card.json", "", nil)
	wantIn(t, "the card", card, `"streaming":true`)
	if strings.Contains(card, `"pushNotifications":true`) {
		t.Errorf("the card offers push notifications: %s", card)
	}
	for _, call := range []struct{ method, params string }{
		{"CreateTaskPushNotificationConfig", `{"taskId":"t","url":"http://x.example"}`},
		{"GetTaskPushNotificationConfig", `{"taskId":"t","id":"c"}`},
		{"ListTaskPushNotificationConfigs", `{"taskId":"t"}`},
		{"DeleteTaskPushNotificationConfig", `{"taskId":"t","id":"c"}`},
		{"tasks/pushNotificationConfig/set", `{"taskId":"t","pushNotificationConfig":{"url":"http://x.example"}}`},
		{"tasks/pushNotificationConfig/get", `{"id":"t"}`},
		{"tasks/pushNotificationConfig/list", `{"id":"t"}`},
		{"tasks/pushNotificationConfig/delete", `{"id":"t","pushNotificationConfigId":"c"}`},
		{"SendMessage", `{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hi"}]},"configuration":{"taskPushNotificationConfig":{"url":"http://x.example"}}}`},
		{"message/send", `{"message":{"kind":"message","messageId":"m2","role":"user","parts":[{"kind":"text","text":"hi"}]},"configuration":{"pushNotificationConfig":{"url":"http://x.example"}}}`},
	} {
		_, answer := fetch(t, http.MethodPost, url, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, call.method, call.params), nil)
		wantIn(t, call.method, answer, "-32003")
	}
}

// TestCancelOfWhatHasEndedOverTheWire: canceling twice returns the task, one that
// has ended is TaskNotCancelableError (-32002), an unknown one TaskNotFoundError
// (-32001), in both dialects.
func TestCancelOfWhatHasEndedOverTheWire(t *testing.T) {
	agent := runtime.AgentFunc(func(ctx context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
		if turn.Text() != "wait" {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	url, stop := alone(t, t.TempDir(), agent)
	defer stop()
	rpc := func(method, params string) string {
		t.Helper()
		_, answer := fetch(t, http.MethodPost, url, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params), nil)
		return answer
	}
	begin := func(text string, wait bool) string {
		t.Helper()
		answer := rpc("SendMessage", fmt.Sprintf(`{"message":{"messageId":"","role":"ROLE_USER","parts":[{"text":%q}]},"configuration":{"returnImmediately":%t}}`, text, !wait))
		var got struct {
			Result struct{ Task struct{ ID string } }
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Result.Task.ID == "" {
			t.Fatalf("%s: %v", answer, err)
		}
		return got.Result.Task.ID
	}
	for method, canceled := range map[string]string{"CancelTask": `"TASK_STATE_CANCELED"`, "tasks/cancel": `"canceled"`} {
		id := fmt.Sprintf(`{"id":%q}`, begin("wait", false))
		wantIn(t, method, rpc(method, id), canceled)
		wantIn(t, method+", again", rpc(method, id), canceled, id[1:len(id)-1])
		wantIn(t, method+" of a finished task", rpc(method, fmt.Sprintf(`{"id":%q}`, begin("hi", true))), "-32002")
		wantIn(t, method+" of an unknown task", rpc(method, `{"id":"nobody"}`), "-32001")
	}
}

// TestPushNotificationsOverTheWire: registered in both dialects' ways, told on
// the card, delivered with the caller's token.
func TestPushNotificationsOverTheWire(t *testing.T) {
	got := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Header.Get("A2A-Notification-Token") + " " + string(body)
	}))
	defer hook.Close()
	sender := push.NewSender(push.WithAllow(netip.MustParsePrefix("127.0.0.0/8")))
	defer sender.Close()
	agent := runtime.AgentFunc(func(context.Context, *runtime.Turn, *runtime.Reply) error { return nil })
	url, stop := alone(t, t.TempDir(), agent, runtime.WithPushNotifications(sender))
	defer stop()
	_, card := fetch(t, http.MethodGet, url+"/.well-known/agent-card.json", "", nil)
	wantIn(t, "the card", card, `"pushNotifications":true`)
	_, answer := fetch(t, http.MethodPost, url, fmt.Sprintf(
		`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","messageId":"m1","role":"user","parts":[{"kind":"text","text":"hi"}]},"configuration":{"pushNotificationConfig":{"url":%q,"token":"t0ken"}}}}`, hook.URL), nil)
	wantIn(t, "the answer", answer, "completed")
	for _, state := range []string{"TASK_STATE_WORKING", "TASK_STATE_COMPLETED"} {
		wantIn(t, "the notification", <-got, "t0ken", "statusUpdate", state)
	}
}
