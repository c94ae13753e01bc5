package runtime

import (
	"context"
	"fmt"
	"github.com/molecule-ai/workspace-runtime-go/runtime/config"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/tool"
)

// Defaults of the options, exported for those who compute from them.
const (
	DefaultPort              = config.DefaultPort // where A2A is served when neither config.yaml nor an option says
	DefaultConfigDir         = "/configs"         // config.yaml and the token file
	DefaultHeartbeatInterval = 30 * time.Second   // the platform forgets a silent workspace after 180 s
	DefaultDrainTimeout      = 8 * time.Second    // below the 10 s a container gets between SIGTERM and SIGKILL
)

// Option changes what [New] makes. Options are applied in order; a later one
// wins over an earlier one, and any of them over what [FromEnv] found if it
// comes after it.
type Option interface{ apply(*settings) }

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// named is a setting together with what it was set by (an option or an
// environment variable), for errors that name what to change.
type named struct{ value, by string }

// settings is what the options fill in; New checks it.
type settings struct {
	store       task.Store
	shared      bool // by several processes
	turnTimeout time.Duration
	turnSilence time.Duration
	parallel    bool
	notifier    task.Notifier
	durability  Durability
	who         func(*http.Request) (string, error)
	rest        bool
	noInbox     bool
	attempts    int

	tools           []*tool.Tool
	toolObservers   []tool.Observer
	attachmentRoots []string // nil: not set

	workspaceID  named
	platformURL  named
	agentURL     named
	orgID        string
	configDir    string
	hostname     string // the host to advertise when the address names none
	addr         string
	listener     net.Listener
	noServer     bool
	services     []service
	commands     []Command
	makeTools    func(*Runtime, *config.Config) (*toolbox, error) // nil when there are to be none
	transport    http.RoundTripper
	tokens       heartbeat.TokenStore
	ownTransport bool // made here, so closed here
	interval     time.Duration
	limits       Limits
	trace        *heartbeat.Trace
	drain        time.Duration
	logger       *slog.Logger
	getenv       func(string) string
	telemetry    func(context.Context, TelemetryInfo) (Telemetry, error)
	observers    Telemetry // chosen one by one
	content      func(string) string

	envLogger func(io.Writer) *slog.Logger // what the environment asks for, when logger is nil
	warnings  []string                     // about the environment; Run logs them
	faults    []error                      // found while options were applied; New reports them
}

// bad keeps a fault: what was set, to which value, and what to do.
func (s *settings) bad(name, value, remedy string) {
	s.faults = append(s.faults, fmt.Errorf("%s=%q %s", name, value, remedy))
}

// Options makes one option of several, in their order.
func Options(opts ...Option) Option {
	return optionFunc(func(s *settings) {
		for _, o := range opts {
			o.apply(s)
		}
	})
}

// Fault is an option that cannot be: [New] reports err, with all else that is
// wrong. It is for packages that make options of settings of their own; nil
// changes nothing.
func Fault(err error) Option {
	return optionFunc(func(s *settings) {
		if err != nil {
			s.faults = append(s.faults, err)
		}
	})
}

// WithWorkspaceID sets the id the platform knows this workspace by, a UUID.
// Required, here or as WORKSPACE_ID through [FromEnv].
func WithWorkspaceID(id string) Option {
	return optionFunc(func(s *settings) { s.workspaceID = named{id, "WithWorkspaceID"} })
}

// WithPlatformURL sets the base URL of the platform, such as
// http://localhost:8080. Required, here or through [FromEnv], which has a
// default.
func WithPlatformURL(url string) Option {
	return optionFunc(func(s *settings) { s.platformURL = named{url, "WithPlatformURL"} })
}

// WithOrgID sets the organisation whose platform this is, sent with every
// call. Hosted platforms answer 404 without it. Default: none.
func WithOrgID(id string) Option {
	return optionFunc(func(s *settings) { s.orgID = id })
}

// WithConfigDir sets the directory of config.yaml and of the token file
// .auth_token. Default: [DefaultConfigDir].
func WithConfigDir(dir string) Option {
	return optionFunc(func(s *settings) { s.configDir = dir })
}

// WithAgentURL sets the base URL to advertise: where the platform reaches
// this workspace. Default: http://HOST:PORT, with the port listened on and as
// host the one listened on, or the machine's name when that is every address.
func WithAgentURL(url string) Option {
	return optionFunc(func(s *settings) { s.agentURL = named{url, "WithAgentURL"} })
}

// WithAddr sets the address to listen on, as in [net.Listen]. Default: every
// address, on the port config.yaml names (a2a.port), else [DefaultPort].
func WithAddr(addr string) Option {
	return optionFunc(func(s *settings) { s.addr = addr })
}

// WithListener gives a listener that is open already, instead of an address.
// The runtime closes it when Run returns.
func WithListener(l net.Listener) Option {
	return optionFunc(func(s *settings) { s.listener = l })
}

// WithoutServer makes Run not listen: the program mounts [Runtime.Handler] on
// a server of its own. Pairs with [WithAgentURL], which is then required.
func WithoutServer() Option {
	return optionFunc(func(s *settings) { s.noServer = true })
}

// WithTransport sets the transport below everything that is sent to the
// platform, for tests in memory and for proxies of one's own. The runtime adds
// the bearer above it and never closes it. Default: a transport of its own.
func WithTransport(base http.RoundTripper) Option {
	return optionFunc(func(s *settings) { s.transport = base })
}

