package temporal

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
)

// Defaults of the options.
const (
	DefaultNamespace        = client.DefaultNamespace
	DefaultHeartbeatTimeout = 2 * time.Second // a process is given up that was silent for so long
	DefaultPlaceTimeout     = 2 * time.Second // for the server to take a turn
)

// Option changes what [Durable] and [FromEnv] make.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	client    client.Options
	codec     converter.PayloadCodec
	change    []func(*client.Options)
	heartbeat time.Duration
	place     time.Duration
	patience  time.Duration // of the first attempt, for its process
	retry     sdk.RetryPolicy
	require   bool
	faults    []error
}

func newConfig() config {
	return config{
		client:    client.Options{HostPort: client.DefaultHostPort, Namespace: DefaultNamespace},
		heartbeat: DefaultHeartbeatTimeout,
		place:     DefaultPlaceTimeout,
		patience:  time.Second,
		retry: sdk.RetryPolicy{
			InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1, // a process that has died again and again is soon given up by the engine
		},
	}
}

// check says what is wrong.
func (c *config) check() error {
	faults := c.faults
	if c.heartbeat < 300*time.Millisecond || c.heartbeat > time.Hour {
		faults = append(faults, fmt.Errorf("temporal: WithHeartbeatTimeout: %v is out of range; use 300ms to 1h", c.heartbeat))
	}
	if c.place <= 0 {
		faults = append(faults, fmt.Errorf("temporal: WithPlaceTimeout: %v is not positive; use a duration such as 2s", c.place))
	}
	if c.retry.MaximumAttempts != 0 {
		faults = append(faults, errors.New("temporal: WithRetryPolicy: MaximumAttempts would leave a turn behind that nobody ends; use runtime.WithMaxAttempts, which fails its task"))
	}
	return errors.Join(faults...)
}

// WithHost sets the server's address, host:port. Default: localhost:7233.
func WithHost(hostPort string) Option {
	return optionFunc(func(c *config) { c.client.HostPort = hostPort })
}

// WithNamespace sets the namespace, which must exist. Default:
// [DefaultNamespace].
func WithNamespace(name string) Option {
	return optionFunc(func(c *config) { c.client.Namespace = name })
}

// WithTLS sets how the connection is secured; nil: not at all, the default.
func WithTLS(t *tls.Config) Option {
	return optionFunc(func(c *config) { c.client.ConnectionOptions.TLS = t })
}

// WithPayloadCodec sets what encodes, such as encrypts, everything that the
// server is given to keep. That is little: the ids of tasks and the kinds of
// their outcomes. All processes of a workspace need the same. Default: none.
func WithPayloadCodec(codec converter.PayloadCodec) Option {
	return optionFunc(func(c *config) { c.codec = codec })
}

// WithHeartbeatTimeout sets after how much silence the server gives a process
// up, and its turns to another. The runtime sends a heartbeat in every third of
// it for each turn. A shorter one takes turns from processes that are only
// slow, which costs an attempt. Default: [DefaultHeartbeatTimeout].
func WithHeartbeatTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.heartbeat = d })
}

// WithPlaceTimeout sets how long the server may take to accept a turn before
// the turn runs without it. Default: [DefaultPlaceTimeout].
func WithPlaceTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.place = d })
}

// WithRetryPolicy sets how soon a turn is tried again whose process has died or
// had no room. MaximumAttempts must be left 0: how often a turn may be begun is
// for [runtime.WithMaxAttempts]. Default: after 100 ms each time. A turn that was
// handed over is tried again at once, and after a second where the task store
// fails.
func WithRetryPolicy(p sdk.RetryPolicy) Option {
	return optionFunc(func(c *config) { c.retry = p })
}

// WithClient lets change have the last word about the options of the client:
// for credentials, interceptors and metrics, which have no option here. A data
// converter that it sets is encoded by [WithPayloadCodec] all the same.
func WithClient(change func(*client.Options)) Option {
	return optionFunc(func(c *config) { c.change = append(c.change, change) })
}

// Require refuses messages with 503, and keeps the workspace unready, while the
// server is not there. Default: turns run without it meanwhile.
func Require() Option {
	return optionFunc(func(c *config) { c.require = true })
}
