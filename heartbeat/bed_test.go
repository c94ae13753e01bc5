package heartbeat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

const (
	bedID  = "5f0c2a9e-1111-4222-8333-444455556666"
	bedURL = "http://platform.test"
)

// bedPlatform is the smallest platform a Loop can live on: a transport that
// answers from memory, in no time unless told otherwise, and writes down what
// came. What the Loop does at which moment is tested on it; whole lives are
// tested on registrytest, which has all the quirks.
type bedPlatform struct {
	mu     sync.Mutex
	start  time.Time
	live   string // the live token, "" when none
	row    string // the workspace's status
	minted int
	script func(c bedCall) *bedAnswer // nil or a nil answer: as the contract says
	calls  []bedCall
	idle   int // how often idle connections were closed
}

// bedCall is one request that arrived.
type bedCall struct {
	at     time.Duration
	op     string // register, beat, card, look, verify
	bearer string
	body   []byte
	status int // 0 when it got no answer
	nth    int // of its op, from 1
}

func (c bedCall) beat(t *testing.T) registry.HeartbeatRequest {
	t.Helper()
	var body registry.HeartbeatRequest
	if err := json.Unmarshal(c.body, &body); err != nil {
		t.Fatalf("heartbeat body %s: %v", c.body, err)
	}
	return body
}

// bedAnswer is an answer out of the script.
type bedAnswer struct {
	status     int
	body       string
	retryAfter int
	err        error         // no answer: the connection failed
	hang       bool          // no answer until the caller gives up
	delay      time.Duration // before the answer
	late       bool          // as the contract says, after the delay
}

