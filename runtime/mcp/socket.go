package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// socketFile is where the workspace's process is found by ADAPTER mcp, below the
// configuration directory. Its directory is what keeps others out: not every
// system heeds the mode of a socket.
const socketFile = ".runtime/mcp/socket"

// listenSocket opens the socket of a workspace for its own user only. One that
// a process has left behind which was killed is replaced.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil {
		return nil, err
	}
	if conn, err := dialSocket(ctx, path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("mcp: another process serves %s: stop it, or give each workspace its own configuration directory", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "unix", path)
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, "unix", path)
}

// nobodyListens reports that no workspace can be behind a socket that could not
// be dialed: it is not there, its process was killed, or its path is too long
// for one (EINVAL), so that the workspace could not open it either.
func nobodyListens(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EINVAL)
}

// serveSocket speaks with everybody who connects until ctx ends.
func (s *Server) serveSocket(ctx context.Context, l net.Listener) {
	var clients sync.WaitGroup
	defer clients.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("MCP clients of this machine cannot connect any more", "error", err)
			}
			return
		}
		clients.Go(func() {
			if err := s.Serve(ctx, conn, conn); err != nil {
				s.log.Debug("an MCP connection has ended", "error", err)
			}
		})
	}
}

// relay hands a conversation over to the workspace's process until one side
// ends it, or ctx ends.
func relay(ctx context.Context, conn net.Conn, in io.ReadCloser, out io.Writer) error {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	// Nobody waits for this goroutine: closing standard input does not wake its
	// reader when that is a pipe, and the client may keep it open for as long as
	// we live. The process ends right after.
	go func() {
		_, _ = io.Copy(conn, in)
		// The client has said all it wants; answers may still be on their way.
		if c, ok := conn.(*net.UnixConn); ok {
			_ = c.CloseWrite()
		}
	}()
	_, err := io.Copy(out, conn) // all of the workspace's answers are written when it returns
	_ = conn.Close()
	_ = in.Close()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
