package registrytest

import (
	"net/http"
	"time"
)

// queued is a message that could not be delivered. It is delivered again, with
// the same ids, at a later heartbeat.
type queued struct {
	id        string
	messageID string
	message   []byte
	attempts  int
	state     string      // queued, dispatched, completed, failed
	result    *Delegation // the row that gets the answer, if there is one
}

const (
	queueAttempts = 5
	queuedText    = "workspace agent busy — request queued, will dispatch when capacity available"
	sessionText   = "workspace agent busy — adapter handles retry (native_session)"
	busyText      = "workspace agent busy — retry after a short backoff"
	busyRetry     = 30 // seconds
)

// busy answers for an agent that was reached and did not answer: the platform
// keeps the message and says so, unless the agent keeps a queue of its own or
// the message cannot be kept any more.
func (p *Platform) busy(c call, w *row, message []byte, messageID string) outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.touch()
	refused := map[string]any{"error": busyText, "busy": true, "retry_after": busyRetry}
	if w.capabilities["session"] {
		refused["error"], refused["native_session"] = sessionText, true
		return outcome{status: http.StatusServiceUnavailable, body: refused, retryAfter: busyRetry}
	}
	tooLate := isClosed(c.gone) || c.patience > 0 && time.Since(c.began) > c.patience
	if tooLate || spellsNUL(message) || p.dbDown || p.closed {
		return outcome{status: http.StatusServiceUnavailable, body: refused, retryAfter: busyRetry}
	}
	item := w.enqueue(message, messageID)
	if c.onQueued != nil {
		c.onQueued(item)
	}
	return outcome{status: http.StatusAccepted, queued: true, body: map[string]any{
		"queued": true, "queue_id": item.id, "queue_depth": w.queueDepth(), "message": queuedText,
	}}
}

// enqueue keeps one live item per message id. p.mu is held.
func (w *row) enqueue(message []byte, messageID string) *queued {
	for _, q := range w.queue {
		if messageID != "" && q.messageID == messageID && (q.state == "queued" || q.state == "dispatched") {
			return q
		}
	}
	q := &queued{id: newUUID(), messageID: messageID, message: message, state: "queued"}
	w.queue = append(w.queue, q)
	return q
}

func (w *row) queueDepth() int {
	n := 0
	for _, q := range w.queue {
		if q.state == "queued" {
			n++
		}
	}
	return n
}

// drainOne starts the delivery of the oldest waiting message; one per
// heartbeat. p.mu is held.
func (p *Platform) drainOne(w *row) {
	if p.closed {
		return
	}
	for _, q := range w.queue {
		if q.state != "queued" {
			continue
		}
		q.state = "dispatched"
		q.attempts++
		p.work.Go(func() { p.redeliver(w, q) }) // like begin, under the same lock
		return
	}
}

func (p *Platform) redeliver(w *row, q *queued) {
	p.mu.Lock()
	url, refused := p.address(w.id, w)
	p.mu.Unlock()
	var out outcome
	if refused != nil {
		out = *refused
	} else {
		out = p.deliver(p.life, w, url, q.message, 0)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.touch()
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
		if q.result != nil { // the only trace that the answer leaves
			q.result.complete(out.raw)
			if from := p.rows[q.result.SourceID]; from != nil {
				from.emit("DELEGATION_COMPLETE", map[string]any{
					"delegation_id": q.result.DelegationID, "target_id": q.result.TargetID,
					"response_preview": preview(answerText(out.raw), eventBytes), "via": "queue_drain",
				})
			}
		}
	}
}
