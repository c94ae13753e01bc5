package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// storeFile is where tasks are kept, below the configuration directory.
const storeFile = ".runtime/tasks.db"

// openEngine opens the store and the engine on it: from here on turns that were
// interrupted go on.
func (r *Runtime) openEngine(ctx context.Context) error {
	store, err := r.openStore()
	if err != nil {
		return err
	}
	s := &r.set
	opts := []task.Option{
		task.WithLogger(r.log),
		task.WithLimits(task.Limits{
			MaxRunning: s.limits.Turns, MaxQueued: s.limits.Queued, MaxPerOwner: s.limits.TurnsPerCaller,
			MaxReplyBytes: s.limits.Reply,
			MaxFinished:   s.limits.Finished, MaxFinishedBytes: s.limits.FinishedBytes, MaxAge: s.limits.FinishedAge,
			MaxMessages: s.limits.Messages, MaxMessageAge: s.limits.MessageAge,
		}),
		task.WithTimeouts(task.Timeouts{Total: s.turnTimeout, Silence: s.turnSilence}),
		task.WithTracerProvider(r.observers.tracers()), task.WithMeterProvider(r.observers.meters()),
		task.WithPropagator(r.observers.propagator()),
	}
	opts = append(opts, task.WithOwner(ownerOf))
	if r.durability != nil {
		opts = append(opts, task.WithDispatcher(r.durability))
	}
	if s.notifier != nil {
		opts = append(opts, task.WithPush(s.notifier))
	}
	if s.shared {
		opts = append(opts, task.WithShared(0))
	}
	if s.parallel {
		opts = append(opts, task.WithParallelTurns())
	}
	if _, ok := r.agent.(Resumer); ok {
		opts = append(opts, task.WithResume(s.attempts))
	}
	engine, err := task.Open(ctx, store, r.turn, opts...)
	if err != nil {
		return errors.Join(fmt.Errorf("runtime: %w", err), r.closeStore())
	}
	r.engine = engine
	if s.rest {
		r.rest = http.StripPrefix(restPath, a2asrv.NewRESTHandler(gate{engine}))
	}
	r.rpc = jsonrpc.NewHandler(gate{engine}, jsonrpc.WithLogger(r.log), jsonrpc.WithLimits(jsonrpc.Limits{
		MaxBody: s.limits.Body, MaxDepth: s.limits.Depth,
	}), jsonrpc.WithTracerProvider(r.observers.tracers()), jsonrpc.WithPropagator(r.observers.propagator()))
	return nil
}

// openStore opens what tasks are kept in. Where there is no place for a file
// they are kept in memory, which is said; a file that another process has, or
// that a later version has written, is not gone around.
func (r *Runtime) openStore() (task.Store, error) {
	if r.set.store != nil {
		return r.set.store, nil
	}
	if info, err := os.Stat(r.set.configDir); err != nil || !info.IsDir() {
		return r.inMemory("the configuration directory " + r.set.configDir + " is not there"), nil
	}
	file, replaced, err := filestore.OpenOrReplace(filepath.Join(r.set.configDir, storeFile))
	if replaced != nil {
		r.rescued(replaced.Path, replaced.Cause)
	}
	switch {
	case err == nil:
		r.ownStore = file
		return file, nil
	case errors.Is(err, filestore.ErrLocked), errors.Is(err, filestore.ErrFormat):
		return nil, fmt.Errorf("runtime: %w", err)
	}
	return r.inMemory(err.Error()), nil
}

// inMemory keeps tasks in memory for want of something better.
func (r *Runtime) inMemory(why string) task.Store {
	r.log.Warn("tasks are kept in memory: those that run when this process ends are lost", "why", why,
		"fix", "make the configuration directory writable, or choose with WithTaskStore")
	r.storeWarnings = append(r.storeWarnings, "tasks are kept in memory: a restart loses them")
	return task.NewMemory()
}

// rescued says that the file of tasks was damaged.
func (r *Runtime) rescued(movedTo string, why error) {
	r.log.Error("the file of tasks is damaged, it was moved aside and a new one begun: earlier tasks are not known any more",
		"moved_to", movedTo, "error", why)
	r.storeWarnings = append(r.storeWarnings, "the file of tasks was damaged and moved to "+filepath.Base(movedTo))
}

// closeStore closes the store that openStore has opened, if any.
func (r *Runtime) closeStore() error {
	if r.ownStore == nil {
		return nil
	}
	err := r.ownStore.Close()
	r.ownStore = nil
	return err
}

// closeEngine ends the use of the store after the last turn.
func (r *Runtime) closeEngine() error {
	if r.engine != nil {
		r.engine.Close()
	}
	return r.closeStore()
}
