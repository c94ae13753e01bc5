package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

func TestALifeFromRegistrationToTheLastHeartbeat(t *testing.T) {
	b := lay(t, true, parrot)
	b.run()
	b.alive()
	b.ready()
	status, r := b.say("hello")
	if status != http.StatusOK || r.text() != "You said: hello" || r.Result.Status.State != "completed" {
		t.Errorf("got %d %+v", status, r)
	}
	if card := string(b.row.Card()); !strings.Contains(card, `"protocolVersion"`) {
		t.Errorf("the platform's card: %s", card)
	}
	info, err := os.Stat(filepath.Join(b.dir, ".auth_token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v, %v; want mode 0600", info, err)
	}
	before := len(b.row.Heartbeats())
	if err := b.end(); err != nil {
		t.Errorf("Run() = %v", err)
	}
	beats := b.row.Heartbeats()
	if len(beats) <= before {
		t.Error("no heartbeat at the end")
	}
	for i, beat := range beats {
		if !beat.Metadata {
			t.Errorf("heartbeat %d is not whole: it has no metadata", i)
		}
	}
}

func TestRunTwice(t *testing.T) {
	b := lay(t, true, parrot)
	b.run()
	b.alive()
	if err := b.ws.Run(t.Context()); !errors.Is(err, runtime.ErrRan) {
		t.Errorf("a second Run() = %v, want ErrRan", err)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// The whole chain on real sockets and a real file: rotate, lag, write in place
// in two halves.
func TestARotationWhoseFileLags(t *testing.T) {
	b := lay(t, false, parrot)
	b.run()
	b.alive()
	for range 3 {
		rotated := b.row.RotateFile(registrytest.Rotation{
			Path: filepath.Join(b.dir, ".auth_token"), Lag: 300 * time.Millisecond, Torn: time.Millisecond,
		})
		b.await("a heartbeat with the new token", func() bool { return b.row.LastHeartbeat().TokenGen == b.row.Generation() })
		<-rotated.Written
		if err := rotated.Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.ready()
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestATokenRevokedWithoutAFileIsFoundWhenNobodyCalls(t *testing.T) {
	b := lay(t, false, parrot)
	b.run()
	b.alive()
	old, err := os.ReadFile(filepath.Join(b.dir, ".auth_token"))
	if err != nil {
		t.Fatal(err)
	}
	b.row.Revoke()
	gen := b.row.Generation()
	b.await("a call that only a good token passes", func() bool {
		for _, q := range b.platform.RequestsTo(http.MethodGet, "/workspaces/"+workspaceID+"/state") {
			if q.TokenGen > gen && q.Status == http.StatusOK {
				return true
			}
		}
		return false
	})
	now, err := os.ReadFile(filepath.Join(b.dir, ".auth_token"))
	if err != nil || string(now) == string(old) {
		t.Errorf("the new token is not on disk: %v", err)
	}
	if n := b.row.Generation(); n != gen+1 {
		t.Errorf("%d tokens were issued, want one", n-gen)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestServingBeforeThePlatformIsThere(t *testing.T) {
	b := lay(t, false, parrot)
	b.platform.Down()
	b.run()
	// The card is served whatever the platform does.
	b.until("/.well-known/agent-card.json", func(status int, _ string) bool { return status == http.StatusOK })
	b.until("/readyz", func(status int, body string) bool {
		return status == http.StatusServiceUnavailable && strings.Contains(body, "not registered yet")
	})
	if status, _ := b.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez = %d", status)
	}
	b.platform.Fail(registrytest.Any, registrytest.Fault{Status: http.StatusServiceUnavailable, Times: 3})
	if err := b.platform.Up(); err != nil {
		t.Fatal(err)
	}
	b.alive()
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestARemovedWorkspaceSaysSoAndStays(t *testing.T) {
	var log buffer
	b := lay(t, false, parrot, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	b.run()
	b.alive()
	b.ready()
	b.row.Remove()
	b.until("/readyz", func(_ int, body string) bool { return strings.Contains(body, "removed") })
	if status, r := b.say("still there?"); status != http.StatusOK || r.text() == "" {
		t.Errorf("a removed workspace does not serve any more: %d %+v", status, r)
	}
	beats := len(b.platform.RequestsTo(http.MethodPost, "/registry/heartbeat"))
	if err := b.end(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	if n := len(b.platform.RequestsTo(http.MethodPost, "/registry/heartbeat")); n > beats+1 {
		t.Errorf("%d heartbeats after the end", n-beats)
	}
	if b.row.LiveTokens() != 0 {
		t.Error("the workspace has registered again")
	}
	if !strings.Contains(log.String(), "removed") {
		t.Errorf("the log does not say it:\n%s", log.String())
	}
}

func TestARefusedRegistrationIsReadyAllTheSame(t *testing.T) {
	b := lay(t, false, parrot, runtime.WithAgentURL("http://127.0.0.1:8000"))
	token := b.row.IssueToken() // the local provisioner writes it
	if err := os.WriteFile(filepath.Join(b.dir, ".auth_token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.await("online by heartbeat, with a card", func() bool { return b.row.Status() == "online" && b.row.Card() != nil })
	b.ready()
	if b.row.URL() != "" {
		t.Errorf("URL = %q", b.row.URL())
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ws, err := runtime.New(parrot, runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL("http://p.test"),
		runtime.WithConfigDir(t.TempDir()), runtime.WithAddr(l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	err = ws.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "a2a.port") {
		t.Errorf("Run() = %v, want what is wrong and what to do", err)
	}
}

func TestAConfigurationWithErrorsEndsRun(t *testing.T) {
	b := lay(t, false, parrot)
	if err := os.WriteFile(filepath.Join(b.dir, "config.yaml"), []byte("a2a:\n  port: many\ntier: 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := b.ws.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a2a.port") || !strings.Contains(err.Error(), "tier") {
		t.Errorf("Run() = %v, want both problems", err)
	}
}

// A thousand workspaces fit in one process, because nothing is global; two
// hundred show it as well.
func TestManyWorkspacesInOneProcess(t *testing.T) {
	const n = 200
	platform := registrytest.NewPlatform(t, registrytest.WithInMemory())
	transport := platform.Transport()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var lives sync.WaitGroup
	ids := make([]string, n)
	for i := range n {
		ids[i] = "11111111-2222-4333-8444-" + strings.Repeat("0", 9) + string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
		l, err := platform.Listen("localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		ws, err := runtime.New(parrot, runtime.WithWorkspaceID(ids[i]), runtime.WithPlatformURL(platform.URL()),
			runtime.WithConfigDir(t.TempDir()), runtime.WithListener(l), runtime.WithAgentURL("http://"+addr),
			runtime.WithTransport(transport))
		if err != nil {
			t.Fatal(err)
		}
		lives.Go(func() {
			if err := ws.Run(ctx); err != nil {
				t.Errorf("workspace %d: %v", i, err)
			}
		})
	}
	await, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	err := platform.Await(await, func() bool {
		for _, id := range ids {
			if w := platform.Workspace(id); w == nil || w.Status() != "online" {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	status, raw, err := platform.Say(t.Context(), ids[n-1], "hello")
	if err != nil || status != http.StatusOK || !strings.Contains(string(raw), "You said: hello") {
		t.Errorf("the last one answers %d %s, %v", status, raw, err)
	}
	cancel()
	lives.Wait()
}
