package registrytest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// connBuffer is how much one end of a connection in memory may write ahead of
// the other, like a socket's buffers. Without any (as in net.Pipe) a server
// that answers before the request is read would wait for ever.
const connBuffer = 64 << 10

// newConnPair makes the two ends of a connection in memory.
func newConnPair(clientAddr, serverAddr net.Addr) (client, server *memoryConn) {
	up, down := newStream(), newStream()
	client = &memoryConn{in: down, out: up, local: clientAddr, remote: serverAddr}
	server = &memoryConn{in: up, out: down, local: serverAddr, remote: clientAddr}
	return client, server
}

// memoryConn is one end.
type memoryConn struct {
	in, out       *stream
	local, remote net.Addr
	readBy        deadline
	writeBy       deadline
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p, &c.readBy) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p, &c.writeBy) }

// Close ends both directions: the other end reads what was written and then
// EOF, and its writes fail.
func (c *memoryConn) Close() error {
	c.out.end(io.EOF, io.ErrClosedPipe)
	c.in.end(net.ErrClosed, syscall.EPIPE)
	return nil
}

// SetLinger with 0 makes what follows a reset, as on a TCP connection.
func (c *memoryConn) SetLinger(int) error {
	c.out.reset()
	c.in.reset()
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr  { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.readBy.set(t)
	c.writeBy.set(t)
	return nil
}
func (c *memoryConn) SetReadDeadline(t time.Time) error  { c.readBy.set(t); return nil }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { c.writeBy.set(t); return nil }

// stream is one direction.
type stream struct {
	mu       sync.Mutex
	buf      []byte
	readErr  error         // what reads give once buf is empty
	writeErr error         // what writes give
	changed  chan struct{} // closed and replaced at every change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) end(readErr, writeErr error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr == nil || readErr == net.ErrClosed {
		s.readErr = readErr
	}
	if s.writeErr == nil {
		s.writeErr = writeErr
	}
	s.touch()
}

func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf, s.readErr, s.writeErr = nil, syscall.ECONNRESET, syscall.ECONNRESET
	s.touch()
}

func (s *stream) read(p []byte, by *deadline) (int, error) {
	for {
		expired := by.channel()
		s.mu.Lock()
		if isClosed(expired) {
			s.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		if len(s.buf) > 0 && s.readErr != net.ErrClosed {
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			s.touch()
			s.mu.Unlock()
			return n, nil
		}
		if s.readErr != nil || len(p) == 0 {
			err := s.readErr
			s.mu.Unlock()
			return 0, err
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-expired:
		}
	}
}

func (s *stream) write(p []byte, by *deadline) (int, error) {
	written := 0
	for {
		expired := by.channel()
		s.mu.Lock()
		if s.writeErr != nil {
			err := s.writeErr
			s.mu.Unlock()
			return written, err
		}
		if isClosed(expired) {
			s.mu.Unlock()
			return written, os.ErrDeadlineExceeded
		}
		if room := connBuffer - len(s.buf); room > 0 {
			n := min(room, len(p))
			s.buf = append(s.buf, p[:n]...)
			p, written = p[n:], written+n
			s.touch()
		}
		changed := s.changed
		s.mu.Unlock()
		if len(p) == 0 {
			return written, nil
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

// deadline is a moment that can be moved while others wait for it.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{} // closed when the moment has come
}

func (d *deadline) channel() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expired == nil {
		d.expired = make(chan struct{})
	}
	return d.expired
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		d.timer = nil // it has fired or is about to: it closes its own channel
		d.expired = nil
	}
	if d.expired == nil || isClosed(d.expired) {
		d.expired = make(chan struct{})
	}
	d.timer = nil
	if t.IsZero() {
		return
	}
	expired := d.expired
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(expired) })
	} else {
		close(expired)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
