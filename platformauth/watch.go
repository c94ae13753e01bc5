package platformauth

import (
	"context"
	"errors"
	"time"
)

// safetyPolls is how many poll intervals pass between two looks at a file that
// is being watched: networked and layered file systems lose events.
const safetyPolls = 5

// How long a file that may be half written must stay as it is to be believed.
// Writers in place take microseconds, slow ones some milliseconds. Nobody waits
// for the watch to see a token vanish; somebody does wait for a refresh.
const (
	settle = 50 * time.Millisecond
	hurry  = 10 * time.Millisecond
)

// Watch keeps the cache fresh until ctx ends, and then returns nil. It watches
// directories, not the file, so it sees a file renamed into place, written in
// place, deleted and made again, or reached through a symbolic link that is
// swapped (as Kubernetes does); a directory that does not exist yet is waited
// for. Where watching is impossible it looks at the file at the poll interval.
//
// A token that was written is adopted at once, without waiting for more
// events. Only a file that has become empty, or shorter than the token in hand
// and unlike the platform's tokens, is given 50 ms to prove that it is not half
// a write: the platform writes in place.
//
// Those who want to know of a change take [Store.Changed]; it fires only when
// the token is really another one. Several Watches may run, on one Store and on
// many; all those of a process share one handle of the system's. Watch reads
// from that handle, so it does not belong into a testing/synctest bubble.
func (s *Store) Watch(ctx context.Context) error {
	w := watch{store: s, sub: shared.subscribe(), watching: true}
	defer w.sub.close()
	w.follow()
	timer := time.NewTimer(0) // first, what happened before the watch stood
	defer timer.Stop()
	for {
		event := false
		select {
		case <-ctx.Done():
			return nil
		case <-w.sub.wake:
			event = true
		case <-timer.C:
		}
		select {
		case <-ctx.Done(): // also while the disk hangs in somebody else's read
			return nil
		case s.turn <- struct{}{}:
		}
		read, err := s.observe(event)
		s.leave()
		timer.Reset(w.next(read, err))
	}
}

// watch is what one [Store.Watch] remembers between two looks.
type watch struct {
	store    *Store
	sub      *subscription
	watching bool   // the system tells of changes
	moved    bool   // the last look was followed by another way to the file
	failing  string // why the file could not be read at the last look
}

// next draws the consequences of a look and returns when to look again if no
// event comes before.
func (w *watch) next(read bool, err error) time.Duration {
	moved := (read || !w.watching) && w.follow()
	if moved && read && !w.moved {
		// What happened before the new way was watched has no event. Once is
		// enough: a way that moves all the time is caught up with below.
		w.moved = true
		return 0
	}
	w.moved = false
	if errors.Is(err, errUnsettled) {
		return settle
	}
	w.report(err)
	if w.watching {
		return w.store.poll * safetyPolls
	}
	return w.store.poll
}

// follow makes the subscription follow the way to the file as it is now, and
// reports whether that is another one than before.
func (w *watch) follow() (moved bool) {
	moved, err := w.sub.follow(trail(w.store.path))
	switch watching := err == nil; {
	case watching == w.watching:
	case watching:
		w.store.log.Info("token file: watching it", "path", w.store.path)
	default:
		w.store.log.Warn("token file: cannot watch it, polling instead",
			"path", w.store.path, "interval", w.store.poll, "error", err)
	}
	w.watching = err == nil
	return moved
}

// report tells when the file stops being readable, and when it is again.
func (w *watch) report(err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now == w.failing:
	case err != nil:
		w.store.log.Warn("token file: not readable", "path", w.store.path, "error", err)
	default:
		w.store.log.Info("token file: readable again", "path", w.store.path)
	}
	w.failing = now
}

// observe is one look of the watch: at the content after an event, and from
// outside, which costs next to nothing, otherwise. It reports whether it came
// to read the file. The caller has the turn.
func (s *Store) observe(event bool) (read bool, err error) {
	if !event && s.doubt.since.IsZero() && s.untouched(slowMargin) {
		return false, nil
	}
	return true, s.read(settle)
}

// errUnsettled: the file has changed to something that is not what the
// platform writes; a look a moment later will tell.
var errUnsettled = errors.New("token file may be half written")

// doubt is what the watch has seen and does not believe yet.
type doubt struct {
	token Token
	since time.Time
}

// delays reports whether to wait before token replaces old: because it may be
// the beginning of one, and has not stayed the same for as long as settle.
func (d *doubt) delays(old, token Token, settle time.Duration) bool {
	if settle == 0 || complete(old, token) {
		return false
	}
	if d.since.IsZero() || d.token != token {
		*d = doubt{token, time.Now()}
	}
	return time.Since(d.since) < settle
}

// complete reports whether token cannot be the beginning of what somebody is
// writing: it has the form of the platform's tokens (32 bytes in unpadded
// base64url), or it is as long as the one before.
func complete(old, token Token) bool {
	if old != "" && len(token) >= len(old) {
		return true
	}
	if len(token) != 43 {
		return false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
