package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// starting: from exec to the first agent card, and from SIGTERM to the exit of
// an idle process.
func starting(ctx context.Context, r *report, l *lab, n int) error {
	var up, down []time.Duration
	for range n {
		begin := time.Now()
		p, err := l.start(30 * time.Second)
		if err != nil {
			return err
		}
		err = l.firstCard(ctx)
		up = append(up, time.Since(begin))
		if err == nil {
			err = l.alive(ctx, p)
		}
		if err != nil {
			p.kill()
			return err
		}
		code, took, err := p.signal(ctx, syscall.SIGTERM)
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("exit code %d after SIGTERM:\n%s", code, p.log.String())
		}
		down = append(down, took)
	}
	r.line("process start to first agent card", figures(up), "p50 < 10 ms", quantile(up, 0.5) < 10*time.Millisecond)
	r.line("SIGTERM to exit, idle", figures(down), "< 1 s", slices.Max(down) < time.Second)
	return nil
}

// idling: resident memory of a registered workspace with nothing to do.
func idling(ctx context.Context, r *report, l *lab) error {
	p, err := l.start(time.Second)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	if err := l.platform.Await(ctx, func() bool { return len(l.row.Heartbeats()) >= 4 }); err != nil {
		return err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		fmt.Println("idle resident memory: not measured, this system has no /proc")
		return nil
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			r.line("idle resident memory", fmt.Sprintf("%.1f MB", kb/1000), "< 20 MB", kb < 20_000)
		}
	}
	return nil
}

// rotating: the token file is written late and in two halves, again and again.
func rotating(ctx context.Context, r *report, l *lab, n int) error {
	const interval = 500 * time.Millisecond
	p, err := l.start(interval)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	var recoveries []time.Duration
	worst, refused := 0, 0
	for range n {
		from := len(l.platform.Requests())
		rotated := time.Now()
		rotation := l.row.RotateFile(registrytest.Rotation{
			Path: l.tokenFile(),
			Lag:  600*time.Millisecond + time.Duration(rand.IntN(300))*time.Millisecond,
			Torn: 2 * time.Millisecond,
		})
		var accepted registrytest.Beat
		within, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := l.platform.Await(within, func() bool {
			accepted = l.row.LastHeartbeat()
			return accepted.TokenGen == l.row.Generation()
		})
		cancel()
		if err != nil {
			return fmt.Errorf("no recovery: %w; the workspace said:\n%s", err, p.log.String())
		}
		<-rotation.Written
		if err := rotation.Err(); err != nil {
			return err
		}
		recoveries = append(recoveries, max(0, accepted.At.Sub(rotation.At())))

		// Beyond the normal: what an undisturbed workspace would have sent in
		// this time is one heartbeat, one check of the token and one look for the
		// results of delegations per interval.
		requests := l.platform.Requests()[from:]
		normal := 3 * int(accepted.At.Sub(rotated)/(interval*9/10)+1)
		worst = max(worst, len(requests)-normal)
		for _, q := range requests {
			if q.Status == http.StatusUnauthorized {
				refused++
			}
		}
	}
	r.line(fmt.Sprintf("%d rotations: file written to accepted heartbeat", n), figures(recoveries), "p99 < 100 ms", quantile(recoveries, 0.99) < 100*time.Millisecond)
	r.line("  requests beyond the normal ones, worst rotation", fmt.Sprintf("%d (%.1f refused per rotation)", max(worst, 0), float64(refused)/float64(n)), "<= 3", worst <= 3)
	return nil
}

// booting: the platform is away for 5 s when the workspace starts, and answers
// 503 three times when it is back.
func booting(ctx context.Context, r *report, l *lab) error {
	l.platform.Down()
	p, err := l.start(30 * time.Second)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.firstCard(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	l.platform.Fail(registrytest.Any, registrytest.Fault{Status: http.StatusServiceUnavailable, Times: 3})
	back := time.Now()
	if err := l.platform.Up(); err != nil {
		return err
	}
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	took := time.Since(back)
	r.line("platform away for 5 s at boot, then three 503", fmt.Sprintf("registered and beating %.1f s after its return", took.Seconds()), "< 10 s", took < 10*time.Second)
	return nil
}

// revoked: the platform takes the token away and issues no other.
func revoked(ctx context.Context, r *report, l *lab) error {
	const interval = 2 * time.Second
	p, err := l.start(interval)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	l.row.Revoke()
	begin := time.Now()
	gen := l.row.Generation()
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = l.platform.Await(within, func() bool {
		for _, q := range l.platform.RequestsTo(http.MethodGet, "/workspaces/"+workspaceID+"/state") {
			if q.TokenGen > gen && q.Status == http.StatusOK {
				return true
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("%w; the workspace said:\n%s", err, p.log.String())
	}
	took := time.Since(begin)
	info, err := os.Stat(l.tokenFile())
	if err != nil {
		return err
	}
	r.line("token revoked, no file", fmt.Sprintf("whole after %.2f intervals, file mode %04o", float64(took)/float64(interval), info.Mode().Perm()),
		"<= 2", took <= 2*interval && info.Mode().Perm() == 0o600)
	return nil
}

// finishing: SIGTERM in the middle of a one-second turn.
func finishing(ctx context.Context, r *report, l *lab) error {
	p, err := l.start(time.Second)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	type reply struct {
		status int
		body   []byte
		err    error
	}
	answered := make(chan reply, 1)
	go func() {
		status, body, err := l.platform.Say(ctx, workspaceID, "sleep 1s")
		answered <- reply{status, body, err}
	}()
	if err := l.platform.Await(ctx, func() bool { return l.row.LastHeartbeat().ActiveTasks == 1 }); err != nil {
		return err
	}
	code, took, err := p.signal(ctx, syscall.SIGTERM)
	if err != nil {
		return err
	}
	got := <-answered
	whole := got.err == nil && got.status == http.StatusOK && strings.Contains(string(got.body), `"completed"`)
	r.line("SIGTERM during a one-second turn", fmt.Sprintf("answered %d, exit %d after %d ms", got.status, code, took.Milliseconds()), "answer, 0", whole && code == 0)
	return nil
}

// insisting: a second signal while a long turn is being waited for.
func insisting(ctx context.Context, r *report, l *lab) error {
	p, err := l.start(time.Second)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := l.alive(ctx, p); err != nil {
		return err
	}
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { _, _, _ = l.platform.Say(cut, workspaceID, "sleep 60s") }()
	if err := l.platform.Await(ctx, func() bool { return l.row.LastHeartbeat().ActiveTasks == 1 }); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-time.After(300 * time.Millisecond):
	case <-p.over:
		return fmt.Errorf("the process did not wait for its turn:\n%s", p.log.String())
	}
	code, took, err := p.signal(ctx, syscall.SIGTERM)
	if err != nil {
		return err
	}
	r.line("second SIGTERM", fmt.Sprintf("exit %d after %d ms", code, took.Milliseconds()), "at once", took < 200*time.Millisecond && code != 0)
	return nil
}

func quantile(d []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func figures(d []time.Duration) string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f  p99 %.1f  max %.1f ms", ms(quantile(d, 0.5)), ms(quantile(d, 0.99)), ms(slices.Max(d)))
}
