package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// DefaultTimeout is how long one attempt of a call may take, from dialling to
// the last byte of the answer. The platform itself never gives up on a request.
const DefaultTimeout = 10 * time.Second

// How large bodies may be. The platform cuts an A2A request at 1 MiB without a
// word and an agent's answer at 10 MiB.
const (
	maxRequest = 8 << 20
	maxA2A     = 1 << 20
	maxError   = 64 << 10

	platformCut = 10 << 20
	maxAnswer   = platformCut + 64<<10 // so that a cut answer is told from a larger one
)

// Client speaks the platform's HTTP API for one workspace. Make it with
// [NewClient]. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	workspace string
	org       string
	log       *slog.Logger
	timeout   time.Duration
	retry     Retry
	tracing   tracing

	once   *http.Client          // one attempt, bounded by timeout
	open   *http.Client          // one attempt, bounded by the caller's context only
	repeat *retryablehttp.Client // once, with retries above it
}

// Option changes what [NewClient] makes.
type Option interface{ apply(*settings) }

type settings struct {
	transport http.RoundTripper
	org       string
	log       *slog.Logger
	timeout   time.Duration
	retry     Retry

	tracers    trace.TracerProvider
	propagator propagation.TextMapPropagator
}

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// WithTransport sets what sends the requests; give it a heartbeat.RoundTripper
// to have the bearer added and repaired. The Client never closes its idle
// connections. Default: a clone of [http.DefaultTransport], without a bearer.
func WithTransport(rt http.RoundTripper) Option {
	return optionFunc(func(s *settings) { s.transport = rt })
}

// WithOrgID sets the organisation that every call names in X-Molecule-Org-Id.
// A hosted platform answers 404 with an empty body without it. Default: none.
func WithOrgID(id string) Option {
	return optionFunc(func(s *settings) { s.org = strings.TrimSpace(id) })
}

// FromEnv is [WithOrgID] with $MOLECULE_ORG_ID, and nothing where that is unset
// or empty. The later of two options wins.
func FromEnv() Option {
	return optionFunc(func(s *settings) {
		if id := strings.TrimSpace(os.Getenv("MOLECULE_ORG_ID")); id != "" {
			s.org = id
		}
	})
}

// WithLogger sets where retries are told, at debug level. Default: nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(s *settings) {
		if l != nil {
			s.log = l
		}
	})
}

// WithTimeout sets how long one attempt of a call may take. Default:
// [DefaultTimeout]. [Client.SendA2A] has no limit but its context: a turn takes
// as long as it takes.
func WithTimeout(d time.Duration) Option {
	return optionFunc(func(s *settings) { s.timeout = d })
}

// WithRetry sets how safe calls are repeated. Default: the zero [Retry].
func WithRetry(r Retry) Option {
	return optionFunc(func(s *settings) { s.retry = r })
}

// NewClient makes a Client for the workspace with this id on the platform at
// baseURL. The id is written in lower case, as the platform compares it byte by
// byte. It reports everything that is wrong at once, and does no I/O.
func NewClient(baseURL, workspaceID string, opts ...Option) (*Client, error) {
	s := settings{log: slog.New(slog.DiscardHandler), timeout: DefaultTimeout}
	for _, o := range opts {
		o.apply(&s)
	}
	base, urlErr := parseBaseURL(baseURL)
	var idErr, timeoutErr error
	id := strings.ToLower(strings.TrimSpace(workspaceID))
	if err := checkID(id); err != nil {
		idErr = fmt.Errorf("registry: %w", err)
	}
	if s.timeout <= 0 {
		timeoutErr = fmt.Errorf("registry: timeout %v: use a positive duration", s.timeout)
	}
	orgErr := checkOrg(s.org)
	if err := errors.Join(urlErr, idErr, timeoutErr, orgErr, s.retry.check()); err != nil {
		return nil, err
	}
	if s.transport == nil {
		s.transport = http.DefaultTransport
		if t, ok := s.transport.(*http.Transport); ok { // a program may have put another type there
			s.transport = t.Clone()
		}
	}
	c := &Client{base: base, workspace: id, org: s.org, log: s.log, timeout: s.timeout, retry: s.retry.withDefaults(), tracing: newTracing(s.tracers, s.propagator)}
	c.chain(s.transport)
	return c, nil
}

// chain builds the layers of a call, outermost first:
//
//	span         one for the whole call; what is repeated below is an event of it
//	retries      repeat what is safe to repeat; see Retry
//	http.Client  the time limit of one attempt; redirects within the origin
//	transport    the caller's: bearer, 401, refresh, one more try
//	network
//
// So every attempt passes the bearer layer and carries the token of that
// moment, and a 401 is never the retries' business.
func (c *Client) chain(transport http.RoundTripper) {
	// Hidden behind a type of ours, the transport has no CloseIdleConnections
	// that the retry library could call after each failure.
	hidden := onlyRoundTrip{transport}
	c.once = &http.Client{Transport: hidden, CheckRedirect: c.sameOrigin, Timeout: c.timeout}
	c.open = &http.Client{Transport: hidden, CheckRedirect: c.sameOrigin}
	c.repeat = newRetrier(c.once, c.retry, c.log)
}

