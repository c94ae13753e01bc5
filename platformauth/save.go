package platformauth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Save makes token the token: it trims it, refuses what cannot be one
// ([ErrInvalidToken], [ErrNoToken] when empty), and writes the file so that a
// crash leaves either the old content or the new: a temporary file in the same
// directory, fsync, rename, fsync of the directory. The file ends with mode
// 0600 whatever it had before, and a file that belongs to somebody else is
// replaced, never written into. When the disk holds the token already, only
// the mode is mended.
//
// A symbolic link at the path is replaced by a file: what it points to belongs
// to whoever made the link.
//
// If the file cannot be written, the token is used all the same, from memory,
// and the error wraps [ErrNotPersisted]: the platform shows a token once, so
// dropping it would lock the workspace out. Call Save again later. Until then
// a refresh that finds the disk unchanged keeps the token in memory; anything
// else on the disk is newer and wins.
func (s *Store) Save(token string) error {
	t, err := parse(token)
	if err != nil {
		return fmt.Errorf("save workspace token: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	disk, readErr := readToken(s.path)
	known := readErr == nil || errors.Is(readErr, ErrNoToken)
	var writeErr error
	if disk == t && known && regular(s.path) {
		_ = os.Chmod(s.path, 0o600) // best effort: a file of somebody else's is at least the right one
	} else {
		writeErr = writeFile(s.path, []byte(t))
	}
	switch {
	case writeErr == nil:
		s.unsaved = nil
	case s.unsaved == nil:
		s.unsaved = &unsaved{disk: disk}
	}
	s.lastRead = time.Time{} // the next refresh reads
	if old := s.current.Load(); old == nil || old.token != t {
		s.set(t, true)
	}
	if writeErr != nil {
		return fmt.Errorf("%w: %w", ErrNotPersisted, writeErr)
	}
	return nil
}

// Persisted reports whether the token is where the next process will find it:
// false from a [Store.Save] that could not write until one that could, or
// until a newer token appears on disk.
func (s *Store) Persisted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsaved == nil
}

func regular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// writeFile replaces the file at path by one with this content and mode 0600.
func writeFile(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// CreateTemp makes the file with mode 0600 and a name nobody guesses.
	f, err := os.CreateTemp(dir, ".auth_token-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Systems that cannot sync a directory say so
// with an error that means just that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
