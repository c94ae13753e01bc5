package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
)

// ErrRan is returned by [Runtime.Run] when it was called before: a Runtime has
// one life.
var ErrRan = errors.New("runtime: Run was called before; make another Runtime")

// Run is the whole life of the workspace:
//
//	read the configuration, look at the place (errors end Run here)
//	the agent's SetUp
//	open the tasks; turns that were interrupted go on
//	listen: from here on messages are answered
//	register and send heartbeats, for as long as it takes and whatever fails
//
// and, when ctx ends:
//
//	not ready, and new messages are refused
//	running turns may finish, within the drain deadline
//	one last heartbeat
//	the agent's Close
//	the last of the telemetry
//
// It returns nil after that, also when turns had to be cut off, which the log
// says. A platform that is away, or that refuses the registration or the token,
// does not end Run. Neither does one that has removed the workspace: the
// workspace then says so in its log and in /readyz and waits for the end,
// because a container that exits is only started again.
func (r *Runtime) Run(ctx context.Context) error {
	if !r.ran.CompareAndSwap(false, true) {
		return ErrRan
	}
	defer r.phase.Store(int32(stopped))
	if r.set.ownTransport {
		defer r.auth.CloseIdleConnections()
	}
	if r.set.listener != nil {
		defer r.set.listener.Close() // also when the life ends before anybody listens; twice does no harm
	}
	for _, w := range r.set.warnings {
		r.log.Warn(w)
	}
	cfg, err := r.configure(ctx)
	if err != nil {
		return err
	}
	defer r.startTelemetry(ctx, cfg)()
	if r.set.makeTools != nil {
		if r.toolbox, err = r.set.makeTools(r, cfg); err != nil {
			return err
		}
	}
	r.workspace = &Workspace{
		ID: r.set.workspaceID.value, ConfigDir: r.set.configDir, Config: cfg, Logger: r.log,
		Platform: r.client, State: r.state, announce: r.announce, toolbox: r.toolbox,
	}
	if a, ok := r.agent.(SetUpper); ok {
		if err := a.SetUp(ctx, r.workspace); err != nil {
			closed := r.closeEarly(ctx)
			if ctx.Err() != nil {
				return closed // told to stop before it began: that is no failure
			}
			return errors.Join(fmt.Errorf("runtime: set up the agent: %w", err), closed)
		}
	}
	r.ask()
	err = r.openDurability(ctx, r.workspace)
	if err == nil {
		err = r.openEngine(ctx)
	}
	if err != nil {
		closed := r.closeEarly(ctx)
		if ctx.Err() != nil {
			return closed
		}
		return errors.Join(err, closed)
	}
	r.serveDurability()
	listener, url, err := r.listen(ctx, cfg)
	if err != nil {
		return errors.Join(err, r.closeEarly(ctx))
	}
	r.info.Store(&identity{cfg, url})
	if err := r.describe(); err != nil {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
		return errors.Join(err, r.closeEarly(ctx))
	}
	return r.live(ctx, listener)
}

// configure reads config.yaml and looks at the place the workspace starts in.
func (r *Runtime) configure(ctx context.Context) (*config.Config, error) {
	cfg, report, err := config.Load(r.set.configDir, r.set.getenv)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	report = append(report, config.Preflight(ctx, cfg, r.preflight())...)
	for _, p := range report {
		level := slog.LevelWarn
		if p.Severity == config.Error {
			level = slog.LevelError
		}
		r.log.Log(ctx, level, p.Message, "key", p.Key, "line", p.Line, "fix", p.Fix)
	}
	if err := report.Err(); err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	return cfg, nil
}

func (r *Runtime) preflight() config.PreflightEnv {
	return config.PreflightEnv{
		Getenv:    r.set.getenv,
		SkipToken: r.set.tokens != nil,
		SkipPort:  true, // listening finds out, and says so better
	}
}

// listen opens the listener, unless somebody else serves, and says at which URL
// the platform finds it.
func (r *Runtime) listen(ctx context.Context, cfg *config.Config) (net.Listener, string, error) {
	if r.set.noServer {
		return nil, strings.TrimRight(r.set.agentURL.value, "/"), nil
	}
	l := r.set.listener
	if l == nil {
		addr := r.set.addr
		if addr == "" {
			addr = ":" + strconv.Itoa(cfg.A2A.Port)
		}
		var lc net.ListenConfig
		var err error
		if l, err = lc.Listen(ctx, "tcp", addr); errors.Is(err, syscall.EADDRINUSE) {
			return nil, "", fmt.Errorf("runtime: listen on %s: the port is in use: stop what uses it, or set a2a.port in config.yaml: %w", addr, err)
		} else if err != nil {
			return nil, "", fmt.Errorf("runtime: listen on %s: %w", addr, err)
		}
	}
	if url := strings.TrimRight(r.set.agentURL.value, "/"); url != "" {
		return l, url, nil
	}
	return l, "http://" + advertised(l.Addr().String(), r.set.hostname), nil
}