type onlyRoundTrip struct{ http.RoundTripper }

// Unwrap returns the transport the Client was given.
func (t onlyRoundTrip) Unwrap() http.RoundTripper { return t.RoundTripper }

// WorkspaceID is the id of the workspace this Client speaks for.
func (c *Client) WorkspaceID() string { return c.workspace }

// BaseURL is the platform's, without a trailing slash.
func (c *Client) BaseURL() string { return c.base.String() }

// errRedirect: the answer points to where this call must not go.
var errRedirect = errors.New("refused a redirect")

// sameOrigin lets a redirect pass that stays on the platform and is the same
// call: 301, 302 and 303 turn a POST into a GET, which would be another one.
func (c *Client) sameOrigin(req *http.Request, via []*http.Request) error {
	switch first := via[0]; {
	case origin(req.URL) != origin(c.base):
		return fmt.Errorf("%w to another origin, %s: possible wrong platform URL: set it to where the platform really is", errRedirect, origin(req.URL))
	case req.Method != first.Method:
		return fmt.Errorf("%w that makes a %s of a %s: possible login page or front proxy: set the platform URL to the platform itself", errRedirect, req.Method, first.Method)
	case len(via) >= 5:
		return fmt.Errorf("%w after 5 others: possible loop in a front proxy", errRedirect)
	}
	return nil
}

// call is one request to the platform.
type call struct {
	op     string // the Client's method, for errors
	method string
	path   string
	query  string // with its question mark; "" for none
	body   any    // marshalled as JSON; nil for none
	asks   repeatable
	caller bool // send X-Workspace-ID: this workspace speaks for itself
	limit  int  // of the marshalled body; 0 is maxRequest
	open   bool // no time limit but the context's
	quiet  bool // comes at a rhythm: not traced
	minor  bool // traced only as a part of something

	params *json.RawMessage // in body: the parameters of a message, to carry the trace; nil for none
}

// answer is what came back: any status, with as much of the body as is wanted.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes the call and decodes a 2xx answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	a, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if a.status < 200 || a.status > 299 {
		return answerError(k, a)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return unexpected(k, a, err)
	}
	return nil
}

// send makes the call and returns whatever the platform answered. It is the way
// out of this package for all but streams: events and files.
func (c *Client) send(ctx context.Context, k call) (a *answer, err error) {
	ctx, span := c.begin(ctx, k)
	defer func() { end(span, a, err) }()
	if k.params != nil {
		*k.params = c.carry(ctx, *k.params)
	}
	var body []byte
	if k.body != nil {
		if body, err = json.Marshal(k.body); err != nil {
			return nil, fmt.Errorf("registry: %s: encode the request: %w", k.op, err)
		}
		body = withoutNUL(body)
		limit := k.limit
		if limit == 0 {
			limit = maxRequest
		}
		if len(body) > limit {
			return nil, fmt.Errorf("registry: %s: %w: the request has %d bytes, at most %d", k.op, ErrTooLarge, len(body), limit)
		}
	}
	resp, err := c.roundTrip(ctx, k, body)
	if err != nil {
		if resp != nil { // the context ended just when an answer came
			_ = resp.Body.Close()
		}
		return nil, callError(k, err)
	}
	defer resp.Body.Close()
	read, err := readBody(resp)
	if err != nil {
		return nil, callError(k, err)
	}
	if most := bodyLimit(resp); len(read) > most {
		if resp.StatusCode <= 299 {
			return nil, fmt.Errorf("registry: %s: %w: the answer has more than %d bytes", k.op, ErrUnexpectedAnswer, most)
		}
		read = read[:most]
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: read}, nil
}

// readBody reads an answer, and one byte more than wanted if there are more.
func readBody(resp *http.Response) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(resp.Body, int64(bodyLimit(resp))+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return read, nil
}

func bodyLimit(resp *http.Response) int {
	if resp.StatusCode > 299 {
		return maxError
	}
	return maxAnswer
}

func (c *Client) roundTrip(ctx context.Context, k call, body []byte) (*http.Response, error) {
	target := c.base.String() + k.path + k.query
	if k.asks.repeat() {
		var raw any
		if body != nil {
			raw = body
		}
		req, err := retryablehttp.NewRequestWithContext(ctx, k.method, target, raw)
		if err != nil {
			return nil, err
		}
		c.headers(req.Request, k, body)
		req.SetResponseHandler(readWhole)
		return c.repeat.Do(req)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body) // net/http sets GetBody: a 401 can be replayed
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, reader)
	if err != nil {
		return nil, err
	}
	c.headers(req, k, body)
	if k.open {
		return c.open.Do(req)
	}
	return c.once.Do(req)
}

func (c *Client) headers(req *http.Request, k call, body []byte) {
	c.inject(req.Context(), k, req.Header)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.caller {
		req.Header.Set("X-Workspace-Id", c.workspace)
	}
	if c.org != "" {
		req.Header.Set("X-Molecule-Org-Id", c.org)
	}
}
