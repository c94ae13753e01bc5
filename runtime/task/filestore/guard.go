package filestore

import "runtime/debug"

// guard calls f, which reads the file through bolt's map of it. A panic, also
// that of a page that cannot be read, becomes an error that wraps [ErrCorrupt]:
// the file was whole when it was opened, so it has been damaged since.
func guard(f func() error) (panicked bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			panicked, err = true, corrupt("it was damaged while it was open: %v", p)
		}
	}()
	return false, f()
}
