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

// patience is how long a stream may have nothing to say before its headers are
// sent. Until then an error can still be a plain answer.
const patience = 50 * time.Millisecond

// serveStream answers with server-sent events. Faults in the parameters, and
// errors before the first event, are plain JSON-RPC errors.
func (h *handler) serveStream(ctx context.Context, w *headerGuard, r *http.Request, env envelope, m method) {
	produce, err := m.stream(h.to, env.params, lastEventID(r))
	if err != nil {
		h.answerError(ctx, w, env, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{w: w, rc: http.NewResponseController(w), timeout: h.writeTimeout, stop: cancel}
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keepAlive(ctx, h.keepAlive) })
	defer keeper.Wait()
	defer cancel()

	err = produce(ctx, func(seq uint64, ev a2a.Event) bool {
		value, err := json.Marshal(encodeEvent(ev, m.dialect))
		if err != nil {
			h.logger.ErrorContext(ctx, "a2a: event cannot be encoded", "method", env.method, "error", err)
			s.event(0, env.id, "error", errInternal.json())
			return false
		}
		return s.event(seq, env.id, "result", value)
	})
	if err == nil {
		s.begin()
		return
	}
	f := h.faultOf(ctx, env.method, err)
	switch {
	case f == nil:
	case s.unused():
		h.answerFault(w, env.id, f)
	default:
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
	w       *headerGuard
	rc      *http.ResponseController
	timeout time.Duration
	stop    func()

	mu      sync.Mutex // guards the connection and what follows; a write is bounded by timeout
	buf     []byte
	begun   bool
	dead    bool
	settled bool // the answer is a plain one after all
	written time.Time
}

// unused reports whether nothing was sent, and keeps it so.
func (s *stream) unused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = !s.begun
	return s.settled
}

// begin sends the headers, if they are not sent yet.
func (s *stream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun && !s.settled {
		s.open()
		s.send(nil)
	}
}

// open sets the headers. s.mu is held.
func (s *stream) open() {
	s.begun = true
	head := s.w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-cache")
	head.Set("X-Accel-Buffering", "no") // proxies of the nginx family
	s.w.WriteHeader(http.StatusOK)
}

// event sends one event and reports whether the stream is still alive. A seq of
// 0 sends no id.
func (s *stream) event(seq uint64, id json.RawMessage, key string, value []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return false
	}
	if !s.begun {
		s.open()
	}
	b := s.buf[:0]
	if seq > 0 {
		b = append(b, "id: "...)
		b = strconv.AppendUint(b, seq, 10)
		b = append(b, '\n')
	}
	b = append(b, "data: "...)
	b = appendResponse(b, id, key, value) // JSON has no line breaks
	b = append(b, "\n\n"...)
	s.buf = b
	return s.send(b)
}

// send writes and flushes within the deadline. s.mu is held.
func (s *stream) send(b []byte) bool {
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

// keepAlive sends the headers soon and a comment whenever the stream has been
// silent for every, until ctx ends.
func (s *stream) keepAlive(ctx context.Context, every time.Duration) {
	timer := time.NewTimer(min(patience, every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.begin()
		s.mu.Lock()
		silent := time.Since(s.written)
		if silent >= every && s.begun && !s.dead {
			s.send([]byte(": keep-alive\n\n"))
			silent = 0
		}
		s.mu.Unlock()
		timer.Reset(every - silent)
	}
}
