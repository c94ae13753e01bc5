package registrytest

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Rotation says how a token is rotated with a file, as the local provisioner
// does it when it restarts a workspace: all tokens are revoked, one is issued,
// and the file is written afterwards, not atomically.
type Rotation struct {
	Path string // of the token file; required
	// Lag is how long after the rotation the file is written.
	Lag time.Duration
	// Torn writes the file in place in two halves, this long apart. Zero
	// writes it in place in one go.
	Torn time.Duration
	// Atomic renames a finished file into place instead.
	Atomic bool
}

// Rotated is a rotation under way.
type Rotated struct {
	Token string // the new one
	// Written is closed when the file is complete.
	Written <-chan struct{}

	err error
	at  time.Time
}

// At is when the file was complete. Only valid after Written.
func (r *Rotated) At() time.Time { return r.at }

// Err is why the file could not be written, if so. Only valid after Written.
func (r *Rotated) Err() error { return r.err }

// RotateFile rotates the workspace's token and, later, writes the new one into
// the file.
func (w *Workspace) RotateFile(how Rotation) *Rotated {
	written := make(chan struct{})
	r := &Rotated{Token: w.Rotate(), Written: written}
	if !w.p.begin() {
		r.err, r.at = errClosed, time.Now()
		close(written)
		return r
	}
	go func() {
		defer w.p.work.Done()
		defer close(written)
		r.err = how.write(r.Token, w.p.life.Done())
		r.at = time.Now()
	}()
	return r
}

var errClosed = errors.New("registrytest: the platform was closed before the file was written")

func (how Rotation) write(token string, over <-chan struct{}) error {
	if !pause(how.Lag, over) {
		return errClosed
	}
	if how.Atomic {
		f, err := os.CreateTemp(filepath.Dir(how.Path), ".rotation-*")
		if err != nil {
			return err
		}
		_, err = f.WriteString(token)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), how.Path)
	}
	f, err := os.OpenFile(how.Path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if how.Torn > 0 {
		half := len(token) / 2
		if _, err := f.WriteString(token[:half]); err != nil {
			return err
		}
		if !pause(how.Torn, over) {
			return errClosed
		}
		token = token[half:]
	}
	_, err = f.WriteString(token)
	return err
}

func pause(d time.Duration, over <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
		return false
	}
}
