package registrytest

import "log/slog"

// Mode is how the platform is deployed. It decides which addresses a workspace
// may register.
type Mode int

// The modes of the real platform.
const (
	SelfHosted Mode = iota // refuses private addresses
	SaaS                   // accepts them
)

type config struct {
	inMemory   bool
	mode       Mode
	production bool
	anyURL     bool
	org        string
	admin      string
	rate       int
	seed       uint64
	plan       *Plan
	log        *slog.Logger
}

func defaults() config {
	return config{rate: 1_000_000, log: slog.New(slog.DiscardHandler)}
}

// Option changes what [NewPlatform] and [Start] make.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithInMemory makes the platform live without a socket, so that it works
// inside a testing/synctest bubble. It is at http://platform.test for
// transports from [Platform.Transport].
func WithInMemory() Option { return optionFunc(func(c *config) { c.inMemory = true }) }

// WithMode sets the deployment. Default: [SelfHosted].
func WithMode(m Mode) Option { return optionFunc(func(c *config) { c.mode = m }) }

// WithProduction makes the proxy refuse to deliver to loopback addresses, as
// the platform does outside of development.
func WithProduction() Option { return optionFunc(func(c *config) { c.production = true }) }

// WithAnyURL makes the platform accept every URL, where the real one refuses
// loopback and private addresses and lets only the name localhost pass.
func WithAnyURL() Option { return optionFunc(func(c *config) { c.anyURL = true }) }

// WithOrgID makes the platform a hosted one of this organisation: calls
// without the right X-Molecule-Org-Id get an empty 404, except registration
// and heartbeat.
func WithOrgID(id string) Option { return optionFunc(func(c *config) { c.org = id }) }

// WithAdminToken sets the operator's token, which is accepted on workspace
// routes and refused on /registry.
func WithAdminToken(token string) Option { return optionFunc(func(c *config) { c.admin = token }) }

// WithRateLimit sets how many requests a minute one address may make. The real
// platform's default is 600; the double's is so high that it never matters.
func WithRateLimit(n int) Option { return optionFunc(func(c *config) { c.rate = n }) }

// WithFaults makes requests fail at random, the same way for the same seed and
// the same sequence of requests. See [Platform.Heal].
func WithFaults(seed uint64, plan Plan) Option {
	return optionFunc(func(c *config) { c.seed, c.plan = seed, &plan })
}

// WithLogger sets where the platform says what it does. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return optionFunc(func(c *config) { c.log = l }) }