// advertised is the host and port to tell others: the address that is listened
// on or, where that is every address, the machine's name. Loopback goes by its
// name: the platform refuses its addresses, and takes the name.
func advertised(addr, hostname string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		host = "localhost"
	} else if host == "" || ip != nil && ip.IsUnspecified() {
		if host = hostname; host == "" {
			host, _ = os.Hostname()
		}
		if host == "" {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}

// live serves and beats until ctx ends, then drains. It owns every goroutine it
// starts.
func (r *Runtime) live(ctx context.Context, l net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	served := make(chan error, 1)
	server := r.server()
	if l != nil {
		running.Go(func() { served <- server.Serve(l) })
	}
	// While the card is served already: its file costs a few milliseconds.
	if err := r.openInbox(); err != nil {
		return errors.Join(err, server.Close(), r.closeEarly(ctx))
	}
	r.phase.Store(int32(serving))
	r.log.Info("serving", "url", r.info.Load().url, "platform", r.client.BaseURL())

	// The heartbeats outlive ctx: while turns finish, the platform goes on
	// seeing them, and the very last one comes after the last turn.
	beating, endBeats := context.WithCancel(context.WithoutCancel(ctx))
	defer endBeats()
	beaten := make(chan error, 1)
	running.Go(func() { beaten <- r.loop.Run(beating) })
	// Nothing is taken on any more once ctx has ended; what the agent has begun
	// is drained, and its result found by the next life.
	waking, endWaking := context.WithCancel(ctx)
	defer endWaking()
	if r.inbox != nil {
		running.Go(func() { _ = r.inbox.Run(waking) })
	}

	stopServices := r.startServices(ctx)
	defer stopServices()

	var failure error
	var toolsUsed <-chan struct{} // never, without tools
	if r.toolbox != nil {
		toolsUsed = r.toolbox.used
	}
wait:
	for {
		select {
		case <-toolsUsed:
			toolsUsed = nil
			running.Go(func() { r.toolbox.follow(ctx) })
		case <-ctx.Done():
			break wait
		case err := <-served:
			failure = fmt.Errorf("runtime: the server has stopped: %w", err)
			break wait
		case err := <-beaten:
			beaten = nil
			if !errors.Is(err, heartbeat.ErrRemoved) {
				failure = fmt.Errorf("runtime: the heartbeats have stopped: %w", err)
				break wait
			}
			endWaking()
			// The Loop has said it once, loudly. Nothing is left to do but to
			// stay: who exits is started again, and would come back as a ghost.
		}
	}
	return errors.Join(failure, r.drain(ctx, server, l != nil, stopServices, endBeats, beaten))
}

// drain ends a life in order: turns, heartbeats, server, agent.
func (r *Runtime) drain(ctx context.Context, server *http.Server, own bool, stopServices, endBeats func(), beaten <-chan error) error {
	r.phase.Store(int32(draining))
	server.SetKeepAlivesEnabled(false) // so that no caller is surprised by the end of an idle connection
	begin := time.Now()
	r.mustEnd = begin.Add(r.set.drain)
	r.log.Info("draining", "active_tasks", r.state.ActiveTasks(), "deadline", r.set.drain)
	// Turns that ignore the end of their context have a second more, and that
	// second is part of the deadline.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.set.drain-min(time.Second, r.set.drain/4))
	defer cancel()
	r.handOver()
	if err := r.engine.Drain(deadline); err != nil {
		r.log.Warn("the drain has run out of time", "error", err)
	}
	stopServices()
	endBeats()
	if beaten != nil {
		<-beaten
	}
	if own {
		// Every turn has ended, so what is left are answers on their way out.
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
		defer cancel()
		if server.Shutdown(brief) != nil {
			_ = server.Close()
		}
	}
	// Turns that took all the time there was must not cost the agent its Close.
	closing, cancelClosing := context.WithDeadline(context.WithoutCancel(ctx), later(r.mustEnd, time.Now().Add(lastAnswers)))
	defer cancelClosing()
	err := errors.Join(r.closeDurability(closing), r.closeAgent(closing), r.closeEngine())
	r.log.Info("stopped", "took", time.Since(begin))
	return err
}

// lastAnswers is how long answers may take to be read after the last turn, and
// what the agent's Close has at least.
const lastAnswers = 250 * time.Millisecond

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// closeEarly closes what a life that never served has opened; ctx may have
// ended already. Turns that were gone on with are interrupted again.
func (r *Runtime) closeEarly(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.set.drain)
	defer cancel()
	r.handOver()
	if r.engine != nil {
		at, done := context.WithCancel(ctx)
		done()
		_ = r.engine.Drain(at)
	}
	return errors.Join(r.closeDurability(ctx), r.closeAgent(ctx), r.closeEngine())
}

func (r *Runtime) closeAgent(ctx context.Context) error {
	a, ok := r.agent.(Closer)
	if !ok {
		return nil
	}
	if err := a.Close(ctx); err != nil {
		return fmt.Errorf("runtime: close the agent: %w", err)
	}
	return nil
}

// announce makes the card again and lets the platform have it.
func (r *Runtime) announce() error {
	if r.info.Load() == nil {
		return nil // not listening yet: the card will be made of what is true then
	}
	if err := r.describe(); err != nil {
		return err
	}
	r.loop.Announce()
	return nil
}
