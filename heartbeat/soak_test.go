package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// soakSeeds is how many lives are lived; SOAK_SEEDS asks for another number.
const soakSeeds = 12

// TestSoakTwoHoursOfRandomFaults lives two hours of trouble, drawn from a seed,
// and then some quiet minutes. What must hold:
//
//   - at all times: no call is sent more than twice, no minute has a storm, and
//     Run goes on
//   - soon after the last fault: registered, the token proved, nothing to say
//   - from then on: every call carries the one live token, and heartbeats keep
//     their rhythm
//
// One life alone: SOAK_SEED=17 go test -run Soak -v
func TestSoakTwoHoursOfRandomFaults(t *testing.T) {
	first, seeds := 0, soakSeeds
	if n, err := strconv.Atoi(os.Getenv("SOAK_SEEDS")); err == nil {
		seeds = n
	}
	if n, err := strconv.Atoi(os.Getenv("SOAK_SEED")); err == nil {
		first, seeds = n, 1
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSoak(t, uint64(seed)).live() })
		})
	}
}

// soak is one life.
type soak struct {
	t        *testing.T
	random   *rand.Rand // of the faults
	platform *registrytest.Platform
	row      *registrytest.Workspace
	tokens   *bedTokens
	state    *heartbeat.State
	loop     *heartbeat.Loop
	wire     *soakWire
	outside  *http.Client // somebody else who uses the transport
	writes   sync.WaitGroup
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	options := []registrytest.Option{registrytest.WithInMemory()}
	if seed%2 == 1 { // and beside all that, one call in twenty fails
		options = append(options, registrytest.WithFaults(seed, registrytest.Plan{Rate: 0.05}))
	}
	s := &soak{
		t:        t,
		random:   rand.New(rand.NewPCG(seed, 0)),
		platform: registrytest.NewPlatform(t, options...),
		tokens:   newBedTokens(""),
		state:    heartbeat.NewState(),
	}
	s.row = s.platform.AddWorkspace(bedID)
	if s.chance(2) { // the local provisioner brings a file, the hosted one none
		s.tokens.write(s.row.Rotate())
	}
	s.wire = &soakWire{base: s.platform.Transport(), start: time.Now(), perMinute: map[int]int{}}
	rt, err := heartbeat.NewRoundTripper(s.platform.URL(), s.tokens, heartbeat.WithBase(s.wire))
	if err != nil {
		t.Fatal(err)
	}
	counted := &soakCounter{base: rt, wire: s.wire}
	s.outside = &http.Client{Transport: counted, Timeout: 10 * time.Second}
	client, err := registry.NewClient(s.platform.URL(), bedID, registry.WithTransport(counted))
	if err != nil {
		t.Fatal(err)
	}
	cfg := heartbeat.LoopConfig{
		Client: client, Transport: rt, Tokens: s.tokens, State: s.state,
		Registration: func() heartbeat.Registration {
			return heartbeat.Registration{URL: "http://localhost:8000", Card: []byte(`{"name":"soak"}`)}
		},
	}
	if os.Getenv("SOAK_SEED") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if s.loop, err = heartbeat.NewLoop(cfg); err != nil {
		t.Fatal(err)
	}
	jitter := rand.New(rand.NewPCG(seed, 1))
	s.loop.SetRandom(jitter.Float64)
	return s
}

func (s *soak) live() {
	ctx, stop := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.loop.Run(ctx) }()

	for end := time.Now().Add(2 * time.Hour); time.Now().Before(end); {
		name, repair := s.fault()
		s.t.Logf("%v %s", time.Since(s.wire.start).Round(time.Second), name)
		s.work(s.upTo(4 * time.Minute))
		repair()
		s.work(s.upTo(3 * time.Minute))
	}
	s.writes.Wait()
	s.platform.Heal()
	// An answer that held a new token may have been lost on its way. Then only
	// an operator helps, as the alarm says.
	time.Sleep(time.Minute)
	if s.lockedOut() {
		s.tokens.write(s.row.IssueToken())
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	s.wantWell()
	s.wantQuiet(10 * time.Minute)

	stop()
	if err := <-done; err != nil {
		s.t.Errorf("Run returned %v", err)
	}
	s.wire.check(s.t)
	s.platform.Close()
}

