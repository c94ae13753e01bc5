package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

const siblingID = "c6b95991-3c31-41e4-946a-d2da95814364"

// streams are the two ways to follow events.
var streams = []struct {
	name, path string
	follow     func(*registry.Client, context.Context) iter.Seq2[registry.Event, error]
}{
	{"Events", "/workspaces/" + ownID + "/events/stream", (*registry.Client).Events},
	{"PeerEvents", "/ws", (*registry.Client).PeerEvents},
}

// bearing adds the token of the moment, as heartbeat.RoundTripper does.
type bearing struct {
	base  http.RoundTripper
	token atomic.Pointer[string]
}

func (b *bearing) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+*b.token.Load())
	return b.base.RoundTrip(req)
}

// stage is a platform in memory with this workspace, a sibling and a stranger.
type stage struct {
	*registrytest.Platform
	own, sibling, stranger *registrytest.Workspace
	client                 *registry.Client
	auth                   *bearing
}

func newStage(t *testing.T) *stage {
	p := registrytest.NewPlatform(t, registrytest.WithInMemory())
	s := &stage{Platform: p, auth: &bearing{base: p.Transport()}}
	s.own = p.AddWorkspace(ownID, registrytest.WithParent(peerID), registrytest.WithName("own"))
	s.sibling = p.AddWorkspace(siblingID, registrytest.WithParent(peerID))
	s.stranger = p.AddWorkspace("77db220d-7f2c-4727-a045-6abdab89a6db", registrytest.WithParent(thingID))
	s.use(s.own.IssueToken())
	s.client = mustClient(t, p.URL(), registry.WithTransport(s.auth))
	return s
}

func (s *stage) use(token string) { s.auth.token.Store(&token) }

// heard is what a follower got: an event or an error.
type heard struct {
	event registry.Event
	err   error
}

// follow follows in the background, until the test ends.
func follow(t *testing.T, seq func(context.Context) iter.Seq2[registry.Event, error]) <-chan heard {
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan heard, 1000), make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		for e, err := range seq(ctx) {
			out <- heard{e, err}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return out
}

func (h heard) String() string {
	if h.err != nil {
		return "error: " + h.err.Error()
	}
	return h.event.Type
}

