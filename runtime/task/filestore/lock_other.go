//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import (
	"os"
	"time"
)

// lock leaves it to bolt, which locks the file before it maps it.
func lock(*os.File, time.Duration) error { return nil }

// unlock leaves it to the end of the process.
func unlock(*os.File) error { return nil }

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }
