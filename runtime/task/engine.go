package task

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// RunFunc answers one message: it reads the turn, writes the reply to x and
// returns. nil completes the task and an error fails it; the caller reads the
// text of an error only if it was made with [Public]. The error of
// [Execution.Ask] asks the caller for more. A panic fails the task like an
// error.
//
// It is called from a goroutine of its own, several at once. Its context has
// the values of the request that brought the message but not its end: it ends
// when a caller cancels the task ([ErrCanceled]), when the turn takes too long
// ([ErrTimeout]) and when the engine is drained and the time for that is over
// ([ErrShutdown]). It should return soon after.
type RunFunc func(ctx context.Context, x *Execution) error

// Engine runs turns and keeps their tasks. Make it with [NewEngine] or [Open];
// all methods are safe for concurrent use. Any number of them fit in one
// process.
//
// It starts one goroutine for each turn that runs and one while there is
// something to write to the store, for which [Engine.Drain] waits while the store
// takes it and [Engine.Close] in any case, and one for
// each target of push notifications while there is something to tell, for which
// [Engine.Close] waits. Where [Limits] have an age there is one more until Close,
// and on a shared store there are two.
type Engine struct {
	run     RunFunc
	log     *slog.Logger
	cfg     config
	store   Store
	commits committer
	outbox  outbox
	tell    *instruments
	turns   tally          // the goroutines of turns
	aging   sync.WaitGroup // the goroutine of startAging
	lost    lostTurns
	hosts   hosts
	pruning sync.Mutex // held by who removes old tasks; taken before mu

	mu       sync.Mutex // guards the rest; a task's mutex may be taken under it
	draining bool       // no new turns
	live     map[a2a.TaskID]*task
	messages map[messageKey]*task         // the messages of live tasks
	arriving map[messageKey]chan struct{} // messages that are being looked up
	waking   map[a2a.TaskID]chan struct{} // tasks that may be brought back to life
	queue    queue
	running  map[a2a.TaskID]*task // whose turn has not returned
	idle     chan struct{}        // closed when nothing runs or waits any more; nil while nobody waits
	kept     kept
}

var _ a2asrv.RequestHandler = (*Engine)(nil)

// NewEngine makes an Engine that answers with run and keeps its tasks in
// memory.
func NewEngine(run RunFunc, opts ...Option) *Engine {
	e := newEngine(run, NewMemory(), opts)
	e.startAging()
	return e
}

// Open makes an Engine that answers with run and keeps its tasks in a store, in
// which there may be tasks already. What was running when the process ended is
// looked after before Open returns: see [WithResume]. The store is used by this
// engine alone until [Engine.Close], and closed by the caller after that.
//
// An error says that the store cannot be read or was written by a later version
// of this package. A single task that cannot be read is no error; it is logged,
// and failed if it was running.
func Open(ctx context.Context, store Store, run RunFunc, opts ...Option) (*Engine, error) {
	e := newEngine(run, store, opts)
	if err := e.recover(ctx); err != nil {
		e.Close()
		return nil, fmt.Errorf("task: open the store: %w", err)
	}
	e.startAging()
	return e, nil
}

func newEngine(run RunFunc, store Store, opts []Option) *Engine {
	e := &Engine{
		run:      run,
		store:    store,
		live:     map[a2a.TaskID]*task{},
		messages: map[messageKey]*task{},
		arriving: map[messageKey]chan struct{}{},
		waking:   map[a2a.TaskID]chan struct{}{},
		running:  map[a2a.TaskID]*task{},
		queue:    newQueue(),
	}
	for _, o := range opts {
		o.apply(&e.cfg)
	}
	e.cfg.setDefaults()
	e.log = e.cfg.logger
	if e.fenced() {
		e.hosts.id = a2a.NewMessageID()
	}
	e.tell = newInstruments(&e.cfg)
	e.commits.e = e
	e.commits.ctx, e.commits.stop = context.WithCancel(context.Background())
	e.commits.alarm = make(chan struct{})
	e.outbox = outbox{
		e: e, tasks: map[a2a.TaskID]map[string]bool{}, lines: map[string]*pushLine{}, gone: map[a2a.TaskID]int{},
		slots: make(chan struct{}, maxPushWorkers),
	}
	return e
}

