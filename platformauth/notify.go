package platformauth

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// shared is the handle through which all Watches of the process hear of
// changes. It is a resource of the process, like its table of descriptors: an
// inotify instance costs 64 KB and Linux grants a user 128 of them, so that a
// program which hosts a thousand workspaces could not have one for each. The
// first Watch opens it, the last one closes it, and nothing of it is visible.
var shared notifier

// reopenAfter is how long a system that refused a handle is left alone.
const reopenAfter = 10 * time.Second

type notifier struct {
	// calls orders the calls into fsnotify. They are short system calls, but
	// may wait for events to be taken (Windows), so whoever takes events must
	// not need this.
	calls   sync.Mutex
	watcher *fsnotify.Watcher // guarded by calls; nil while nobody watches, or nobody can
	refused time.Time         // guarded by calls; when the system last refused a handle
	err     error             // guarded by calls; its reason
	ended   chan struct{}     // guarded by calls; closed when the goroutine on watcher has ended
	open    int               // guarded by calls; subscriptions

	mu   sync.Mutex // guards dirs and what it leads to
	dirs map[string]*watchedDir
}

type watchedDir struct {
	at   waypoint
	subs map[*subscription]bool
}

// subscription is one Watch's interest in some names in some directories.
type subscription struct {
	notifier *notifier
	wake     chan struct{}   // one slot: something was touched
	paths    map[string]bool // guarded by notifier.mu; names whose events wake
	way      []waypoint      // what paths was made of
}

func (n *notifier) subscribe() *subscription {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.open++
	return &subscription{notifier: n, wake: make(chan struct{}, 1)}
}

// close ends the subscription, and the handle with the last one.
func (s *subscription) close() {
	n := s.notifier
	n.calls.Lock()
	defer n.calls.Unlock()
	for _, dir := range n.leave(s, nil) {
		_ = n.watcher.Remove(dir)
	}
	if n.open--; n.open == 0 && n.watcher != nil {
		_ = n.watcher.Close()
		<-n.ended
		n.watcher = nil
	}
}

// follow makes the subscription hear of the names on way, and of no others. It
// reports whether that changed anything, and an error when some of them cannot
// be watched.
func (s *subscription) follow(way []waypoint) (moved bool, err error) {
	n := s.notifier
	if n.follows(s, way) {
		return false, nil
	}
	n.calls.Lock()
	defer n.calls.Unlock()
	if err := n.start(); err != nil {
		return false, err
	}
	for _, dir := range n.leave(s, way) {
		_ = n.watcher.Remove(dir)
	}
	var faults []error
	for _, at := range way {
		if err := n.enter(s, at); err != nil {
			faults = append(faults, fmt.Errorf("watch %s: %w", at.dir, err))
		}
	}
	s.way = way
	return len(faults) == 0, errors.Join(faults...)
}

// start opens the handle unless it is open. n.calls is held.
func (n *notifier) start() error {
	if n.watcher != nil {
		return nil
	}
	if !n.refused.IsZero() && time.Since(n.refused) < reopenAfter {
		return n.err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		n.refused, n.err = time.Now(), err
		return err
	}
	n.watcher, n.ended, n.refused = w, make(chan struct{}), time.Time{}
	go n.run(w, n.ended)
	return nil
}

// run hands events on until w is closed.
func (n *notifier) run(w *fsnotify.Watcher, ended chan<- struct{}) {
	defer close(ended)
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			wakeAll(n.concerned(e))
		case _, ok := <-w.Errors: // an overflow, mostly: events were lost
			if !ok {
				return
			}
			wakeAll(n.everybody())
		}
	}
}

// follows reports whether s hears of exactly this way already.
func (n *notifier) follows(s *subscription, way []waypoint) bool {
	if len(way) != len(s.way) || len(way) == 0 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, at := range way {
		d := n.dirs[at.dir]
		if at.path != s.way[i].path || d == nil || !d.subs[s] || !d.at.sameDir(at) {
			return false
		}
	}
	return true
}

// enter makes s hear of at. n.calls is held.
func (n *notifier) enter(s *subscription, at waypoint) error {
	n.mu.Lock()
	d := n.dirs[at.dir]
	n.mu.Unlock()
	if d == nil || !d.at.sameDir(at) {
		if d != nil {
			_ = n.watcher.Remove(at.dir) // of that name, but another directory
		}
		if err := n.watcher.Add(at.dir); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d = n.dirs[at.dir] // it may have gone meanwhile; then its event is under way, or the next poll tells
	if d == nil {
		d = &watchedDir{subs: map[*subscription]bool{}}
		if n.dirs == nil {
			n.dirs = map[string]*watchedDir{}
		}
		n.dirs[at.dir] = d
	}
	d.at = at
	d.subs[s] = true
	if s.paths == nil {
		s.paths = map[string]bool{}
	}
	s.paths[at.path] = true
	return nil
}

// leave ends the interest of s in all directories that are not on way, and
// returns those that nobody is interested in any more.
func (n *notifier) leave(s *subscription, way []waypoint) (unused []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.paths = nil
	for _, at := range s.way {
		d := n.dirs[at.dir]
		if d == nil || onWay(way, at.dir) {
			continue
		}
		delete(d.subs, s)
		if len(d.subs) == 0 {
			delete(n.dirs, at.dir)
			unused = append(unused, at.dir)
		}
	}
	return unused
}

func onWay(way []waypoint, dir string) bool {
	for _, at := range way {
		if at.dir == dir {
			return true
		}
	}
	return false
}

// concerned returns who wants to know of an event.
func (n *notifier) concerned(e fsnotify.Event) (subs []*subscription) {
	name := filepath.Clean(e.Name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.dirs[filepath.Dir(name)]; d != nil {
		for s := range d.subs {
			if s.paths[name] {
				subs = append(subs, s)
			}
		}
	}
	if d := n.dirs[name]; d != nil { // a watched directory itself
		for s := range d.subs {
			subs = append(subs, s)
		}
		if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			delete(n.dirs, name) // the system has dropped the watch
		}
	}
	return subs
}

func (n *notifier) everybody() (subs []*subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dirs {
		for s := range d.subs {
			subs = append(subs, s)
		}
	}
	return subs
}

func wakeAll(subs []*subscription) {
	for _, s := range subs {
		select {
		case s.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}