// WithTokenStore sets where the workspace's token is kept, for those who keep it
// elsewhere than in a file. Default: the file .auth_token below [WithConfigDir],
// as a [platformauth.Store].
func WithTokenStore(tokens heartbeat.TokenStore) Option {
	return optionFunc(func(s *settings) { s.tokens = tokens })
}

// WithHeartbeatInterval sets how often the platform hears from an idle
// workspace. Default: [DefaultHeartbeatInterval].
func WithHeartbeatInterval(d time.Duration) Option {
	return optionFunc(func(s *settings) { s.interval = d })
}

// WithDrainTimeout sets how long turns under way may still take once Run's
// context has ended; then they are cancelled. Default: [DefaultDrainTimeout];
// keep it below what the container gets before it is killed.
func WithDrainTimeout(d time.Duration) Option {
	return optionFunc(func(s *settings) { s.drain = d })
}

// WithLogger sets where the runtime, and the agent through [Workspace.Logger],
// write their log. Default: nowhere; with [FromEnv], standard error.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(s *settings) { s.logger = l })
}

// WithLimits bounds what callers can make the workspace do and keep. Default:
// the zero Limits.
func WithLimits(l Limits) Option {
	return optionFunc(func(s *settings) { s.limits = l })
}

// Limits is for [WithLimits]. A field that is zero means its default.
type Limits struct {
	Turns          int           // at once; beyond it they wait ([task.DefaultMaxRunning])
	Queued         int           // turns that wait; beyond it messages are answered with 503 ([task.DefaultMaxQueued]; negative: none)
	TurnsPerCaller int           // the same for one caller that is known ([task.WithOwner]); default: no bound of its own
	Reply          int64         // bytes the agent may write in one task; beyond it the task fails ([task.DefaultMaxReplyBytes]; negative: no bound)
	Finished       int           // tasks that can be read after their end ([task.DefaultMaxFinished])
	FinishedBytes  int64         // what these tasks may hold together ([task.DefaultMaxFinishedBytes])
	FinishedAge    time.Duration // for how long; default: no bound
	Messages       int           // ids that are remembered, so that no message is answered twice ([task.DefaultMaxMessages])
	MessageAge     time.Duration // for how long; default: no bound
	Body           int64         // bytes of one request; beyond it the answer is 413 ([jsonrpc.DefaultMaxBody])
	Depth          int           // nesting of its JSON ([jsonrpc.DefaultMaxDepth])
}

// WithTaskStore sets where tasks are kept. The caller closes it after Run.
// Default: the file .runtime/tasks.db below [WithConfigDir], or memory when
// there is no place for it, which /readyz warns of. Use [task.NewMemory] where
// tasks need not outlive the process.
func WithTaskStore(s task.Store) Option {
	return optionFunc(func(set *settings) { set.store, set.shared = s, false })
}

// WithSharedTaskStore is [WithTaskStore] for a store that several processes of
// one workspace use at the same time, such as that of package pgstore. They
// stand for each other then: a caller may talk to any of them, and when one is
// gone another goes on with its turns. See [task.WithShared].
func WithSharedTaskStore(s task.Store) Option {
	return optionFunc(func(set *settings) { set.store, set.shared = s, true })
}

// WithTurnTimeouts bounds how long a turn may take in all, and how long it may
// write nothing. Its context ends then, with a cause that is [ErrTimeout], and
// its task fails. Default, and 0: no bound.
func WithTurnTimeouts(total, silence time.Duration) Option {
	return optionFunc(func(s *settings) { s.turnTimeout, s.turnSilence = total, silence })
}

// WithParallelTurns lets the turns of one conversation run at the same time.
// Default: one after another, in the order their messages came.
func WithParallelTurns() Option {
	return optionFunc(func(s *settings) { s.parallel = true })
}

// WithMaxAttempts sets how often a turn may be begun that the end of the process
// interrupts again and again; see [Resumer]. Default, and anything below 1:
// [task.DefaultMaxAttempts].
func WithMaxAttempts(n int) Option {
	return optionFunc(func(s *settings) { s.attempts = n })
}

// WithPushNotifications lets callers have push notifications: each change of a
// task's status is posted to the targets they name; see [task.WithPush]. The
// card says so. Package push has a notifier that keeps targets off private
// networks. Default: none are sent.
func WithPushNotifications(n task.Notifier) Option {
	return optionFunc(func(s *settings) { s.notifier = n })
}

// WithAuthenticator sets who callers are. It is asked for every request that
// speaks A2A, and returns the caller's name, or "" for one it does not know and
// lets in all the same; an error is answered with 401, and its text stays here.
// A task is visible to the caller only who has made it. Default: nobody is
// known, and every caller sees every task.
func WithAuthenticator(who func(*http.Request) (name string, err error)) Option {
	return optionFunc(func(s *settings) { s.who = who })
}

// WithREST serves A2A's HTTP+JSON binding (1.0) below /rest as well, on the same
// tasks, and names it in the card. Default: JSON-RPC only.
func WithREST() Option {
	return optionFunc(func(s *settings) { s.rest = true })
}

// WithoutInbox leaves finished delegations to the agent: it is not woken for
// them, and their user is not notified by the runtime. Default: each result is
// delivered as a turn; see [Turn.Delegations].
func WithoutInbox() Option {
	return optionFunc(func(s *settings) { s.noInbox = true })
}

// WithTrace sets functions that are told of every heartbeat, registration,
// refused token and recovery. Default: none.
func WithTrace(t *heartbeat.Trace) Option {
	return optionFunc(func(s *settings) { s.trace = t })
}
