package registrytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// How many events wait for a listener that does not keep up; more are dropped
// without a word.
const (
	streamBuffer = 64
	socketBuffer = 256
)

// event is something that happened to a workspace.
type event struct {
	name, workspace string
	at              time.Time
	payload         json.RawMessage
}

// listener is one who follows events.
type listener struct {
	id   string // of the workspace that listens; "" is the canvas, which hears all
	only bool   // nothing but its own
	ch   chan event
	cut  chan struct{} // closed by CutStreams
}

// emit tells whoever listens what has happened to w, and the proxy that it
// lives. p.mu is held.
func (w *row) emit(name string, payload map[string]any) {
	w.event()
	if len(w.p.ears) == 0 {
		return
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		raw = []byte("{}")
	}
	e := event{name: name, workspace: w.id, at: time.Now(), payload: raw}
	for l := range w.p.ears {
		if l.only && l.id != w.id {
			continue
		}
		if from := w.p.rows[strings.ToLower(l.id)]; !l.only && l.id != "" && (from == nil || !w.p.kin(from, w)) {
			continue
		}
		select {
		case l.ch <- e:
		default:
		}
	}
}

// Emit sends an event of the workspace to whoever follows it, as the platform
// does when something happens that the double does not do by itself.
func (w *Workspace) Emit(name string, payload map[string]any) {
	w.change(func(r *row) { r.emit(name, payload) })
}

// Listeners is how many event streams the workspace has open, of either kind.
func (w *Workspace) Listeners() int {
	return look(w, func(r *row) int {
		n := 0
		for l := range r.p.ears {
			if strings.ToLower(l.id) == r.id {
				n++
			}
		}
		return n
	})
}

// CutStreams breaks every event stream, as a proxy or a restart of the platform
// does: without a word.
func (p *Platform) CutStreams() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.ears {
		close(l.cut)
		delete(p.ears, l)
	}
	p.touch()
}

func (p *Platform) listen(id string, only bool, buffer int) *listener {
	l := &listener{id: id, only: only, ch: make(chan event, buffer), cut: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ears[l] = struct{}{}
	p.touch()
	return l
}

func (p *Platform) unlisten(l *listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ears, l)
	p.touch()
}

// next waits for the next event, and lets happen what only time brings.
func (p *Platform) next(l *listener, gone <-chan struct{}) (event, bool) {
	for {
		p.mu.Lock()
		due := p.nextDue()
		p.mu.Unlock()
		e, ok, again := p.nextBefore(due, l, gone)
		if !again {
			return e, ok
		}
	}
}

func (p *Platform) nextBefore(due time.Time, l *listener, gone <-chan struct{}) (e event, ok, again bool) {
	var elapsed <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case e = <-l.ch:
		return e, true, false
	case <-elapsed:
		return e, false, true
	case <-l.cut:
	case <-gone:
	case <-p.life.Done():
	}
	return e, false, false
}

// streamEvents serves GET /workspaces/{id}/events/stream. It is authorised once
// and outlives the token.
func (p *Platform) streamEvents(x *exchange, id string) {
	if !p.mayCall(x, id) {
		return
	}
	if p.Workspace(id) == nil {
		x.fail(http.StatusNotFound, "workspace not found")
		return
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("Connection", "keep-alive")
	h.Set("X-Accel-Buffering", "no")
	l := p.listen(strings.ToLower(id), true, streamBuffer)
	defer p.unlisten(l)
	flush := http.NewResponseController(x.w).Flush
	_, err := io.WriteString(x.w, ": ping\n\n")
	for err == nil {
		if err = flush(); err != nil {
			return
		}
		e, ok := p.next(l, x.r.Context().Done())
		if !ok {
			panic(http.ErrAbortHandler) // no end mark
		}
		var data []byte
		data, err = json.Marshal(struct {
			Type      string          `json:"type"`
			Timestamp int64           `json:"timestamp"`
			Data      json.RawMessage `json:"data"`
		}{e.name, e.at.UnixMilli(), e.payload})
		if err == nil {
			_, err = fmt.Fprintf(x.w, "data: %s\n\n", data)
		}
	}
}

// socket serves GET /ws: events of everybody the workspace may talk to, or of
// all workspaces for one who does not say who it is. It never pings.
func (p *Platform) socket(x *exchange) {
	id := x.r.Header.Get("X-Workspace-Id")
	if id != "" {
		if p.databaseIsDown() {
			x.fail(http.StatusInternalServerError, "auth check failed")
			return
		}
		if !p.mayRegister(x, id) {
			return
		}
	}
	if !strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket") {
		x.w.Header().Set("Sec-Websocket-Version", "13")
		http.Error(x.w, "Bad Request", http.StatusBadRequest)
		return
	}
	clear(x.w.Header()) // an upgrade carries no other
	conn, err := websocket.Accept(x.w, x.r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // it has answered
	}
	l := p.listen(id, false, socketBuffer)
	defer p.unlisten(l)
	ctx := x.r.Context()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			_, r, err := conn.Reader(ctx) // what clients say is read and dropped; pings are answered
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() { _ = conn.CloseNow(); <-gone }()
	for {
		e, ok := p.next(l, gone)
		if !ok {
			return
		}
		data, err := json.Marshal(struct {
			Event       string          `json:"event"`
			WorkspaceID string          `json:"workspace_id"`
			Timestamp   string          `json:"timestamp"`
			Payload     json.RawMessage `json:"payload"`
		}{e.name, e.workspace, e.at.UTC().Format(time.RFC3339Nano), e.payload})
		if err != nil || conn.Write(ctx, websocket.MessageText, data) != nil {
			return
		}
	}
}
