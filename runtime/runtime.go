package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"github.com/molecule-ai/workspace-runtime-go/runtime/jsonrpc"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Runtime is one workspace. Make it with [New]; all methods are safe for
// concurrent use, and any number of Runtimes fit in one process.
type Runtime struct {
	agent  Agent
	set    settings
	log    *slog.Logger
	tokens heartbeat.TokenStore
	auth   *heartbeat.RoundTripper
	client *registry.Client
	state  *heartbeat.State
	loop   *heartbeat.Loop
	inbox  *heartbeat.Inbox // nil when it is not wanted, and until the life has come so far
	known  once             // closed when the platform has accepted this workspace

	observers *observers
	genai     *genAI // nil until Run has begun

	engine        *task.Engine // these are nil until the life has come so far
	rpc           http.Handler
	rest          http.Handler // also nil when it is not wanted
	ownStore      task.Store   // to be closed at the end; nil when there is none
	storeWarnings []string
	toolbox       *toolbox
	workspace     *Workspace // what the agent and the services are given
	durability    Durability // nil until it is open, or when there is none

	ran  atomic.Bool                  // Run was called
	card atomic.Pointer[jsonrpc.Card] // nil until the address is known
	info atomic.Pointer[identity]     // what the card is made of; nil until known

	phase   atomic.Int32 // a phase
	mustEnd time.Time    // when the drain is over; zero before it. Run's own
}

// identity is what a workspace is called and where it is.
type identity struct {
	cfg *config.Config
	url string
}

// phase is how far a workspace has come in its life.
type phase int32

const (
	starting phase = iota
	serving
	draining
	stopped
)

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// New makes a Runtime that answers with agent. It checks everything that can
// be checked without looking at files or the network and reports all that is
// wrong at once; [Runtime.Run] does the rest.
func New(agent Agent, opts ...Option) (*Runtime, error) {
	r := &Runtime{agent: agent, state: heartbeat.NewState(), known: once{c: make(chan struct{})}}
	s := &r.set
	for _, o := range opts {
		o.apply(s)
	}
	s.complete()
	if f, ok := agent.(AgentFunc); agent == nil || ok && f == nil {
		s.faults = append(s.faults, errors.New("the agent is nil; give one that answers messages"))
	} else if _, err := agentCard(agent, config.Default(), "", s); err != nil {
		s.faults = append(s.faults, err)
	}
	if _, err := tool.NewTable(s.tools); err != nil {
		s.faults = append(s.faults, err)
	}
	if len(s.faults) > 0 {
		return nil, fmt.Errorf("runtime: %w", errors.Join(s.faults...))
	}
	s.logger = slog.New(correlated(s.logger.Handler()))
	r.log = s.logger.With("workspace_id", s.workspaceID.value)
	r.observers = newObservers(s.workspaceID.value, s.observers)
	r.tokens = s.tokens
	if r.tokens == nil {
		r.tokens = platformauth.NewStore(filepath.Join(s.configDir, ".auth_token"), platformauth.WithLogger(r.log))
	}

	// A call to the platform passes, outermost first: the client's span, its
	// retries, the bearer with its one retry, the connections.
	auth, err := heartbeat.NewRoundTripper(s.platformURL.value, r.tokens,
		heartbeat.WithBase(s.transport), heartbeat.WithRoundTripperLogger(r.log),
		heartbeat.WithRoundTripperMeterProvider(r.observers.meters()))
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	r.auth = auth
	r.client, err = registry.NewClient(s.platformURL.value, s.workspaceID.value,
		registry.WithTransport(auth), registry.WithOrgID(s.orgID), registry.WithLogger(r.log),
		registry.WithTracerProvider(r.observers.tracers()), registry.WithPropagator(r.observers.propagator()))
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	r.loop, err = heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: r.client, Transport: r.auth, Tokens: r.tokens, State: r.state,
		Registration: r.registration, Interval: s.interval, Trace: r.poked(s.trace), Logger: s.logger, // it adds the workspace_id itself
		MeterProvider: r.observers.meters(),
	})
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	return r, nil
}

