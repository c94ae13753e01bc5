package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task/pgstore"
)

// trouble is what happens to one message to the server.
type trouble int

const (
	loseAnswer  trouble = iota // it arrives, and the connection breaks before the answer
	loseRequest                // the connection breaks before it arrives
	hold                       // the connection breaks, and the message arrives when it is released
	stall                      // nothing comes back any more
)

// wire is the network between a Store and its server. Trouble comes to messages
// that have a mark in them.
type wire struct {
	mu    sync.Mutex
	mark  []byte
	plan  []trouble
	held  []func()
	conns []net.Conn // of held messages
}

var errBroken = errors.New("the wire is broken")

// openOn opens a store whose connections are on a wire.
func openOn(tb testing.TB, w *wire, dsn, workspace string, opts ...pgstore.Option) *pgstore.Store {
	tb.Helper()
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wireConn{Conn: conn, w: w}, nil
	}
	c.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := pgstore.OpenPool(context.Background(), pool, workspace, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		w.release()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
		pool.Close()
		for _, conn := range w.conns {
			conn.Close()
		}
	})
	return s
}

// expect sets what happens to the next messages with a mark.
func (w *wire) expect(mark string, plan ...trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mark, w.plan = []byte(mark), plan
}

// release lets the messages arrive that were held.
func (w *wire) release() {
	w.mu.Lock()
	held := w.held
	w.held = nil
	w.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// left is how many troubles have not come yet.
func (w *wire) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.plan)
}

func (w *wire) next(message []byte) (trouble, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.plan) == 0 || !bytes.Contains(message, w.mark) {
		return 0, false
	}
	t := w.plan[0]
	w.plan = w.plan[1:]
	return t, true
}

type wireConn struct {
	net.Conn
	w      *wire
	mu     sync.Mutex
	met    *trouble
	broken bool
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken {
		return len(b), nil // the good-bye of the client
	}
	t, ok := c.w.next(b)
	if !ok {
		return c.Conn.Write(b)
	}
	c.mu.Lock()
	c.met = &t
	c.broken = t == loseRequest || t == hold
	c.mu.Unlock()
	switch t {
	case loseRequest:
		return len(b), nil
	case hold:
		message := bytes.Clone(b)
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		c.w.held = append(c.w.held, func() { deliver(c.Conn, message) })
		c.w.conns = append(c.w.conns, c.Conn)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// deliver sends a message and waits until the server has dealt with it.
func deliver(conn net.Conn, message []byte) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(message); err != nil {
		return
	}
	awaitReady(conn)
}

// awaitReady reads messages up to ReadyForQuery.
func awaitReady(conn net.Conn) {
	buf := make([]byte, 0, 4096)
	for chunk := make([]byte, 4096); ; {
		n, err := conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		// 'Z', a length of 5, and the status of the transaction.
		if err != nil || len(buf) >= 6 && bytes.Equal(buf[len(buf)-6:len(buf)-1], []byte{'Z', 0, 0, 0, 5}) {
			return
		}
	}
}

func (c *wireConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	met, broken := c.met, c.broken
	c.mu.Unlock()
	if met == nil {
		return c.Conn.Read(b)
	}
	if broken {
		return 0, errBroken
	}
	if *met == loseAnswer {
		awaitReady(c.Conn)
		return 0, errBroken
	}
	// stall: until the deadline that its caller has set.
	for {
		if _, err := c.Conn.Read(b); err != nil {
			return 0, err
		}
	}
}

// Close leaves a held message its connection.
func (c *wireConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.met != nil && *c.met == hold {
		return nil
	}
	return c.Conn.Close()
}