// fault breaks something, and returns what it was and what mends it.
func (s *soak) fault() (string, func()) {
	nothing := func() {}
	switch s.random.IntN(13) {
	case 0, 1, 2:
		lag := s.upTo(5 * time.Second)
		s.rotate(lag, s.chance(2))
		return fmt.Sprint("rotation, the file lags by ", lag), nothing
	case 3:
		s.rotate(s.upTo(3*time.Second), true)
		time.Sleep(s.upTo(2 * time.Second))
		s.rotate(s.upTo(3*time.Second), false)
		return "two rotations in a row", nothing
	case 4:
		s.row.Revoke()
		return "revoke without a file", nothing
	case 5:
		s.platform.Down()
		return "platform down", func() {
			if err := s.platform.Up(); err != nil {
				s.t.Fatal(err)
			}
			s.wantBeat()
		}
	case 6:
		s.platform.DatabaseDown(true)
		return "database down", func() { s.platform.DatabaseDown(false); s.wantBeat() }
	case 7:
		s.row.Pause()
		// Long enough to be seen: nothing tells of a shorter sleep.
		return "paused", func() { time.Sleep(75 * time.Second); s.row.SetStatus(registry.StatusProvisioning) }
	case 8:
		s.tokens.fail(errors.New("read-only file system"))
		s.row.Revoke()
		return "disk read-only, and revoke", func() { s.tokens.fail(nil) }
	case 9:
		s.row.SetStatus(registry.StatusFailed)
		return "row failed", nothing
	case 10:
		s.row.Revoke()
		s.tokens.write("")
		return "the volume was wiped, and revoke", nothing
	default:
		faults := []registrytest.Fault{
			{Status: 500}, {Status: 502}, {Status: 503, RetryAfter: 7}, {Status: 429, RetryAfter: 20}, {Status: 401}, {Status: 403},
			{Reset: true}, {Hang: true}, {HTML: true}, {Delay: s.upTo(15 * time.Second)}, {Duplicate: true},
			{HalfOpen: true}, {Lost: true}, {Truncate: true},
		}
		f := faults[s.random.IntN(len(faults))]
		f.Times = 1 + s.random.IntN(8)
		s.platform.Fail(registrytest.Any, f)
		return fmt.Sprintf("%+v", f), nothing
	}
}

// rotate revokes and issues a token, and writes the file when it is late
// enough; torn in two writes.
func (s *soak) rotate(lag time.Duration, torn bool) {
	token := s.row.Rotate()
	s.writes.Go(func() {
		time.Sleep(lag)
		if torn {
			s.tokens.write("")
			s.tokens.write(token[:len(token)/2])
			time.Sleep(20 * time.Millisecond)
		}
		s.tokens.write(token)
	})
}

// work lets time pass with a task now and then, and calls of others.
func (s *soak) work(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		end := s.state.Begin("work")
		time.Sleep(s.upTo(5 * time.Second))
		end()
		s.state.Record(nil)
		if resp, err := s.outside.Get(s.platform.URL() + "/workspaces/" + bedID + "/delegations"); err == nil {
			resp.Body.Close()
		}
		time.Sleep(s.upTo(time.Minute))
	}
}

func (s *soak) upTo(d time.Duration) time.Duration { return time.Duration(s.random.Int64N(int64(d))) }
func (s *soak) chance(n int) bool                  { return s.random.IntN(n) == 0 }

// wantBeat waits for an accepted heartbeat after an outage: within an interval
// and a tenth, and as long again when one more call fails on the way.
func (s *soak) wantBeat() {
	s.t.Helper()
	from := time.Now()
	time.Sleep(66 * time.Second)
	if s.lockedOut() {
		return // an answer that held a token was lost before: the outage is not over
	}
	if at := s.loop.Status().LastAccepted; !at.After(from) {
		s.t.Errorf("no heartbeat was accepted for %v after the outage: %+v", time.Since(from), s.loop.Status())
	}
}

