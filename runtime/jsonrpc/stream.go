package jsonrpc

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

type (
	yieldFunc  = func(seq uint64, ev a2a.Event) bool
	streamFunc = func(ctx context.Context, yield yieldFunc) error
)

// number gives the events of a handler that does not number them itself the
// numbers of this stream.
func number(events iter.Seq2[a2a.Event, error], yield yieldFunc) error {
	var seq uint64
	for ev, err := range events {
		if err != nil {
			return err
		}
		if seq++; !yield(seq, ev) {
			return nil
		}
	}
	return nil
}

// serveStream answers with server-sent events. A fault in the parameters is a
// plain JSON-RPC error; then the headers are sent, and an error is an event. It
// has to be: the Go clients of both versions find no event in a plain answer,
// and end without an error.
func (h *handler) serveStream(ctx context.Context, w http.ResponseWriter, r *http.Request, env envelope, m method) {
	produce, err := m.stream(h.to, env.params, lastEventID(r))
	if err != nil {
		h.answerError(ctx, w, env, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{w: w, rc: http.NewResponseController(w), timeout: h.writeTimeout, stop: cancel, turn: make(chan struct{}, 1)}
	defer s.close()
	s.open()
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keepAlive(ctx, h.keepAlive) })
	defer keeper.Wait()
	defer cancel()

	var unwritable error
	err = h.guard(ctx, env.method, func() error {
		return produce(ctx, func(seq uint64, ev a2a.Event) bool {
			var value []byte
			if value, unwritable = encode(encodeEvent(ev, m.dialect)); unwritable != nil {
				return false
			}
			return s.event(seq, env.id, "result", value)
		})
	})
	if unwritable != nil {
		err = unwritable
	}
	if err != nil {
		f := h.faultOf(ctx, env, err)
		noteFault(ctx, f)
		s.event(0, env.id, "error", f.json())
	}
}

// lastEventID is the sequence of the last event a returning caller has seen,
// 0 when it has seen none or says something else.
func lastEventID(r *http.Request) uint64 {
	seq, err := strconv.ParseUint(strings.TrimSpace(r.Header.Get("Last-Event-ID")), 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// stream is one response of server-sent events. Every write has a deadline of
// its own; the first that misses it ends the stream.
type stream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	stop    func() // ends the context of the producer and of keepAlive

	// turn is held by who writes, the producer or keepAlive, and guards what
	// follows. It is no mutex because it is held while a slow reader reads, for
	// as long as timeout.
	turn    chan struct{}
	buf     []byte
	dead    bool
	written time.Time
}

// open sends the headers.
func (s *stream) open() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	head := s.w.Header()
	head.Set("Content-Type", eventStream)
	head.Set("Cache-Control", "no-cache")
	head.Set("X-Accel-Buffering", "no") // proxies of the nginx family
	s.w.WriteHeader(http.StatusOK)
	s.send(nil)
}

// close leaves the connection to whoever uses it next, without the deadline of
// the last write.
func (s *stream) close() {
	if !s.dead {
		_ = s.rc.SetWriteDeadline(time.Time{})
	}
}

// event sends one event and reports whether the stream is still alive. A seq of
// 0 sends no id.
func (s *stream) event(seq uint64, id json.RawMessage, key string, value []byte) bool {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.buf = appendEvent(s.buf[:0], seq, id, key, value)
	return s.send(s.buf)
}

// send writes and flushes within the deadline. The turn is held.
func (s *stream) send(b []byte) bool {
	if s.dead {
		return false
	}
	s.written = time.Now()
	_ = s.rc.SetWriteDeadline(s.written.Add(s.timeout)) // not every ResponseWriter has one
	_, err := s.w.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	if err != nil {
		s.dead = true
		s.stop()
	}
	return err == nil
}

// keepAlive sends a comment whenever the stream has been silent for every,
// until ctx ends.
func (s *stream) keepAlive(ctx context.Context, every time.Duration) {
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case s.turn <- struct{}{}:
		}
		silent := time.Since(s.written)
		if silent >= every {
			s.send([]byte(": keep-alive\n\n"))
			silent = 0
		}
		<-s.turn
		timer.Reset(every - silent)
	}
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// appendEvent writes one event. JSON has no line breaks, so it is one line.
func appendEvent(b []byte, seq uint64, id json.RawMessage, key string, value []byte) []byte {
	if seq > 0 {
		b = append(b, "id: "...)
		b = strconv.AppendUint(b, seq, 10)
		b = append(b, '\n')
	}
	b = append(b, "data: "...)
	b = appendResponse(b, id, key, value)
	return append(b, "\n\n"...)
}

// wantsEventsOnly reports whether a caller accepts nothing but a stream of
// events, as the Go clients of both versions do when they ask for one. To them
// a plain answer looks like a stream without events, so that an error in it
// would be lost.
func wantsEventsOnly(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, eventStream) && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/*")
}
