package heartbeat_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// real is a Loop with a token file on disk against a platform on loopback. What
// it proves is that the parts fit; times are measured by internal/rotate.
type real struct {
	t        *testing.T
	platform *registrytest.Platform
	row      *registrytest.Workspace
	path     string
	loop     *heartbeat.Loop
	http     *http.Client
}

func newReal(t *testing.T, interval time.Duration, opts ...registrytest.Option) *real {
	t.Helper()
	r := &real{
		t: t, platform: registrytest.NewPlatform(t, opts...),
		path: filepath.Join(t.TempDir(), "configs", ".auth_token"),
	}
	if err := os.Mkdir(filepath.Dir(r.path), 0o700); err != nil {
		t.Fatal(err)
	}
	r.row = r.platform.AddWorkspace(bedID)
	store := platformauth.NewStore(r.path)
	rt, err := heartbeat.NewRoundTripper(r.platform.URL(), store, heartbeat.WithBase(r.platform.Transport()))
	if err != nil {
		t.Fatal(err)
	}
	r.http = &http.Client{Transport: rt, Timeout: 10 * time.Second}
	client, err := registry.NewClient(r.platform.URL(), bedID, registry.WithTransport(rt))
	if err != nil {
		t.Fatal(err)
	}
	r.loop, err = heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: client, Transport: rt, Tokens: store, Interval: interval,
		Registration: func() heartbeat.Registration {
			return heartbeat.Registration{URL: "http://localhost:8000", Card: []byte(`{"name":"real"}`)}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run begins the life; it ends with the test.
func (r *real) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.loop.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run returned %v", err)
		}
	})
}

// await waits until something holds on the platform.
func (r *real) await(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	if err := r.platform.Await(ctx, ok); err != nil {
		r.t.Fatalf("waiting for %s: %v; %+v", what, err, r.loop.Status())
	}
}

// proved says that the newest token has been used for a heartbeat and for a
// call that needs it.
func (r *real) proved() bool {
	generation := r.row.Generation()
	if r.row.LastHeartbeat().TokenGen != generation {
		return false
	}
	for _, q := range r.platform.RequestsTo(http.MethodGet, "/workspaces/"+bedID+"/state") {
		if q.TokenGen == generation && q.Status == http.StatusOK {
			return true
		}
	}
	return false
}

// stalls measures, until it is asked, for how long in all a goroutine that wanted
// to run did not.
func stalls(t *testing.T) (still func() time.Duration) {
	stop, result := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		const every, usual = 5 * time.Millisecond, 20 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		sum, last := time.Duration(0), time.Now()
		for {
			over := false
			select {
			case <-tick.C:
			case <-stop:
				over = true
			}
			if gap := time.Since(last); gap > usual {
				sum += gap
			}
			last = time.Now()
			if over {
				result <- sum
				return
			}
		}
	}()
	still = sync.OnceValue(func() time.Duration {
		close(stop)
		return <-result
	})
	t.Cleanup(func() { still() })
	return still
}

func TestRotationsWithAFileThatLags(t *testing.T) {
	r := newReal(t, 30*time.Second)
	r.run()
	r.await("the first token", func() bool { return len(r.row.Heartbeats()) > 0 })
	for name, how := range map[string]registrytest.Rotation{
		"in place": {Lag: 150 * time.Millisecond},
		"torn":     {Lag: 150 * time.Millisecond, Torn: 3 * time.Millisecond},
		"renamed":  {Lag: 150 * time.Millisecond, Atomic: true},
		"at once":  {},
	} {
		t.Run(name, func(t *testing.T) {
			how.Path = r.path
			before, begin := len(r.platform.Requests()), time.Now()
			stalled := stalls(t)
			rotated := r.row.RotateFile(how)
			r.loop.Beat()
			<-rotated.Written
			if err := rotated.Err(); err != nil {
				t.Fatal(err)
			}
			r.await("the proof of the new token", r.proved)
			got := r.platform.Requests()[before:]
			if len(got) <= 1+3 {
				return
			}
			// Who does not see the file climbs on: because he has missed it, or
			// because he, or its writer, was not given the processor. A writer
			// that is not leaves half a token for longer than anybody waits.
			const slow = 300 * time.Millisecond
			half := func(q registrytest.Request) bool { return q.TokenGen < 0 }
			still, late := stalled(), rotated.At().Sub(begin)-how.Lag-how.Torn
			if still > slow || late > slow || how.Torn > 0 && slices.ContainsFunc(got, half) {
				t.Logf("the machine stood still for %v, and the writer was %v late, so that %d requests say nothing", still, late, len(got))
				return
			}
			t.Errorf("%d requests beyond the heartbeat that met it; the file was complete at %v", len(got)-1, rotated.At())
			for _, q := range got {
				t.Logf("%v %s %s token %d: %d", q.At, q.Method, q.Path, q.TokenGen, q.Status)
			}
		})
	}
}

func TestRevokeWithoutAFileOnDisk(t *testing.T) {
	r := newReal(t, time.Second)
	r.run()
	r.await("the first token", r.proved)
	r.row.Revoke()
	r.await("another token", func() bool { return r.row.LiveTokens() == 1 && r.proved() })
	info, err := os.Stat(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %v", mode)
	}
	resp, err := r.http.Get(r.platform.URL() + "/workspaces/" + bedID + "/delegations")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a call with the new token: %d", resp.StatusCode)
	}
}

// A token that cannot be saved: its directory cannot be made, because a file
// stands where it should be.
func TestDirectoryThatCannotBeMade(t *testing.T) {
	r := newReal(t, time.Second)
	configs := filepath.Dir(r.path)
	r.run()
	r.await("the first token", r.proved)
	if err := os.RemoveAll(configs); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "nowhere", "deep"), configs); err != nil {
		t.Fatal(err)
	}
	r.row.Revoke()
	r.await("another token", func() bool { return r.row.Generation() == 2 && r.proved() })
	if s := r.loop.Status(); s.TokenPersisted || !strings.Contains(s.Alarm, "not on disk") {
		t.Errorf("status %+v", s)
	}
	if err := os.Remove(configs); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(configs, 0o700); err != nil {
		t.Fatal(err)
	}
	r.await("the token on disk", func() bool {
		text, err := os.ReadFile(r.path)
		return err == nil && len(strings.TrimSpace(string(text))) > 0
	})
}

func TestPlatformThatComesLate(t *testing.T) {
	r := newReal(t, 3*time.Second)
	r.platform.Down()
	r.run()
	if err := r.platform.Up(); err != nil {
		t.Fatal(err)
	}
	r.platform.Fail(registrytest.Any, registrytest.Fault{Status: 503, Times: 3})
	r.await("a registration and a heartbeat", func() bool {
		return r.row.Watched() && len(r.row.Heartbeats()) > 0 && r.row.Card() != nil
	})
	if beat := r.row.LastHeartbeat(); !beat.Metadata {
		t.Errorf("heartbeat %+v", beat)
	}
}
