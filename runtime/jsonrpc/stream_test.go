package jsonrpc_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
)

// numbered is an agent that numbers its events.
type numbered struct {
	agent
	message func(ctx context.Context, yield func(uint64, a2a.Event) bool) error
	task    func(ctx context.Context, after uint64, yield func(uint64, a2a.Event) bool) error
}

var _ jsonrpc.Sequencer = (*numbered)(nil)

func (n *numbered) StreamMessage(ctx context.Context, _ *a2a.SendMessageRequest, yield func(uint64, a2a.Event) bool) error {
	return n.message(ctx, yield)
}

func (n *numbered) StreamTask(ctx context.Context, _ *a2a.SubscribeToTaskRequest, after uint64, yield func(uint64, a2a.Event) bool) error {
	return n.task(ctx, after, yield)
}

var info = a2a.TaskInfo{TaskID: "task-1", ContextID: "ctx-1"}

func chunk(s string) a2a.Event { return a2a.NewArtifactUpdateEvent(info, "reply", a2a.NewTextPart(s)) }

// streaming is an agent that streams what a function yields.
func streaming(f func(ctx context.Context, yield func(a2a.Event, error) bool)) *agent {
	return &agent{stream: func(ctx context.Context, _ *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
		return func(yield func(a2a.Event, error) bool) { f(ctx, yield) }
	}}
}

func TestStreamHeadersAreFlushedAtOnce(t *testing.T) {
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		time.Sleep(10 * time.Second)
		yield(chunk("late"), nil)
	})
	inBubble(t, jsonrpc.NewHandler(a), nil, func(t *testing.T, b *bubble) {
		start := time.Now()
		res := b.post(t, t.Context(), helloStream10)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the headers came after %v", waited)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := text(t, res); !strings.Contains(got, `"late"`) {
			t.Errorf("got %q", got)
		}
	})
}

func TestEachEventIsFlushedAtOnce(t *testing.T) {
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		for i := range 5 {
			yield(chunk(fmt.Sprint(i)), nil)
			time.Sleep(time.Second)
		}
	})
	inBubble(t, jsonrpc.NewHandler(a), nil, func(t *testing.T, b *bubble) {
		res := b.post(t, t.Context(), helloStream03)
		l := readLines(t, res.Body)
		for i := range 5 {
			if _, waited := l.until("data: "); i > 0 && waited != time.Second {
				t.Errorf("event %d came after %v, want a second", i, waited)
			}
		}
		_ = res.Body.Close()
	})
}

func TestEventIDsAreTheSequence(t *testing.T) {
	n := &numbered{message: func(_ context.Context, yield func(uint64, a2a.Event) bool) error {
		for _, seq := range []uint64{1, 2, 7, 1 << 60} {
			yield(seq, chunk("x"))
		}
		return nil
	}}
	for _, body := range []string{helloStream03, helloStream10} {
		var ids []string
		for _, e := range post(t, jsonrpc.NewHandler(n), body).events(t) {
			ids = append(ids, e.id)
			parseResponse(t, e.data)
		}
		if got := strings.Join(ids, " "); got != "1 2 7 1152921504606846976" {
			t.Errorf("ids %s", got)
		}
	}
}

func TestEventsOfAHandlerThatDoesNotNumberThemAreNumberedFromOne(t *testing.T) {
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		yield(chunk("a"), nil)
		yield(chunk("b"), nil)
	})
	events := post(t, jsonrpc.NewHandler(a), helloStream10).events(t)
	if len(events) != 2 || events[0].id != "1" || events[1].id != "2" {
		t.Errorf("got %+v", events)
	}
}

func TestLastEventIDResumes(t *testing.T) {
	for _, c := range []struct {
		header string
		want   uint64
	}{
		{"", 0}, {"5", 5}, {" 5 ", 5}, {"18446744073709551615", 1<<64 - 1},
		{"-1", 0}, {"x", 0}, {"5x", 0}, {"99999999999999999999", 0}, {"4d3f0e6a-0000-7000-8000-000000000000", 0}, // another server's
	} {
		for _, method := range []string{"tasks/resubscribe", "SubscribeToTask"} {
			asked := uint64(42)
			n := &numbered{task: func(_ context.Context, after uint64, yield func(uint64, a2a.Event) bool) error {
				asked = after
				yield(after+1, chunk("x"))
				return nil
			}}
			post(t, jsonrpc.NewHandler(n), call(method, `{"id":"task-1"}`), "Last-Event-ID", c.header).events(t)
			if asked != c.want {
				t.Errorf("%s with Last-Event-ID %q: asked for what is after %d, want %d", method, c.header, asked, c.want)
			}
		}
	}
}

