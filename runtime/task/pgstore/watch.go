package pgstore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/jackc/pgx/v5"
)

const (
	minListenRetry = 50 * time.Millisecond // then twice as long each time, with jitter
	maxListenRetry = 5 * time.Second

	// listenCheck is how long nothing may come before the connection is asked
	// whether it is still there.
	listenCheck = 30 * time.Second
)

// watches are those who want to hear of tasks. One connection of the Store
// listens for all of them, from the first watch on.
type watches struct {
	mu        sync.Mutex
	watchers  map[mark]map[*watcher]bool
	listening bool // the goroutine is there
	closed    bool
	ctx       context.Context // of the goroutine
	cancel    context.CancelFunc
	work      sync.WaitGroup
}

type watcher struct {
	mark    mark
	changed chan struct{} // has room for one value
}

// wake is called with the mutex.
func (w *watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default: // it has not taken the last one yet
	}
}

// errClosed is what [Store.Watch] says after Close.
var errClosed = errors.New("pgstore: the store is closed")

// Watch tells of commits to a task, whichever process makes them, by PostgreSQL's
// LISTEN and NOTIFY: changed gets a value some milliseconds after something under
// the task's key in [task.BucketTasks], or an event of it, was committed. Several
// changes may come as one value. It also gets one when the Store begins to listen,
// and when it does so again after the connection was lost, since nobody knows what
// happened before; it never waits for that. What a process commits right before it
// is killed may not be told.
//
// The watch ends with ctx, or with stop, which may be called more than once;
// nothing is sent after it has returned. The channel is not closed. All watches of
// a Store share one connection, beside those of the pool, which the first one
// opens and Close closes. Watch fails only on a Store that is closed.
func (s *Store) Watch(ctx context.Context, id a2a.TaskID) (changed <-chan struct{}, stop func(), err error) {
	w := &watcher{mark: markOf(string(id)), changed: make(chan struct{}, 1)}
	ws := &s.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return nil, nil, errClosed
	}
	if ws.watchers[w.mark] == nil {
		ws.watchers[w.mark] = map[*watcher]bool{}
	}
	ws.watchers[w.mark][w] = true
	if !ws.listening {
		ws.listening = true
		ws.work.Go(func() { s.listen(ws.ctx) })
	}
	detach := context.AfterFunc(ctx, func() { ws.remove(w) })
	return w.changed, func() {
		detach()
		ws.remove(w)
	}, nil
}

func (ws *watches) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.watchers[w.mark], w)
	if len(ws.watchers[w.mark]) == 0 {
		delete(ws.watchers, w.mark)
	}
}

// wake wakes those who watch the tasks of a notification.
func (ws *watches) wake(payload string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if payload == everything {
		for _, same := range ws.watchers {
			for w := range same {
				w.wake()
			}
		}
		return
	}
	for field := range strings.FieldsSeq(payload) {
		m, err := strconv.ParseUint(field, 16, 64)
		if err != nil {
			continue // somebody else's
		}
		for w := range ws.watchers[mark(m)] {
			w.wake()
		}
	}
}

// close ends the listening, and waits for that.
func (ws *watches) close() {
	ws.mu.Lock()
	ws.closed = true
	ws.mu.Unlock()
	ws.cancel()
	ws.work.Wait()
}

// listen listens until the context ends, over one connection after another.
func (s *Store) listen(ctx context.Context) {
	wait := minListenRetry
	var since time.Time // when it was lost; zero: it is not
	for {
		err := s.listenOnce(ctx, func() {
			if !since.IsZero() {
				s.cfg.log.LogAttrs(ctx, slog.LevelInfo, "notifications of the task store come again", slog.Duration("lasted", time.Since(since)))
			}
			wait, since = minListenRetry, time.Time{}
			s.watches.wake(everything)
		})
		if ctx.Err() != nil {
			return
		}
		if since.IsZero() {
			since = time.Now()
			s.cfg.log.LogAttrs(ctx, slog.LevelWarn, "notifications of the task store have stopped, what other processes do is seen later", slog.Any("error", s.explain(ctx, err)))
		}
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = min(2*wait, maxListenRetry)
	}
}

// listenOnce listens over one connection until it breaks. It calls begun when
// nothing is missed from now on.
func (s *Store) listenOnce(ctx context.Context, begun func()) error {
	dialing, cancel := s.within(ctx)
	defer cancel()
	pooled, err := s.pool.Acquire(dialing)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // it is none of the pool's any more
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(dialing, "LISTEN "+pgx.Identifier{s.channel}.Sanitize()); err != nil {
		return err
	}
	begun()
	for {
		waiting, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := conn.WaitForNotification(waiting)
		quiet := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			s.watches.wake(n.Payload)
		case !quiet:
			return err
		default:
			asking, cancel := s.within(ctx)
			err := conn.Ping(asking)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}