func TestEventsArriveInOrder(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				got := follow(t, func(ctx context.Context) iter.Seq2[registry.Event, error] { return s.follow(st.client, ctx) })
				synctest.Wait()
				begin := time.Now()
				if _, err := st.client.Heartbeat(t.Context(), registry.HeartbeatRequest{CurrentTask: "tÄsk <B>", ActiveTasks: 1}); err != nil {
					t.Fatal(err)
				}
				st.sibling.Emit(registry.EventAgentMessage, map[string]any{"message": "to my user"})
				st.stranger.Emit(registry.EventAgentMessage, map[string]any{"message": "of another team"})
				approval, err := st.client.RequestApproval(t.Context(), registry.RequestApprovalRequest{Action: "deploy"})
				if err != nil {
					t.Fatal(err)
				}
				st.own.Decide(approval.ID, true, "eve")
				synctest.Wait()

				want := []string{registry.EventConnected, registry.EventWorkspaceOnline, registry.EventTaskUpdated, registry.EventHeartbeat}
				if s.name == "PeerEvents" {
					want = append(want, registry.EventAgentMessage)
				}
				want = append(want, registry.EventApprovalRequested, registry.EventApprovalApproved)
				var types []string
				var last registry.Event
				for len(got) > 0 {
					h := <-got
					types = append(types, h.String())
					last = h.event
					of := ownID
					if h.event.Type == registry.EventAgentMessage {
						of = siblingID
					}
					if h.event.WorkspaceID != of || h.event.Time.Before(begin.Truncate(time.Millisecond)) {
						t.Errorf("%s of %s at %v", h.event.Type, h.event.WorkspaceID, h.event.Time)
					}
					if h.event.Type == registry.EventTaskUpdated && string(h.event.Payload) != `{"active_tasks":1,"current_task":"tÄsk \u003cB\u003e"}` {
						t.Errorf("payload = %s", h.event.Payload)
					}
				}
				if diff := cmp.Diff(want, types); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				var decision registry.ApprovalEvent
				if err := json.Unmarshal(last.Payload, &decision); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(registry.ApprovalEvent{ApprovalID: approval.ID, Decision: registry.ApprovalApproved, DecidedBy: "eve"}, decision); diff != "" {
					t.Errorf("payload (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A stream that breaks is made again, with the token of that moment; while
// there is nothing to reach, and while the token is refused, it is tried again
// ever more slowly.
func TestAStreamIsMadeAgain(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				got := follow(t, func(ctx context.Context) iter.Seq2[registry.Event, error] { return s.follow(st.client, ctx) })
				connected := func(when string) {
					t.Helper()
					for h := range got {
						if h.err == nil && h.event.Type == registry.EventConnected {
							// The platform listens a moment after it has answered.
							if err := st.Await(t.Context(), func() bool { return st.own.Listeners() == 1 }); err != nil {
								t.Fatal(err)
							}
							return
						}
						if h.err == nil {
							t.Fatalf("%s: %v", when, h)
						}
					}
					t.Fatalf("%s: the sequence has ended", when)
				}
				connected("at first")
				for range 3 {
					st.CutStreams()
					connected("after a cut")
				}

				st.Down()
				begin := time.Now()
				attempts := 0
				for time.Since(begin) < 10*time.Minute {
					if h := <-got; h.err == nil {
						t.Fatalf("from a platform that is down: %v", h)
					} else if registry.FromPlatform(h.err) {
						t.Fatalf("FromPlatform(%v)", h.err)
					}
					attempts++
				}
				if attempts < 20 || attempts > 200 { // 30 s at most, 15 on average
					t.Errorf("%d attempts in ten minutes", attempts)
				}
				if err := st.Up(); err != nil {
					t.Fatal(err)
				}
				connected("up again")

				// The stream outlives its token; the next one needs the new token.
				fresh := st.own.Rotate()
				st.own.Emit("X", nil)
				if h := <-got; h.String() != "X" {
					t.Errorf("after the rotation: %v", h)
				}
				st.CutStreams()
				if h := <-got; registry.FromPlatform(h.err) {
					t.Errorf("a cut: %v", h)
				}
				for range 5 {
					if h := <-got; !errors.Is(h.err, registry.ErrUnauthorized) {
						t.Errorf("with the old token: %v", h)
					}
				}
				st.use(fresh)
				connected("with the new token")
			})
		})
	}
}

func TestWhatEndsAStream(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)

				// The end of its context, also in the middle of a wait.
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var last error
				for e, err := range s.follow(st.client, ctx) {
					if e.Type == registry.EventConnected {
						st.Down()
					} else if last != nil {
						cancel(cause)
					}
					last = err
				}
				if !errors.Is(last, cause) || registry.FromPlatform(last) || !strings.Contains(last.Error(), s.name) {
					t.Errorf("the last error is %v", last)
				}
				if err := st.Up(); err != nil {
					t.Fatal(err)
				}

				// A consumer who stops leaves nothing behind.
				for range s.follow(st.client, t.Context()) {
					break
				}
				if err := st.Await(t.Context(), func() bool { return st.own.Listeners() == 0 }); err != nil {
					t.Error(err)
				}

				// An answer that a repeat would not change.
				for _, status := range []int{400, 403, 404} {
					st.Fail(registrytest.To("GET", s.path), registrytest.Fault{Status: status})
					n := 0
					for _, err := range s.follow(st.client, t.Context()) {
						var e *registry.Error
						if n++; !errors.As(err, &e) || e.Status != status || e.Op != s.name || e.Path != s.path {
							t.Errorf("%d: %v", status, err)
						}
					}
					if n != 1 {
						t.Errorf("%d: %d errors", status, n)
					}
				}

				// Others are asked again, after what they ask for.
				for _, status := range []int{401, 429, 500, 503} {
					st.Fail(registrytest.To("GET", s.path), registrytest.Fault{Status: status, RetryAfter: 7})
					begin := time.Now()
					for e, err := range s.follow(st.client, t.Context()) {
						if err != nil {
							continue
						}
						if waited := time.Since(begin); waited < 8*time.Second || waited > 40*time.Second {
							t.Errorf("%d: %v after %v", status, e.Type, waited)
						}
						break
					}
				}
			})
		})
	}
}