func TestASilentStreamIsKeptAlive(t *testing.T) {
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		yield(chunk("a"), nil)
		time.Sleep(47 * time.Second)
		for range 10 { // no comment while there is something to say
			time.Sleep(9 * time.Second)
			yield(chunk("b"), nil)
		}
	})
	inBubble(t, jsonrpc.NewHandler(a, jsonrpc.WithKeepAlive(10*time.Second)), nil, func(t *testing.T, b *bubble) {
		events, comments := parseEvents(t, text(t, b.post(t, t.Context(), helloStream10)))
		if len(events) != 11 || comments != 5 {
			t.Errorf("%d events and %d comments, want 11 and 5 (after 10, 20, 30, 40 and 50 seconds)", len(events), comments)
		}
	})
}

func TestAStreamMayTakeAsLongAsItWants(t *testing.T) {
	// Also when the server has timeouts that fit other things, and with the
	// comments alone.
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		time.Sleep(6 * time.Hour)
		yield(chunk("at last"), nil)
	})
	timeouts := func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout, s.ReadHeaderTimeout, s.IdleTimeout = 30*time.Second, 30*time.Second, 5*time.Second, time.Minute
	}
	inBubble(t, jsonrpc.NewHandler(a), timeouts, func(t *testing.T, b *bubble) {
		if got := text(t, b.post(t, t.Context(), helloStream10)); !strings.Contains(got, "at last") {
			t.Errorf("got %q", got)
		}
	})
}

func TestACallMayTakeAsLongAsItWants(t *testing.T) {
	a := &agent{send: func(ctx context.Context, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
		select {
		case <-time.After(time.Hour):
			return reply(req), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	timeouts := func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = 30*time.Second, 30*time.Second }
	inBubble(t, jsonrpc.NewHandler(a), timeouts, func(t *testing.T, b *bubble) {
		if got := text(t, b.post(t, t.Context(), hello10)); !strings.Contains(got, "echo: hello") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAStreamLeavesNoDeadlineOnItsConnection(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("POST /", jsonrpc.NewHandler(new(agent), jsonrpc.WithWriteTimeout(time.Second)))
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Minute)
		_, _ = w.Write([]byte("done"))
	})
	inBubble(t, mux, nil, func(t *testing.T, b *bubble) {
		for _, body := range []string{helloStream10, hello10} {
			text(t, b.post(t, t.Context(), body))
			res, err := b.client.Get("http://agent.test/slow")
			if err != nil {
				t.Fatalf("the next request on the connection: %v", err)
			}
			if got := text(t, res); got != "done" {
				t.Errorf("got %q", got)
			}
		}
	})
}

func TestADeadReaderEndsItsOwnStreamOnly(t *testing.T) {
	var ended chan time.Time // of the bubble
	a := streaming(func(ctx context.Context, yield func(a2a.Event, error) bool) {
		for i := range 1000 {
			time.Sleep(time.Millisecond)
			if !yield(chunk(strings.Repeat("x", 1000)+fmt.Sprint(i)), nil) {
				ended <- time.Now() // only the stream that is not read gets here
				return
			}
		}
	})
	inBubble(t, jsonrpc.NewHandler(a, jsonrpc.WithWriteTimeout(5*time.Second)), nil, func(t *testing.T, b *bubble) {
		ended = make(chan time.Time, 1)
		dead := b.post(t, t.Context(), helloStream10) // never read
		start := time.Now()
		events, _ := parseEvents(t, text(t, b.post(t, t.Context(), helloStream10)))
		if took := time.Since(start); len(events) != 1000 || took > 2*time.Second {
			t.Errorf("the other stream: %d events in %v", len(events), took)
		}
		if lived := (<-ended).Sub(start); lived < 4*time.Second || lived > 7*time.Second {
			t.Errorf("the dead reader's stream ended after %v, want about 5 s", lived)
		}
		_ = dead.Body.Close()
	})
}

func TestADeadReaderOfAPlainAnswerIsLetGo(t *testing.T) {
	var released chan time.Time // of the bubble
	big := &agent{send: func(context.Context, *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
		return a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(strings.Repeat("x", 1<<20))), nil
	}}
	h := jsonrpc.NewHandler(big, jsonrpc.WithWriteTimeout(5*time.Second))
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		released <- time.Now()
	})
	inBubble(t, tell, nil, func(t *testing.T, b *bubble) {
		released = make(chan time.Time, 1)
		start := time.Now()
		res := b.post(t, t.Context(), hello10) // its body is never read
		if held := (<-released).Sub(start); held != 5*time.Second {
			t.Errorf("the handler was held for %v", held)
		}
		_ = res.Body.Close()
	})
}

