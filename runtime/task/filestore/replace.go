package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Replaced says that [OpenOrReplace] has put a damaged file aside.
type Replaced struct {
	Path  string // where the damaged file is now
	Cause error  // what was wrong with it; wraps [ErrCorrupt]
}

// OpenOrReplace opens the store in a file as [Open] does. A file that is damaged
// is renamed to its name with ".corrupt-" and the time in UTC after it, never
// over another one, and an empty store takes its place: what it held is lost to
// the program then, so the caller says that loudly. A file that is in use or has
// another format is left where it is, and so is one that cannot be read.
//
// Replaced is nil when nothing was put aside. It can come with an error, when
// the file was put aside and no new one could be made.
func OpenOrReplace(path string, opts ...Option) (*Store, *Replaced, error) {
	c := newConfig(opts)
	s, judged, err := open(path, c)
	if !errors.Is(err, ErrCorrupt) {
		return s, nil, err
	}
	aside, moveErr := moveAside(path, judged, c)
	if moveErr != nil {
		return nil, nil, errors.Join(err, moveErr)
	}
	var replaced *Replaced
	if aside != "" {
		replaced = &Replaced{Path: aside, Cause: err}
	}
	s, _, err = open(path, c)
	return s, replaced, err
}

// moveAside renames the file that was judged, if it is still the one that has
// the name: who has renamed it before has made a new one in its place.
func moveAside(path string, judged fs.FileInfo, c config) (aside string, err error) {
	f, info, err := openLocked(path, os.O_RDWR, c.lockWait)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if !os.SameFile(info, judged) {
		return "", nil
	}
	// Who renames has the lock, so that nobody takes the name in between.
	base := path + ".corrupt-" + time.Now().UTC().Format("20060102T150405Z")
	aside = base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", explain(aside, err)
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", explain(path, err)
	}
	if err := syncDir(path); err != nil {
		return aside, explain(path, err)
	}
	return aside, nil
}
