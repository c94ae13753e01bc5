package runtime_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// A platform that is away at boot, and then answers 503 for a while, is joined
// within ten seconds of its return; the workspace serves from the start.
func TestPlatformDownAtBootForFiveSecondsThen503ThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t, true, parrot, runtime.WithTokenStore(newPocket()), runtime.WithHeartbeatInterval(30*time.Second))
		b.platform.Down()
		begin := time.Now()
		b.run()
		synctest.Wait()
		if status, _ := b.get("/.well-known/agent-card.json"); status != http.StatusOK || time.Since(begin) != 0 {
			t.Errorf("the card: %d after %v, want 200 at once", status, time.Since(begin))
		}
		time.Sleep(5 * time.Second)
		b.platform.Fail(registrytest.Any, registrytest.Fault{Status: http.StatusServiceUnavailable, Times: 3})
		if err := b.platform.Up(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		b.alive()
		if took := time.Since(back); took > 10*time.Second {
			t.Errorf("alive %v after the platform's return, want 10 s at most", took)
		}
		time.Sleep(time.Second)
		if status, body := b.get("/readyz"); status != http.StatusOK {
			t.Errorf("/readyz = %d %s", status, body)
		}
		if card := string(b.row.Card()); !strings.Contains(card, `"protocolVersion"`) {
			t.Errorf("the platform's card: %s", card)
		}
		time.Sleep(10 * time.Minute)
		for i, beat := range b.row.Heartbeats() {
			if !beat.Metadata {
				t.Errorf("heartbeat %d is not whole: it has no metadata", i)
			}
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
		b.platform.Close()
	})
}

// An hour without a platform ends nothing, and is over when it is back.
func TestAnHourWithoutThePlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lay(t, true, parrot, runtime.WithTokenStore(newPocket()), runtime.WithHeartbeatInterval(30*time.Second))
		b.run()
		b.alive()
		time.Sleep(time.Minute)
		b.platform.Down()
		time.Sleep(time.Hour)
		if status, body := b.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no heartbeat accepted for 1h") {
			t.Errorf("/readyz = %d %s", status, body)
		}
		if status, _ := b.get("/livez"); status != http.StatusOK {
			t.Errorf("/livez = %d", status)
		}
		if status, body := b.post("are you there?"); status != http.StatusOK || !strings.Contains(body, "You said: are you there?") {
			t.Errorf("a message meanwhile: %d %s", status, body)
		}
		beats := len(b.row.Heartbeats())
		if err := b.platform.Up(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		b.await("a heartbeat", func() bool { return len(b.row.Heartbeats()) > beats })
		if took := time.Since(back); took > time.Minute {
			t.Errorf("the first heartbeat came %v after the platform's return", took)
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
		b.platform.Close()
	})
}

// pocket keeps the token in memory: a file's watch would stop the clock of a
// bubble.
type pocket struct {
	mu      sync.Mutex
	bearer  []string
	changed chan struct{}
}

func newPocket() *pocket { return &pocket{changed: make(chan struct{})} }

func (p *pocket) Authorization() ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.bearer), nil
}

func (p *pocket) RefreshAuthorization([]string) ([]string, error) { return p.Authorization() }

func (p *pocket) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *pocket) Watch(ctx context.Context) error { <-ctx.Done(); return nil }

func (p *pocket) Save(token string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bearer = []string{"Bearer " + token}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *pocket) Persisted() bool { return true }
