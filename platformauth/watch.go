package platformauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// safetyPolls is how many poll intervals pass between two looks at a file that
// is being watched: networked and layered file systems lose events.
const safetyPolls = 5

// A file that does not look finished is looked at again after settle without
// an event, and taken as it is at the settleLooks-th look.
const (
	settle      = 20 * time.Millisecond
	settleLooks = 5
)

// Watch keeps the cache fresh until ctx ends, and then returns nil. It watches
// the directory, not the file, so it sees a file renamed into place, written
// in place, deleted and made again, or reached through a symbolic link that is
// swapped (as Kubernetes does); a directory that does not exist yet is waited
// for. Where watching is impossible it looks at the file at the poll interval.
//
// Those who want to know of a change take [Store.Changed]; it fires only when
// the token is really another one. Several Watches may run on one Store.
func (s *Store) Watch(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		s.log.Warn("token file: cannot watch, polling instead", "path", s.path, "interval", s.poll, "error", err)
		return s.pollOnly(ctx)
	}
	defer w.Close()

	watched := map[string]bool{}
	timer := time.NewTimer(0) // first, what happened before the watch stood
	defer timer.Stop()
	unsettled := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			// Every event in the directory counts: which name was touched says
			// little once links are involved, and a look is one small read.
			drain(w.Events)
		case <-w.Errors: // an overflow, mostly: events were lost, so look
		case <-timer.C:
		}
		s.follow(w, watched)
		if s.look(unsettled) {
			unsettled = 0
			timer.Reset(s.pause(watched))
		} else {
			unsettled++
			timer.Reset(settle)
		}
	}
}

// pollOnly is Watch without the system's help.
func (s *Store) pollOnly(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	unsettled := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if s.look(unsettled) {
			unsettled = 0
			timer.Reset(s.poll)
		} else {
			unsettled++
			timer.Reset(min(settle, s.poll))
		}
	}
}

// pause is how long to wait for events before looking anyway.
func (s *Store) pause(watched map[string]bool) time.Duration {
	if watched[filepath.Dir(s.path)] {
		return s.poll * safetyPolls
	}
	return s.poll
}

// look reads the file into the cache and reports whether it is settled, that
// is, whether the next look may wait for an event. Read errors are kept for
// those who ask: they are followed by another event or poll.
func (s *Store) look(unsettled int) bool {
	how := patient
	if unsettled >= settleLooks {
		how = eager
	}
	s.mu.Lock()
	_, err := s.read(how)
	s.mu.Unlock()
	if errors.Is(err, errUnsettled) {
		return false
	}
	if err != nil {
		s.log.Debug("token file: not readable now", "path", s.path, "error", err)
	}
	return true
}

// follow makes w watch the directories in which a change can reach the token:
// the file's own and, where links are involved, each directory on the way to
// the file. A directory that is missing is watched through its parent.
func (s *Store) follow(w *fsnotify.Watcher, watched map[string]bool) {
	want := map[string]bool{}
	path := s.path
	for range 10 { // as deep as any sane chain of links
		dir := filepath.Dir(path)
		for {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				break
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
		want[dir] = true
		real, err := filepath.EvalSymlinks(dir)
		if err == nil && real != dir {
			want[real] = true
			want[filepath.Dir(dir)] = true // where the link to the directory is swapped
		}
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	for dir := range watched {
		if !want[dir] {
			_ = w.Remove(dir)
			delete(watched, dir)
		}
	}
	for dir := range want {
		// Adding again is cheap and finds a directory that was deleted and
		// made anew under the same name.
		if err := w.Add(dir); err != nil {
			delete(watched, dir)
			if !errors.Is(err, os.ErrNotExist) {
				s.log.Debug("token file: cannot watch directory, polling", "dir", dir, "error", err)
			}
			continue
		}
		watched[dir] = true
	}
}

func drain(events <-chan fsnotify.Event) {
	for {
		select {
		case <-events:
		default:
			return
		}
	}
}
