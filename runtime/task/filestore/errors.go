package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// What is wrong with a file, wrapped in the errors of this package. Errors of
// the operating system are wrapped as they are: fs.ErrPermission, syscall.ENOSPC.
var (
	// ErrLocked says that somebody else has the file open, another process or
	// another store of this one.
	ErrLocked = errors.New("filestore: the file is in use")

	// ErrCorrupt says that the file is damaged, or is no store at all. What
	// was read before the damage was found is right.
	ErrCorrupt = errors.New("filestore: the file is damaged")

	// ErrFormat says that the file is whole, but was written by a newer version
	// of this package or by another program. It is left as it is.
	ErrFormat = errors.New("filestore: the file has another format")
)

// ErrClosed is wrapped by what a store returns after its Close.
var ErrClosed = fmt.Errorf("filestore: %w", fs.ErrClosed)

// corrupt makes an error that wraps [ErrCorrupt].
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// quote makes a key fit for an error message: shortened, and without a byte
// that a terminal or a log would take for something else.
func quote(key []byte) string {
	const most = 64
	if len(key) > most {
		return fmt.Sprintf("%q... (%d bytes)", key[:most], len(key))
	}
	return fmt.Sprintf("%q", key)
}

// explain adds to an error of the operating system what it means for a store.
func explain(path string, err error) error {
	err = restore(err)
	switch {
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("filestore: %s may not grow any more: %w", path, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("filestore: the disk of %s is full: %w", path, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("filestore: %s is on a file system that is read-only: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("filestore: no permission for %s: %w", path, err)
	default:
		return fmt.Errorf("filestore: %s: %w", path, err)
	}
}

// restored is an error whose cause was only in its text.
type restored struct {
	error
	cause syscall.Errno
}

func (r restored) Unwrap() []error { return []error{r.error, r.cause} }

// restore gives an error its cause back: where bolt makes its file larger, it
// keeps only the text.
func restore(err error) error {
	var cause syscall.Errno
	if errors.As(err, &cause) {
		return err
	}
	for _, cause := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EIO, syscall.EROFS, syscall.EPERM, syscall.EACCES,
	} {
		if strings.HasSuffix(err.Error(), ": "+cause.Error()) {
			return restored{err, cause}
		}
	}
	return err
}