// A connection on which nothing comes any more is found out, and a consumer who
// takes his time is not held against it.
func TestDeadAndSlowAreToldApart(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				defer close(hang)
				_, transport := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
					if s.name == "PeerEvents" {
						conn, buf, err := http.NewResponseController(w).Hijack()
						if err != nil {
							panic(err)
						}
						defer conn.Close()
						_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
						go func() { _, _ = io.Copy(io.Discard, buf) }() // takes pings, and never answers
					} else {
						w.Header().Set("Content-Type", "text/event-stream")
						_, _ = io.WriteString(w, ": ping\n\n")
						_ = http.NewResponseController(w).Flush()
					}
					<-hang
				})
				begin := time.Now()
				for _, err := range s.follow(mustClient(t, "http://platform.test", registry.WithTransport(transport)), t.Context()) {
					if err == nil {
						continue
					}
					if waited := time.Since(begin); waited < 30*time.Second || waited > 3*time.Minute || !strings.Contains(err.Error(), "no sign of life") {
						t.Errorf("after %v: %v", waited, err)
					}
					break
				}

				st := newStage(t)
				n := 0
				for e, err := range s.follow(st.client, t.Context()) {
					if err != nil {
						t.Fatalf("a slow consumer: %v", err)
					}
					if n++; n > 3 {
						break
					}
					if e.Type == registry.EventConnected {
						synctest.Wait()
						for range 3 {
							st.own.Emit("X", nil)
						}
					}
					time.Sleep(10 * time.Minute)
				}
			})
		})
	}
}

func TestASilentAnswerIsNotWaitedFor(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				st.Fail(registrytest.To("GET", s.path), registrytest.Fault{Hang: true})
				begin := time.Now()
				for _, err := range s.follow(st.client, t.Context()) {
					if waited := time.Since(begin); waited != registry.DefaultTimeout || err == nil || !strings.Contains(err.Error(), "no sign of life") {
						t.Errorf("after %v: %v", waited, err)
					}
					break
				}
			})
		})
	}
}

func TestStreamsThatAreNone(t *testing.T) {
	page := answer(200, "<!doctype html>", "Content-Type", "text/html")
	for _, s := range streams {
		for err := range errorsOf(t, s.follow(serve(t, page).client(t), t.Context())) {
			if !errors.Is(err, registry.ErrUnexpectedAnswer) || !registry.FromPlatform(err) {
				t.Errorf("%s: %v", s.name, err)
			}
			break
		}
	}
	for name, body := range map[string]string{
		"not JSON": "data: hello\n\n", "without a type": "data: {}\n\n", "too large": "data: " + strings.Repeat("x", 11<<20) + "\n\n",
		"too large in pieces": strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 12) + "\n", "cut": "data: {\"type\":\"X\"}\n",
	} {
		b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			_, _ = io.WriteString(w, body)
		})
		for err := range errorsOf(t, b.client(t).Events(t.Context())) {
			if len(err.Error()) > 500 {
				t.Errorf("%s: the event stands in the error", name)
			}
			break
		}
	}
}

// errorsOf is the errors of a sequence that should have nothing else to say.
func errorsOf(t *testing.T, seq iter.Seq2[registry.Event, error]) iter.Seq[error] {
	return func(yield func(error) bool) {
		for e, err := range seq {
			if err == nil && e.Type != registry.EventConnected {
				t.Errorf("event %q", e.Type)
			}
			if err != nil && !yield(err) {
				return
			}
		}
	}
}
