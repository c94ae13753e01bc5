package platformauth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Save makes token the token: it trims it, refuses what cannot be one
// ([ErrInvalidToken], [ErrNoToken] when empty), and writes the file so that a
// crash leaves either the old content or the new: a temporary file in the same
// directory, fsync, rename, fsync of the directory. The file ends with mode
// 0600 whatever it had before, and a file that belongs to somebody else is
// replaced, never written into. When the disk holds the token already, only
// the mode is mended. A missing directory is made, with mode 0700.
//
// A symbolic link at the path is replaced by a file, unless the token is behind
// it already: what a link points to belongs to whoever made the link, and may
// be where this process should not write.
//
// If the file cannot be written, the token is used all the same, from memory,
// and the error wraps [ErrNotPersisted]: the platform shows a token once, so
// dropping it would lock the workspace out. Call Save again later. Until then
// a refresh that finds the disk unchanged keeps the token in memory; anything
// else on the disk is newer and wins, also over a Save that is repeated: that
// one takes the newer token and returns nil.
func (s *Store) Save(token string) error {
	t, err := parse(token)
	if err != nil {
		return fmt.Errorf("save workspace token: %w", err)
	}
	s.turn <- struct{}{}
	defer s.leave()

	disk, readErr := readToken(s.path)
	told := readErr == nil || errors.Is(readErr, ErrNoToken)
	if newer := told && disk != "" && s.repeated(t, disk); newer {
		return s.read(0)
	}
	var writeErr error
	if disk != t || !s.Persisted() || !private(s.path) {
		writeErr = writeFile(s.path, []byte(t))
	}
	s.last, s.latest, s.doubt = look{}, result{}, doubt{} // the next refresh reads

	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	if writeErr == nil {
		s.unsaved = nil
	} else {
		s.unsaved = &unsaved{disk: s.lastKnown(disk, told), blind: !told}
	}
	if before := old.or(disk); before != t {
		s.set(t, nil, true)
	} else if old == nil {
		s.set(t, nil, false)
	}
	if writeErr != nil {
		return fmt.Errorf("%w: %w%s", ErrNotPersisted, writeErr, remedy(writeErr, s.path))
	}
	return nil
}

// or is the token of the entry, or of the disk if that was never read.
func (e *entry) or(disk Token) Token {
	if e == nil {
		return disk
	}
	return e.token
}

// lastKnown is what the disk holds, or held when it could last be told: that
// is what may appear again. s.mu is held.
func (s *Store) lastKnown(disk Token, told bool) Token {
	switch {
	case told:
		return disk
	case s.unsaved != nil:
		return s.unsaved.disk
	}
	return s.current.Load().or("")
}

// unsaved remembers what the disk held when a token could not be written to
// it, so that a later read can tell old news from a newer token.
type unsaved struct {
	disk  Token
	blind bool // the disk could not be read either
}

// holdsAgainst reports whether the token in memory is newer than what a read
// found.
func (u *unsaved) holdsAgainst(token Token, told bool) bool {
	if u == nil {
		return false
	}
	if !told {
		return u.blind
	}
	return token == u.disk
}

// repeated reports whether saving t is another try, and the disk has moved on
// since the one that failed.
func (s *Store) repeated(t, disk Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsaved != nil && s.current.Load().token == t && disk != t && disk != s.unsaved.disk
}

// Persisted reports whether the token is where the next process will find it:
// false from a [Store.Save] that could not write until one that could, or
// until a newer token appears on disk.
func (s *Store) Persisted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsaved == nil
}

// private reports whether only its owner can read the file at path, after
// making it so if it was not. What is behind a link is not ours to judge.
func private(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	return !info.Mode().IsRegular() || info.Mode().Perm() == 0o600 || os.Chmod(path, 0o600) == nil
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
		if errors.Is(err, fs.ErrPermission) {
			return nil // one may write to a directory without reading it
		}
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// remedy says what to do about an error of writeFile, where that is known.
func remedy(err error, path string) string {
	switch {
	case errors.Is(err, syscall.EBUSY):
		return "; possible: the file itself is a mount point; mount its directory instead"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "; make " + filepath.Dir(path) + " writable for this process"
	}
	return ""
}
