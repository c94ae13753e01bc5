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
// text of an error only if it was made with [Public]. A panic fails the task
// like an error.
//
// It is called from a goroutine of its own, several at once. Its context has
// the values of the request that brought the message but not its end: it ends
// when a caller cancels the task ([ErrCanceled]) and when the engine is drained
// and the time for that is over ([ErrShutdown]). It should return soon after.
type RunFunc func(ctx context.Context, x *Execution) error

// Engine runs turns and keeps their tasks in memory. Make it with [NewEngine];
// all methods are safe for concurrent use. Any number of them fit in one
// process.
//
// It starts one goroutine for each turn; [Engine.Drain] waits for them.
type Engine struct {
	run   RunFunc
	log   *slog.Logger
	cfg   config
	turns sync.WaitGroup // the goroutines of turns

	mu       sync.Mutex // guards the rest; a task's mutex may be taken under it
	draining bool       // no new turns
	tasks    map[a2a.TaskID]*task
	messages map[messageKey]*task
	running  map[a2a.TaskID]*task // whose turn has not returned
	idle     chan struct{}        // closed when running is empty again; nil while nobody waits
	finished retired
}

// messageKey finds the task that a message has made: its context and its id.
type messageKey struct{ context, message string }

var _ a2asrv.RequestHandler = (*Engine)(nil)

// NewEngine makes an Engine that answers with run.
func NewEngine(run RunFunc, opts ...Option) *Engine {
	e := &Engine{
		run:      run,
		tasks:    map[a2a.TaskID]*task{},
		messages: map[messageKey]*task{},
		running:  map[a2a.TaskID]*task{},
	}
	for _, o := range opts {
		o.apply(&e.cfg)
	}
	e.cfg.setDefaults()
	e.log = e.cfg.logger
	return e
}

// find returns a task by its id.
func (e *Engine) find(id a2a.TaskID) (*task, error) {
	if id == "" {
		return nil, refused(a2a.ErrInvalidParams, "the id of the task is missing")
	}
	e.mu.Lock()
	t := e.tasks[id]
	e.mu.Unlock()
	if t == nil {
		return nil, errUnknown(id)
	}
	return t, nil
}

// refused makes an error that says to the caller what is wrong and has a
// sentinel of a2a, or several joined, for the transport to make its code of.
func refused(sentinel error, format string, args ...any) error {
	return a2a.NewError(sentinel, fmt.Sprintf(format, args...))
}

func errUnknown(id a2a.TaskID) error {
	return refused(a2a.ErrTaskNotFound, "there is no task %.64q: it never existed, or it ended long ago and is forgotten", id)
}
