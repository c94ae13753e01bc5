package platformauth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// readToken reads the token in the file at path. The error is [ErrNoToken]
// when there is certainly none, [ErrInvalidToken] when there is something else
// at path, and that of the system when it cannot be told.
func readToken(path string) (Token, error) {
	// Without O_NONBLOCK, opening a named pipe waits for somebody to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %w", ErrNoToken, err)
	}
	if err != nil {
		return "", fmt.Errorf("read workspace token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read workspace token: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s is not a regular file but %v; remove it, and the platform or the next registration writes the token", ErrInvalidToken, path, info.Mode().Type())
	}
	raw, err := io.ReadAll(io.LimitReader(f, MaxTokenSize+1))
	if err != nil {
		return "", fmt.Errorf("read workspace token: %w", err)
	}
	if len(raw) > MaxTokenSize {
		return "", fmt.Errorf("%w: %s has more than %d bytes; it should hold the bare token", ErrInvalidToken, path, MaxTokenSize)
	}
	token, err := parse(string(raw))
	if err != nil {
		return "", fmt.Errorf("%w in %s", err, path)
	}
	return token, nil
}

// stamp tells, without reading it, whether a file is still the one that was
// read. The zero stamp is like no other.
type stamp struct {
	missing bool
	info    fs.FileInfo // nil when missing or unknown
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{missing: errors.Is(err, fs.ErrNotExist)}
	}
	return stamp{info: info}
}

func (a stamp) same(b stamp) bool {
	if a.info == nil || b.info == nil {
		return a.missing && b.missing
	}
	return a.info.Size() == b.info.Size() && a.info.ModTime().Equal(b.info.ModTime()) && os.SameFile(a.info, b.info)
}

// proves reports whether a file that still has this stamp is what was read at
// the given time. One that had been modified within margin before it was read
// may have been modified again without a trace, since file systems count time
// in ticks: 1 to 10 ms on Linux before 6.13, up to 2 s elsewhere.
func (a stamp) proves(read time.Time, margin time.Duration) bool {
	return a.info == nil || read.Sub(a.info.ModTime()) >= margin
}

// How far back a modification must lie to be told from the next one.
const (
	tickMargin = 20 * time.Millisecond // where a wrong guess lasts no longer than the floor
	slowMargin = 3 * time.Second       // where nothing else would ever correct it
)
