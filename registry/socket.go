package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// readSocket makes one WebSocket connection and hands on what comes until it
// ends.
func (c *Client) readSocket(ctx context.Context, k call, yield func(Event) bool) error {
	conn, err := c.dialSocket(ctx, k)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var life liveness
	pinging := make(chan struct{})
	go func() { defer close(pinging); pingUntilDead(ctx, conn, &life, cancel) }()
	defer func() {
		cancel(nil)
		_ = conn.CloseNow()
		<-pinging
	}()

	e := Event{Type: EventConnected, WorkspaceID: c.workspace, Time: time.Now()}
	for {
		life.busy.Store(true) // what is not read is no sign of death
		more := yield(e)
		life.busy.Store(false)
		if !more {
			return nil
		}
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return callError(k, causeOf(ctx, fmt.Errorf("read the stream: %w", err)))
		}
		life.read.Add(1)
		if kind != websocket.MessageText {
			return fmt.Errorf("registry: %s: %w: an event is not text", k.op, ErrUnexpectedAnswer)
		}
		if e, err = readSocketEvent(data); err != nil {
			return fmt.Errorf("registry: %s: %w: %w", k.op, ErrUnexpectedAnswer, err)
		}
	}
}

// dialSocket upgrades a connection. Never without X-Workspace-ID: the platform
// would show everything of everybody, to anybody.
func (c *Client) dialSocket(ctx context.Context, k call) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("%w for %v", errSilent, c.timeout))
	defer cancel() // it bounds the handshake only
	h := &http.Request{Header: http.Header{}}
	c.headers(h, k, nil)
	h.Header.Del("Accept")
	conn, resp, err := websocket.Dial(ctx, c.base.String()+k.path, &websocket.DialOptions{
		HTTPClient: c.open, HTTPHeader: h.Header, CompressionMode: websocket.CompressionDisabled,
	})
	switch {
	case err == nil:
		conn.SetReadLimit(maxEvent)
		return conn, nil
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, streamAnswer(k, resp)
	}
	return nil, callError(k, causeOf(ctx, err))
}

// liveness is what the pinging knows of the reading.
type liveness struct {
	busy atomic.Bool  // the consumer works, nobody reads
	read atomic.Int64 // events so far
}

// pingUntilDead pings every 30 s and ends the connection when there is no sign
// of life from the other side. The platform never pings by itself.
func pingUntilDead(ctx context.Context, conn *websocket.Conn, life *liveness, end context.CancelCauseFunc) {
	for sleep(ctx, pingEvery) == nil {
		if life.busy.Load() {
			continue
		}
		before := life.read.Load()
		patience, cancel := context.WithTimeout(ctx, pingPatience)
		err := conn.Ping(patience)
		cancel()
		if err != nil && ctx.Err() == nil && !life.busy.Load() && life.read.Load() == before {
			end(fmt.Errorf("%w: a ping had no answer within %v", errSilent, pingPatience))
			return
		}
	}
}

func readSocketEvent(data []byte) (Event, error) {
	var wire struct {
		Event       string          `json:"event"`
		WorkspaceID string          `json:"workspace_id"`
		Timestamp   time.Time       `json:"timestamp"`
		Payload     json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Event{}, fmt.Errorf("an event is not the JSON it should be: %w", err)
	}
	if wire.Event == "" {
		return Event{}, errors.New("an event has no name")
	}
	return Event{Type: wire.Event, WorkspaceID: wire.WorkspaceID, Time: wire.Timestamp, Payload: wire.Payload}, nil
}
