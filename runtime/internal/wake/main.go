// Wake kills a workspace with SIGKILL again and again while results of its
// delegations arrive, and counts how often each of them reached the agent, which
// must be once.
//
//	go run ./runtime/internal/wake -cycles 60
//
// The workspace is a real process (this program again) on a platform in this
// one, over loopback. Its agent can resume: it writes down each turn's message
// id together with the delegation, and does nothing for one it has written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

const workspaceID = "11111111-2222-4333-8444-555555555555"

func main() {
	cycles := flag.Int("cycles", 60, "how often to kill the workspace")
	seed := flag.Uint64("seed", 1, "of the moments at which it is killed")
	child := flag.String("child", "", "be the workspace, with this directory (used by the program itself)")
	platform := flag.String("platform", "", "the platform's URL (used by the program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := error(nil)
	if *child != "" {
		err = workspace(ctx, *child, *platform)
	} else {
		err = parent(ctx, *cycles, *seed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wake:", err)
		os.Exit(1)
	}
}

// agent writes a line for each result.
type agent struct{ path string }

func (a agent) Run(ctx context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	return a.Resume(ctx, turn, reply)
}

func (a agent) Resume(_ context.Context, turn *runtime.Turn, _ *runtime.Reply) error {
	results := turn.Delegations()
	if len(results) == 0 {
		return nil
	}
	line := turn.MessageID() + " " + results[0].DelegationID + "\n"
	known, err := os.ReadFile(a.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if turn.Attempt() > 1 && strings.Contains(string(known), line) {
		return nil // the process died before it could say so
	}
	time.Sleep(5 * time.Millisecond) // some work
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line)
	return err
}

// workspace is the process that is killed.
func workspace(ctx context.Context, dir, platform string) error {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	r, err := runtime.New(agent{filepath.Join(dir, "seen")},
		runtime.WithWorkspaceID(workspaceID), runtime.WithPlatformURL(platform), runtime.WithConfigDir(dir),
		runtime.WithListener(l), runtime.WithHeartbeatInterval(time.Second), runtime.WithMaxAttempts(1<<20),
		runtime.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))))
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// lab is a platform and the directory of a workspace.
type lab struct {
	platform *registrytest.Platform
	row      *registrytest.Workspace
	dir      string
	results  int
}

func parent(ctx context.Context, cycles int, seed uint64) error {
	dir, err := os.MkdirTemp("", "wake")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	platform, err := registrytest.Start(registrytest.WithAnyURL())
	if err != nil {
		return err
	}
	defer platform.Close()
	l := &lab{platform: platform, row: platform.AddWorkspace(workspaceID), dir: dir}
	for i := range 10 {
		l.finish(fmt.Sprintf("history-%d", i))
	}
	begin := time.Now()
	rnd := rand.New(rand.NewPCG(seed, 0))
	kill, err := l.start(ctx)
	if err != nil {
		return err
	}
	err = l.await(ctx, "the first boot", func() bool { return l.has("inbox.json", `"based":true`) })
	kill()
	if err != nil {
		return err
	}
	for range cycles {
		for range 1 + rnd.IntN(3) {
			l.finish(fmt.Sprintf("result-%d", l.results))
			l.results++
		}
		if kill, err = l.start(ctx); err != nil {
			return err
		}
		select {
		// The first look comes within milliseconds; most of what can be torn
		// apart happens then.
		case <-time.After(time.Duration(rnd.IntN(150)) * time.Millisecond):
		case <-ctx.Done():
		}
		kill()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if kill, err = l.start(ctx); err != nil {
		return err
	}
	err = l.await(ctx, "every result", func() bool { return len(l.seen()) >= l.results && !l.has("inbox.json", `"waiting"`) })
	kill()
	if err != nil {
		return fmt.Errorf("%w: %d of %d", err, len(l.seen()), l.results)
	}
	counts := map[string]int{}
	for _, id := range l.seen() {
		counts[id]++
	}
	for i := range l.results {
		if id := fmt.Sprintf("result-%d", i); counts[id] != 1 {
			return fmt.Errorf("%s reached the agent %d times", id, counts[id])
		}
	}
	if len(counts) != l.results {
		return fmt.Errorf("%d results reached the agent, there were %d: %v", len(counts), l.results, counts)
	}
	told := len(l.row.Notifications())
	if told > l.results || told < l.results-cycles {
		return fmt.Errorf("%d notifications for %d results after %d kills", told, l.results, cycles)
	}
	fmt.Printf("%d kills in %v: %d results, each reached the agent exactly once, none from before the first boot; %d notifications, none twice\n",
		cycles, time.Since(begin).Round(time.Second), l.results, told)
	return nil
}

// finish lets the platform know a delegation that is completed.
func (l *lab) finish(id string) {
	d := registrytest.Delegation{DelegationID: id, TargetID: "22222222-2222-4333-8444-555555555555", Status: "completed"}
	l.row.AddDelegation(d)
	d.ResponsePreview = "the answer of " + id
	l.row.AddDelegation(d)
}

// start starts the workspace and returns what kills it.
func (l *lab) start(ctx context.Context) (kill func(), err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-child", l.dir, "-platform", l.platform.URL())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// await waits for something that the workspace's files show.
func (l *lab) await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s did not come: %w", what, ctx.Err())
		}
	}
	return nil
}

func (l *lab) has(file, text string) bool {
	raw, err := os.ReadFile(filepath.Join(l.dir, ".runtime", file))
	return err == nil && strings.Contains(string(raw), text)
}

// seen is the delegation of each turn, in order.
func (l *lab) seen() (ids []string) {
	raw, _ := os.ReadFile(filepath.Join(l.dir, "seen")) // not there before the first
	for line := range strings.Lines(string(raw)) {
		if _, id, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