func (p *bedPlatform) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	c := bedCall{op: bedOp(req), bearer: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), body: body}
	p.mu.Lock()
	c.at, c.nth = time.Since(p.start), 1
	for _, before := range p.calls {
		if before.op == c.op {
			c.nth++
		}
	}
	i := len(p.calls)
	p.calls = append(p.calls, c)
	script := p.script
	p.mu.Unlock()

	var a *bedAnswer
	if script != nil {
		a = script(c)
	}
	if a != nil && a.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if a != nil && a.delay > 0 {
		select {
		case <-time.After(a.delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if a == nil || a.late {
		a = p.contract(c)
	}
	if a.err != nil {
		return nil, a.err
	}
	p.mu.Lock()
	p.calls[i].status = a.status
	p.mu.Unlock()
	header := http.Header{"Content-Type": {"application/json"}}
	if a.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	return &http.Response{
		StatusCode: a.status, Status: fmt.Sprint(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

func (p *bedPlatform) CloseIdleConnections() {
	p.mu.Lock()
	p.idle++
	p.mu.Unlock()
}

func bedOp(req *http.Request) string {
	switch path := req.URL.Path; {
	case path == "/registry/register":
		return "register"
	case path == "/registry/heartbeat":
		return "beat"
	case path == "/registry/update-card":
		return "card"
	case strings.HasSuffix(path, "/state"):
		return "verify"
	case req.Method == http.MethodGet && strings.Count(path, "/") == 2:
		return "look"
	default:
		return req.Method + " " + path
	}
}

// contract answers as the platform does.
func (p *bedPlatform) contract(c bedCall) *bedAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	unauthorized := &bedAnswer{status: 401, body: `{"error":"invalid workspace auth token"}`}
	switch c.op {
	case "look":
		if p.row == "" {
			return &bedAnswer{status: 404, body: `{"error":"workspace not found"}`}
		}
		return &bedAnswer{status: 200, body: fmt.Sprintf(`{"id":%q,"status":%q}`, bedID, p.row)}
	case "verify":
		if p.live == "" || c.bearer != p.live {
			return unauthorized
		}
		return &bedAnswer{status: 200, body: fmt.Sprintf(`{"workspace_id":%q,"status":%q,"paused":%v,"deleted":false}`, bedID, p.row, p.row == "paused")}
	}
	if p.live != "" && c.bearer != p.live {
		return unauthorized
	}
	switch c.op {
	case "register":
		p.row = "online"
		if p.live != "" {
			return &bedAnswer{status: 200, body: `{"status":"registered"}`}
		}
		p.minted++
		p.live = fmt.Sprintf("minted-%d", p.minted)
		return &bedAnswer{status: 200, body: fmt.Sprintf(`{"status":"registered","auth_token":%q}`, p.live)}
	case "card":
		return &bedAnswer{status: 200, body: `{"status":"updated"}`}
	default:
		return &bedAnswer{status: 200, body: `{"status":"ok"}`}
	}
}

// bedTokens is a token file in memory.
type bedTokens struct {
	mu        sync.Mutex
	disk      string // what the file holds
	cache     string // what is used
	unsaved   bool
	saveErr   error
	readErr   error
	saves     []string
	reads     int
	changed   chan struct{}
	unwatched bool // a change of the file is seen by a refresh only
}

func newBedTokens(token string) *bedTokens {
	return &bedTokens{disk: token, cache: token, changed: make(chan struct{})}
}

func (b *bedTokens) set(token string) {
	if b.cache != token {
		b.cache = token
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// write is the platform writing the file.
func (b *bedTokens) write(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disk = token
	if !b.unwatched {
		b.unsaved = false
		b.set(token)
	}
}

func (b *bedTokens) value() []string {
	if b.cache == "" {
		return nil
	}
	return []string{"Bearer " + b.cache}
}

func (b *bedTokens) Authorization() ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readErr != nil {
		return nil, b.readErr
	}
	return b.value(), nil
}

func (b *bedTokens) RefreshAuthorization(stale []string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.value(); len(stale) > 0 && len(v) > 0 && v[0] != stale[0] {
		return v, nil
	}
	b.reads++
	if !b.unsaved {
		b.set(b.disk)
	}
	return b.value(), nil
}

// unreadable makes reading fail, or work again.
func (b *bedTokens) unreadable(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readErr = err
}

func (b *bedTokens) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

func (b *bedTokens) Watch(ctx context.Context) error { <-ctx.Done(); return nil }

func (b *bedTokens) Save(token string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saves = append(b.saves, token)
	b.set(token)
	if b.unsaved = b.saveErr != nil; b.unsaved {
		return b.saveErr
	}
	b.disk = token
	return nil
}

func (b *bedTokens) Persisted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.unsaved
}

// bed is a Loop on a bedPlatform inside a bubble.
type bed struct {
	t        *testing.T
	platform *bedPlatform
	tokens   *bedTokens
	state    *heartbeat.State
	rt       *heartbeat.RoundTripper
	http     *http.Client
	loop     *heartbeat.Loop
	logs     *bytes.Buffer
	reg      heartbeat.Registration // guarded by the platform's lock, see offer
	stop     context.CancelFunc
	done     chan error
}

// newBed makes a bed; token is both the live one and the one on file.
func newBed(t *testing.T, token string, change ...func(*heartbeat.LoopConfig)) *bed {
	t.Helper()
	b := &bed{
		t:        t,
		platform: &bedPlatform{start: time.Now(), live: token, row: "provisioning"},
		tokens:   newBedTokens(token),
		state:    heartbeat.NewState(),
		logs:     new(bytes.Buffer),
		reg:      heartbeat.Registration{URL: "http://agent.test", Card: json.RawMessage(`{"name":"bed"}`)},
	}
	var err error
	if b.rt, err = heartbeat.NewRoundTripper(bedURL, b.tokens, heartbeat.WithBase(b.platform)); err != nil {
		t.Fatal(err)
	}
	b.http = &http.Client{Transport: b.rt}
	b.loop = b.loopOver(b.rt, change...)
	return b
}

// loopOver makes a Loop of the bed's parts on a transport.
func (b *bed) loopOver(rt *heartbeat.RoundTripper, change ...func(*heartbeat.LoopConfig)) *heartbeat.Loop {
	b.t.Helper()
	client, err := registry.NewClient(bedURL, bedID, registry.WithTransport(rt))
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := heartbeat.LoopConfig{
		Client: client, Transport: rt, Tokens: b.tokens, State: b.state,
		Registration: func() heartbeat.Registration {
			b.platform.mu.Lock()
			defer b.platform.mu.Unlock()
			return b.reg
		},
		Logger: slog.New(slog.NewTextHandler(&bedLog{b: b.logs}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, f := range change {
		f(&cfg)
	}
	loop, err := heartbeat.NewLoop(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return loop
}

// bedLog is a buffer that may be read while it is written.
type bedLog struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *bedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// run begins the life and returns when everything rests.
func (b *bed) run() {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	b.stop, b.done = stop, make(chan error, 1)
	go func() { b.done <- b.loop.Run(ctx) }()
	synctest.Wait()
}

// end ends the life and returns what Run returned.
func (b *bed) end() error {
	b.t.Helper()
	b.stop()
	return <-b.done
}

// pass lets time pass and returns when everything rests.
func (b *bed) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set changes the platform.
func (b *bed) set(f func(p *bedPlatform)) {
	b.platform.mu.Lock()
	defer b.platform.mu.Unlock()
	f(b.platform)
}

// offer changes what the workspace registers with.
func (b *bed) offer(change func(*heartbeat.Registration)) {
	b.set(func(*bedPlatform) { change(&b.reg) })
}

// script says how calls are answered from now on.
func (b *bed) script(f func(c bedCall) *bedAnswer) { b.set(func(p *bedPlatform) { p.script = f }) }

// rotate revokes the token and issues another one, without a file.
func (b *bed) rotate(token string) { b.set(func(p *bedPlatform) { p.live = token }) }

// calls returns what arrived since a moment, of some kinds or of all.
func (b *bed) calls(since time.Duration, ops ...string) []bedCall {
	b.platform.mu.Lock()
	defer b.platform.mu.Unlock()
	var out []bedCall
	for _, c := range b.platform.calls {
		if c.at < since {
			continue
		}
		for _, op := range ops {
			if c.op == op {
				out = append(out, c)
			}
		}
		if len(ops) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// closedIdle is how often idle connections were closed.
func (b *bed) closedIdle() (n int) {
	b.set(func(p *bedPlatform) { n = p.idle })
	return n
}

// now is how long the bed exists.
func (b *bed) now() time.Duration { return time.Since(b.platform.start) }

// story renders calls as "register 200, beat 401".
func story(calls []bedCall) string {
	var s []string
	for _, c := range calls {
		if c.status == 0 {
			s = append(s, c.op+" -")
		} else {
			s = append(s, fmt.Sprintf("%s %d", c.op, c.status))
		}
	}
	return strings.Join(s, ", ")
}

// wantStory compares what arrived since a moment.
func (b *bed) wantStory(since time.Duration, want string) {
	b.t.Helper()
	if got := story(b.calls(since)); got != want {
		b.t.Errorf("the platform saw\n\t%s\nwant\n\t%s", got, want)
	}
}

// only scripts the calls of one kind.
func only(op string, f func(nth int) *bedAnswer) func(bedCall) *bedAnswer {
	return func(c bedCall) *bedAnswer {
		if c.op != op {
			return nil
		}
		return f(c.nth)
	}
}

// always scripts one answer.
func always(a bedAnswer) func(int) *bedAnswer { return func(int) *bedAnswer { return &a } }

var errRefused = errors.New("connect: connection refused")
