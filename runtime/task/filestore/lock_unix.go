//go:build unix && !solaris && !aix

package filestore

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes the file as bbolt does, but before anybody has read it. The same
// open file can be locked again, so bbolt's own lock finds nobody in its way.
func lock(f *os.File, wait time.Duration) error {
	for begin := time.Now(); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Since(begin) > wait {
			return lockedError(f.Name())
		}
		time.Sleep(20 * time.Millisecond)
	}
}