// Close ends the use of the store; call it after [Engine.Drain]. What has not
// been written by then is not written any more, and calls that wait for it end
// with [ErrShutdown].
func (e *Engine) Close() {
	e.mu.Lock()
	e.draining = true
	e.mu.Unlock()
	e.commits.stop()
	<-e.commits.done()
	e.outbox.work.Wait()
	e.aging.Wait()
	e.part()
}

// Health is nil while the store can be written to and no turn waits for its
// [Dispatcher] to take it again, and else says what is wrong. It is for a
// readiness check.
func (e *Engine) Health() error {
	if _, err := e.commits.trouble(); err != nil {
		return err
	}
	return e.lost.trouble()
}

// durable reports whether tasks outlive the process.
func (e *Engine) durable() bool {
	_, memory := e.store.(*Memory)
	return !memory || e.shared()
}

// committed tells readers what is in the store now, and lets go of a task that
// is at rest: who asks for it gets it from the store.
func (e *Engine) committed(f *flush) {
	t := f.t
	if f.rest || f.kept != 0 {
		e.mu.Lock()
		defer e.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved.stored, t.saved.size = f.asked, f.size
	t.journal.commit(f.upTo)
	if f.rest || f.kept != 0 {
		e.kept.finished += f.kept
		e.kept.bytes += f.keptBytes
	}
	if !f.rest || !t.journal.atRest() {
		return
	}
	e.forget(t)
	closeDone(t)
}

// forget lets go of a live task. Both mutexes are held.
func (e *Engine) forget(t *task) {
	if e.live[t.info.TaskID] != t {
		return
	}
	delete(e.live, t.info.TaskID)
	for _, key := range t.keys {
		if e.messages[key] == t {
			delete(e.messages, key)
		}
	}
	t.keys = nil
}

// closeDone lets those go on who wait for the task to come to rest. Its mutex
// is held.
func closeDone(t *task) {
	select {
	case <-t.turn.done:
	default:
		close(t.turn.done)
	}
}

// leave ends the watch over a task that is not at rest: its turn goes on
// elsewhere, or in a later life of this process.
func (e *Engine) leave(t *task, why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	e.leaveLocked(t, why)
	if e.shared() {
		e.dequeue(t, outcomeOf(verdict{left: true, refused: why}, nil))
	}
}

func (e *Engine) leaveLocked(t *task, why error) {
	if t.turn.refuse == nil {
		t.turn.refuse = why
	}
	e.unbound(t)
	t.journal.leave(why)
	e.forget(t)
	closeDone(t)
}

// disown ends a turn whose task another process has taken over.
func (e *Engine) disown(t *task, err error) {
	level := slog.LevelError
	if e.shared() { // so it goes there
		level = slog.LevelInfo
	}
	e.log.LogAttrs(context.Background(), level, "a task was changed in the store by somebody else, its turn is stopped here",
		slog.String("task_id", string(t.info.TaskID)), slog.Any("error", err))
	t.mu.Lock()
	cancel := t.turn.cancel
	t.mu.Unlock()
	e.leave(t, ErrElsewhere)
	if cancel != nil {
		cancel(ErrElsewhere)
	}
}

// refused makes an error that says to the caller what is wrong and has a
// sentinel of a2a, or several joined, for the transport to make its code of.
func refused(sentinel error, format string, args ...any) error {
	return a2a.NewError(sentinel, fmt.Sprintf(format, args...))
}

func errUnknown(id a2a.TaskID) error {
	return refused(a2a.ErrTaskNotFound, "there is no task %.64q: it never existed, or it ended, or waited for an answer, long ago and is forgotten", id)
}
