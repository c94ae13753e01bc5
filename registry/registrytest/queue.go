package registrytest

import "net/http"

// queued is a message that could not be delivered. It is delivered again, with
// the same ids, at a later heartbeat.
type queued struct {
	id        string
	messageID string
	call      []byte
	attempts  int
	state     string // queued, dispatched, completed, failed
}

const (
	queueAttempts = 5
	queuedText    = "workspace agent busy — request queued, will dispatch when capacity available"
	busyText      = "workspace agent busy — retry after a short backoff"
)

// busy answers for an agent that was reached and did not answer: the platform
// keeps the message and says so, unless the agent keeps a queue of its own.
func (p *Platform) busy(x *exchange, w *row, call []byte, messageID string) {
	p.mu.Lock()
	if w.capabilities["session"] {
		p.mu.Unlock()
		x.w.Header().Set("Retry-After", "30")
		x.json(http.StatusServiceUnavailable, map[string]any{"error": busyText, "busy": true, "retry_after": 30, "native_session": true})
		return
	}
	item := w.enqueue(call, messageID)
	depth := 0
	for _, q := range w.queue {
		if q.state == "queued" {
			depth++
		}
	}
	p.touch()
	p.mu.Unlock()
	x.w.Header().Set("Content-Type", "application/json")
	x.json(http.StatusAccepted, map[string]any{"queued": true, "queue_id": item.id, "queue_depth": depth, "message": queuedText})
}

// enqueue keeps one live item per message id. p.mu is held.
func (w *row) enqueue(call []byte, messageID string) *queued {
	for _, q := range w.queue {
		if messageID != "" && q.messageID == messageID && (q.state == "queued" || q.state == "dispatched") {
			return q
		}
	}
	q := &queued{id: newUUID(), messageID: messageID, call: call, state: "queued"}
	w.queue = append(w.queue, q)
	return q
}

// drainOne starts the delivery of the oldest waiting message; one per
// heartbeat. p.mu is held.
func (p *Platform) drainOne(w *row) {
	if w.url == "" || p.closed {
		return
	}
	for _, q := range w.queue {
		if q.state != "queued" {
			continue
		}
		q.state = "dispatched"
		q.attempts++
		p.work.Go(func() { p.redeliver(w, q) })
		return
	}
}

func (p *Platform) redeliver(w *row, q *queued) {
	out := p.deliver(p.life, w, q.call)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case out.busy && q.messageID != "":
		q.state = "completed" // it collides with itself in the queue, and is lost
	case out.busy, out.status >= 300:
		q.state = "queued"
		if q.attempts >= queueAttempts {
			q.state = "failed"
		}
	default:
		q.state = "completed"
	}
	p.touch()
}
