package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// team is a parent and its child on one platform, which can be restarted.
type team struct {
	t        *testing.T
	platform *registrytest.Platform
	dirs     map[string]string
	pockets  map[string]*pocket
	stops    map[string]func()
}

func newTeam(t *testing.T) *team {
	t.Helper()
	g := &team{t: t, platform: registrytest.NewPlatform(t, registrytest.WithInMemory()), dirs: map[string]string{}, pockets: map[string]*pocket{}, stops: map[string]func(){}}
	t.Cleanup(g.platform.CloseIdleConnections)
	g.platform.AddWorkspace(workspaceID, registrytest.WithName("parent"))
	g.platform.AddWorkspace(childID, registrytest.WithName("child"), registrytest.WithParent(workspaceID))
	for _, id := range []string{workspaceID, childID} {
		g.dirs[id], g.pockets[id] = t.TempDir(), newPocket()
	}
	return g
}

// start begins a life of a workspace, in the place of the one before.
func (g *team) start(id string, agent runtime.Agent) {
	g.t.Helper()
	host := map[string]string{workspaceID: "localhost:9001", childID: "localhost:9002"}[id]
	l, err := g.platform.Listen(host)
	if err != nil {
		g.t.Fatal(err)
	}
	ws, err := runtime.New(agent, runtime.WithTools(),
		runtime.WithWorkspaceID(id), runtime.WithPlatformURL(g.platform.URL()), runtime.WithConfigDir(g.dirs[id]),
		runtime.WithoutServer(), runtime.WithAgentURL("http://"+host), runtime.WithTransport(g.platform.Transport()),
		runtime.WithTokenStore(g.pockets[id]), runtime.WithDrainTimeout(20*time.Millisecond))
	if err != nil {
		g.t.Fatal(err)
	}
	server := &http.Server{Handler: ws.Handler()}
	ctx, cancel := context.WithCancel(g.t.Context())
	over, served := make(chan error, 1), make(chan struct{})
	go func() { over <- ws.Run(ctx) }()
	go func() { defer close(served); _ = server.Serve(l) }()
	// As for others it is killed: connections break without an answer.
	g.stops[id] = func() {
		_ = server.Close()
		<-served
		cancel()
		if err := <-over; err != nil {
			g.t.Errorf("Run of %s: %v", id, err)
		}
	}
	row := g.platform.Workspace(id)
	beats := len(row.Heartbeats())
	if err := g.platform.Await(g.t.Context(), func() bool { return row.Status() == "online" && len(row.Heartbeats()) > beats }); err != nil {
		g.t.Fatal(err)
	}
}

// boss hands what it is told to its child: "sync TASK" or "async TASK". After a
// restart it makes the same call again.
// What comes back it only notes.
type boss struct {
	ws    *runtime.Workspace
	woken *atomic.Int32
}

func (b *boss) SetUp(_ context.Context, ws *runtime.Workspace) error { b.ws = ws; return nil }

func (b *boss) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	if results := turn.Delegations(); len(results) > 0 {
		b.woken.Add(int32(len(results)))
		_, err := fmt.Fprint(reply, "noted")
		return err
	}
	how, task, _ := strings.Cut(turn.Text(), " ")
	name := map[string]string{"sync": "delegate_task", "async": "delegate_task_async", "status": "check_task_status"}[how]
	input := map[string]any{"workspace_id": childID, "task": task}
	if how == "status" {
		input = map[string]any{}
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return err
	}
	result, err := b.ws.Tools().Call(tool.WithCallID(ctx, turn.TaskID()+"/1"), name, raw)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(reply, result.Text)
	return err
}

func (b *boss) Resume(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	return b.Run(ctx, turn, reply)
}

// worker takes until the end of its first life, and is done in the next one.
type worker struct {
	begun, done *atomic.Int32
	quick       bool
}

func (w *worker) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	w.begun.Add(1)
	if !w.quick {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w.done.Add(1)
	_, err := fmt.Fprintf(reply, "done: %s", turn.Text())
	return err
}

func (w *worker) Resume(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	w.quick = true
	return w.Run(ctx, turn, reply)
}

// Both workspaces are restarted while the child works for the parent. The result
// arrives, the work is done once, and the user is told once.
func TestADelegationOutlivesARestartOfBoth(t *testing.T) {
	for _, how := range []string{"sync", "async"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newTeam(t)
				var begun, done, woken atomic.Int32
				g.start(childID, &worker{begun: &begun, done: &done})
				g.start(workspaceID, &boss{woken: &woken})
				call := func(method string, params map[string]any) (int, string) {
					status, answer, err := g.platform.Call(t.Context(), workspaceID, method, params)
					if err != nil {
						t.Fatal(err)
					}
					return status, string(answer)
				}
				message := func(id, text string) map[string]any {
					return map[string]any{"message": map[string]any{"kind": "message", "role": "user", "messageId": id, "parts": []any{map[string]any{"kind": "text", "text": text}}}}
				}
				cut := make(chan struct{})
				go func() {
					defer close(cut)
					call("message/send", message("m1", how+" read the paper")) // what it answers is cut off by the restart, or the task id
				}()
				if err := g.platform.Await(t.Context(), func() bool { return begun.Load() > 0 }); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				g.stops[workspaceID]()
				g.stops[childID]()
				<-cut
				g.start(childID, &worker{begun: &begun, done: &done})
				g.start(workspaceID, &boss{woken: &woken})

				// The user's message comes again, as the platform delivers it, and
				// gets the answer of the task it made.
				var text string
				if how == "sync" {
					status, answer := call("message/send", message("m1", "sync read the paper"))
					text = answer
					if status != http.StatusOK {
						t.Fatalf("%d %s", status, answer)
					}
				} else {
					time.Sleep(5 * time.Minute) // beats, by which the platform delivers what waits
					_, text = call("message/send", message("m2", "status"))
				}
				if !strings.Contains(text, "done: read the paper") {
					t.Errorf("the result has not arrived: %s", text)
				}
				// What came back by itself wakes the agent once, and its user is told
				// once; the answer of a call needs neither.
				want := int32(0)
				if how == "async" {
					want = 1
				}
				if told := len(g.platform.Workspace(workspaceID).Notifications()); woken.Load() != want || told != int(want) {
					t.Errorf("the agent was woken %d times and the user told %d times, want %d: %+v", woken.Load(), told, want, g.platform.Workspace(workspaceID).Notifications())
				}
				if done.Load() != 1 {
					t.Errorf("the work was done %d times, begun %d times", done.Load(), begun.Load())
				}
				g.stops[workspaceID]()
				g.stops[childID]()
			})
		})
	}
}

// The end of a delegation is an event, and with the tools somebody listens.
func TestAResultDoesNotWaitForTheNextLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTeam(t)
		var begun, done, woken atomic.Int32
		g.start(childID, &worker{begun: &begun, done: &done, quick: true})
		g.start(workspaceID, &boss{woken: &woken})
		params := map[string]any{"message": map[string]any{"kind": "message", "role": "user", "messageId": "m1", "parts": []any{map[string]any{"kind": "text", "text": "async read the paper"}}}}
		time.Sleep(5 * time.Minute) // far from any first look
		if status, answer, err := g.platform.Call(t.Context(), workspaceID, "message/send", params); err != nil || status != http.StatusOK {
			t.Fatal(status, string(answer), err)
		}
		time.Sleep(3 * time.Second)
		if woken.Load() != 1 {
			t.Errorf("the agent was woken %d times within 3 s of the end", woken.Load())
		}
		g.stops[workspaceID]()
		g.stops[childID]()
	})
}