func TestACallerThatLeavesEndsItsStream(t *testing.T) {
	var cause chan error // of the bubble
	n := &numbered{message: func(ctx context.Context, yield func(uint64, a2a.Event) bool) error {
		yield(1, chunk("x"))
		<-ctx.Done()
		cause <- ctx.Err()
		return fmt.Errorf("the reader left: %w", ctx.Err())
	}}
	log := new(recorder)
	inBubble(t, jsonrpc.NewHandler(n, jsonrpc.WithLogger(log.logger())), nil, func(t *testing.T, b *bubble) {
		cause = make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		res := b.post(t, ctx, helloStream10)
		readLines(t, res.Body).until("data: ")
		cancel()
		if err := <-cause; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
		_ = res.Body.Close()
	})
	if strings.Contains(log.String(), "ERROR") {
		t.Errorf("a caller that leaves is no error: %s", log)
	}
}

func TestAnErrorOnAStreamIsItsLastEvent(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(yield func(a2a.Event, error) bool)
		code string
	}{
		{"a sentinel", func(yield func(a2a.Event, error) bool) { yield(nil, a2a.ErrUnsupportedOperation) }, `"code":-32004`},
		{"an internal error", func(yield func(a2a.Event, error) bool) { yield(nil, errors.New("secret")) }, `"code":-32603,"message":"internal error"`},
		{"a panic", func(func(a2a.Event, error) bool) { panic("secret") }, `"code":-32603,"message":"internal error"`},
		{"no event", func(yield func(a2a.Event, error) bool) { yield(nil, nil) }, `"code":-32603,"message":"internal error"`},
		{"a nil status", func(yield func(a2a.Event, error) bool) { yield((*a2a.TaskStatusUpdateEvent)(nil), nil) }, `"code":-32603,"message":"internal error"`},
		{"a nil task", func(yield func(a2a.Event, error) bool) { yield((*a2a.Task)(nil), nil) }, `"code":-32603,"message":"internal error"`},
		{"a nil message", func(yield func(a2a.Event, error) bool) { yield((*a2a.Message)(nil), nil) }, `"code":-32603,"message":"internal error"`},
		{"an event that cannot be encoded", func(yield func(a2a.Event, error) bool) {
			yield(&a2a.Task{ID: "t", Metadata: map[string]any{"x": func() {}}}, nil)
		}, `"code":-32603,"message":"internal error"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, before := range []int{0, 1} {
				for _, body := range []string{helloStream03, helloStream10} {
					log := new(recorder)
					a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
						for range before {
							yield(chunk("before"), nil)
						}
						c.end(yield)
					})
					events := post(t, jsonrpc.NewHandler(a, jsonrpc.WithLogger(log.logger())), body).events(t)
					if len(events) != before+1 {
						t.Fatalf("after %d events: got %+v", before, events)
					}
					last := events[before].data
					if parseResponse(t, last).Error == nil || !strings.Contains(last, c.code) || strings.Contains(last, "secret") {
						t.Errorf("after %d events: got %s", before, last)
					}
					if strings.Contains(c.code, "internal") && !strings.Contains(log.String(), "level=ERROR") {
						t.Errorf("after %d events: nothing in the log: %s", before, log)
					}
				}
			}
		})
	}
}

func TestAStreamWithoutEventsIsAnEmptyStream(t *testing.T) {
	a := streaming(func(context.Context, func(a2a.Event, error) bool) {})
	if events := post(t, jsonrpc.NewHandler(a), helloStream10).events(t); len(events) != 0 {
		t.Errorf("got %+v", events)
	}
}

func TestAnEventIsOneLineOfItsStream(t *testing.T) {
	const nasty = "a\nb\r\nc\rd\u2028e\n\ndata: f\n\n"
	a := streaming(func(_ context.Context, yield func(a2a.Event, error) bool) {
		ev := a2a.NewArtifactUpdateEvent(info, nasty, a2a.NewTextPart(nasty), a2a.NewDataPart(map[string]any{nasty: nasty}))
		ev.Metadata = map[string]any{nasty: nasty}
		yield(ev, nil)
	})
	for _, body := range []string{helloStream03, helloStream10} {
		got := post(t, jsonrpc.NewHandler(a), body).body
		if n := strings.Count(strings.TrimSuffix(got, "\n\n"), "\n"); n != 1 || strings.ContainsAny(got, "\r") {
			t.Errorf("%d line breaks inside the event: %q", n, got)
		}
		parseResponse(t, strings.TrimPrefix(strings.TrimSpace(strings.SplitN(got, "\n", 2)[1]), "data: "))
	}
}