// lockedOut says that only an operator can help: an answer that held the new
// token was lost on its way.
func (s *soak) lockedOut() bool {
	return strings.Contains(s.loop.Status().Alarm, "another live token")
}

func (s *soak) wantWell() {
	s.t.Helper()
	st := s.loop.Status()
	if !st.Registered || !st.TokenAccepted || !st.TokenPersisted || st.LastError != nil || st.Failures != 0 || st.Alarm != "" {
		s.t.Fatalf("two minutes after the last fault: %+v", st)
	}
	if got := s.row.Status(); got != registry.StatusOnline {
		s.t.Errorf("the row is %s", got)
	}
	if !s.row.Watched() {
		s.t.Error("the platform does not watch this workspace")
	}
}

// wantQuiet lets time pass in which nothing may happen but the rhythm.
func (s *soak) wantQuiet(d time.Duration) {
	s.t.Helper()
	from, beats := len(s.platform.Requests()), len(s.row.Heartbeats())
	time.Sleep(d)
	synctest.Wait()
	for _, r := range s.platform.Requests()[from:] {
		if !r.Live || r.Status != http.StatusOK {
			s.t.Errorf("%s %s with token %d of %d (live: %v): %d", r.Method, r.Path, r.TokenGen, s.row.Generation(), r.Live, r.Status)
		}
	}
	if got := s.wire.tokensSince(time.Now().Add(-d)); got != 1 {
		s.t.Errorf("%d different tokens on the wire after the recovery", got)
	}
	last := time.Now().Add(-d)
	for _, b := range s.row.Heartbeats()[beats:] {
		if gap := b.At.Sub(last); gap > 33*time.Second+time.Millisecond {
			s.t.Errorf("%v without a heartbeat", gap)
		}
		last = b.At
	}
	if got := len(s.platform.Requests()) - from; got > 2*int(d/(27*time.Second))+2 {
		s.t.Errorf("%d requests in %v of quiet", got, d)
	}
}

// fail makes saving fail, or work again.
func (b *bedTokens) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saveErr = err
}

// soakWire is below the RoundTripper and sees every request that is sent.
type soakWire struct {
	base  *http.Transport
	start time.Time

	mu        sync.Mutex
	sent      []soakSent
	perMinute map[int]int
	mostTries int
}

type soakSent struct {
	at     time.Time
	bearer string
}

type triesKey struct{}

func (w *soakWire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent = append(w.sent, soakSent{time.Now(), req.Header.Get("Authorization")})
	w.perMinute[int(time.Since(w.start)/time.Minute)]++
	if tries, ok := req.Context().Value(triesKey{}).(*int); ok {
		*tries++
		w.mostTries = max(w.mostTries, *tries)
	}
	w.mu.Unlock()
	return w.base.RoundTrip(req)
}

func (w *soakWire) CloseIdleConnections() { w.base.CloseIdleConnections() }

// tokensSince counts the different tokens sent since then.
func (w *soakWire) tokensSince(at time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]bool{}
	for _, s := range w.sent {
		if !s.at.Before(at) {
			seen[s.bearer] = true
		}
	}
	return len(seen)
}

func (w *soakWire) check(t *testing.T) {
	t.Helper()
	if w.mostTries > 2 {
		t.Errorf("a call was sent %d times", w.mostTries)
	}
	for minute, n := range w.perMinute {
		if n > 150 {
			t.Errorf("%d requests in minute %d", n, minute)
		}
	}
}

// soakCounter is above the RoundTripper and gives each call its count of tries.
type soakCounter struct {
	base http.RoundTripper
	wire *soakWire
}

func (c *soakCounter) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.base.RoundTrip(req.WithContext(context.WithValue(req.Context(), triesKey{}, new(int))))
}