// complete fills in defaults and finds faults. It looks at nothing but what
// was set.
func (s *settings) complete() {
	s.workspaceID.value = strings.ToLower(strings.TrimSpace(s.workspaceID.value))
	switch id := s.workspaceID; {
	case id.value == "":
		s.faults = append(s.faults, errors.New("WORKSPACE_ID is not set: set it, or use WithWorkspaceID, to the UUID by which the platform knows this workspace"))
	case !uuid.MatchString(id.value):
		s.bad(id.by, id.value, "is not a UUID; take the workspace's id from the platform")
	}
	if s.platformURL.value == "" {
		s.faults = append(s.faults, errors.New("PLATFORM_URL is not set: use WithPlatformURL, or FromEnv, which has a default"))
	} else if text := urlFault(s.platformURL.value); text != "" {
		s.bad(s.platformURL.by, redactURL(s.platformURL.value), text)
	}
	if s.agentURL.value != "" {
		if text := urlFault(s.agentURL.value); text != "" {
			s.bad(s.agentURL.by, redactURL(s.agentURL.value), text)
		}
	} else if s.noServer {
		s.faults = append(s.faults, errors.New("WithoutServer needs WithAgentURL: nobody else knows where the handler is mounted"))
	}
	if s.noServer && (s.listener != nil || s.addr != "") {
		s.faults = append(s.faults, errors.New("WithoutServer excludes WithListener and WithAddr"))
	}
	if s.configDir == "" {
		s.configDir = DefaultConfigDir
	}
	if s.interval == 0 {
		s.interval = DefaultHeartbeatInterval
	}
	if s.interval < 100*time.Millisecond || s.interval > heartbeat.DefaultLivenessTTL/2 {
		s.bad("HEARTBEAT_INTERVAL (WithHeartbeatInterval)", s.interval.String(), "is out of range; use 100ms to 90s, since the platform forgets a workspace after 180s of silence")
	}
	if s.drain == 0 {
		s.drain = DefaultDrainTimeout
	}
	if s.turnTimeout < 0 || s.turnSilence < 0 {
		s.faults = append(s.faults, errors.New("WithTurnTimeouts: a timeout is negative; use a positive duration, or 0 for none"))
	}
	if s.durability != nil {
		if err := s.durability.Check(); err != nil {
			s.faults = append(s.faults, err)
		}
	}
	if s.drain < 0 {
		s.bad("WithDrainTimeout", s.drain.String(), "is negative; use a positive duration")
	}
	if s.getenv == nil {
		s.getenv = func(string) string { return "" }
	}
	if s.logger == nil && s.envLogger != nil {
		s.logger = s.envLogger(os.Stderr)
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.warnUnseen()
	if s.transport == nil {
		s.transport, s.ownTransport = newTransport(), true
	}
}

// newTransport is what connects to the platform when nobody brings another
// transport. Pings find connections that died without a word, which HTTP/2
// would otherwise go on using.
func newTransport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // the program has put another one there
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second}
	}
	t = t.Clone()
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// State is what the heartbeats say about this workspace, for what the runtime
// cannot know: a wedge, and money spent.
func (r *Runtime) State() *heartbeat.State { return r.state }

// turn runs the agent once, and keeps the books around it so that no adapter
// can forget to: the label and count of running tasks, the error rate, the
// wedge.
func (r *Runtime) turn(ctx context.Context, x *task.Execution) error {
	turn := &Turn{x}
	label := newLabel(r.state, brief(turn.Text()))
	told := r.genai.begin(ctx, turn)
	returned := false
	defer func() {
		if !returned { // a panic, on its way to the engine
			r.state.Record(errPanicked)
		}
		label.end()
		told.end()
		r.ask() // last: it is the agent's code, and may panic
	}()
	ctx = tool.WithTask(ctx, turn.TaskID())
	err := r.answer(ctx, turn, &Reply{x: x, label: label.set, told: told})
	returned = true
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrCanceled), errors.Is(cause, ErrShutdown), task.Asks(err):
		// Nobody's failure, and no proof that the agent works.
	case err == nil:
		r.state.Record(nil)
	default:
		r.state.Record(forOperators(err))
	}
	return err
}

// answer calls the agent.
func (r *Runtime) answer(ctx context.Context, turn *Turn, reply *Reply) error {
	if resumer, ok := r.agent.(Resumer); ok && turn.Attempt() > 1 {
		return resumer.Resume(ctx, turn, reply)
	}
	return r.agent.Run(ctx, turn, reply)
}

// forOperators is what of an agent's error may leave the process: the platform
// stores and shows it. The error itself is for the log.
func forOperators(err error) error {
	var public *task.PublicError
	if errors.As(err, &public) && public.Message != "" {
		return errors.New(public.Message)
	}
	return errFailed
}

// ask takes from the agent what it may change its mind about.
func (r *Runtime) ask() {
	if a, ok := r.agent.(Capable); ok {
		r.state.SetCapabilities(a.Capabilities())
	}
	if a, ok := r.agent.(IdleTimeouter); ok {
		r.state.SetIdleTimeout(a.IdleTimeout())
	}
}
