package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task/filestore"
)

// stream measures what a chunk costs on its way from the agent to a reader on
// the other side of a loopback connection.
func (l *lab) stream() error {
	for _, name := range []string{memory, file, stock} {
		s, err := newServer(l, name)
		if err != nil {
			return err
		}
		var flat []float64
		for _, n := range []int{250, 1000, 4000, 16000} {
			if name == stock && n > 1000 {
				fmt.Printf("%-16s %6d chunks: left out, its price grows with the square\n", name, n)
				continue
			}
			rounds := max(3, 64000/n)
			if name == stock {
				rounds = 1
			}
			var all []time.Duration
			var total time.Duration
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			for range rounds {
				begin := time.Now()
				if err := s.readStream(l.ctx, n); err != nil {
					return err
				}
				took := time.Since(begin)
				total += took
				all = append(all, took)
			}
			goruntime.ReadMemStats(&after)
			chunks := float64(rounds * n)
			us := float64(total.Microseconds()) / chunks
			slices.Sort(all)
			median := float64(all[len(all)/2].Nanoseconds()) / 1e3 / float64(n)
			fmt.Printf("%-16s %6d chunks: %9.2f us per chunk (mean %.2f), %.1f allocations and %.0f bytes (with the reader)\n", name, n, median, us,
				float64(after.Mallocs-before.Mallocs)/chunks, float64(after.TotalAlloc-before.TotalAlloc)/chunks)
			if n >= 1000 {
				flat = append(flat, median)
			}
			l.bound(name != memory || us < 20, "memory: %.1f us per chunk at %d, want under 20", us, n)
			l.bound(name != file || us < 40, "file: %.1f us per chunk at %d, want under 40", us, n)
		}
		if name != stock {
			spread := slices.Max(flat[1:]) / flat[0]
			fmt.Printf("%-16s the price of a chunk in longer replies is %.2f times that in 1,000 chunks at most\n", name, spread)
			l.bound(spread < 1.2, "%s: a chunk is dearer in a long reply by %.0f %%", name, 100*(spread-1))
		}
		if err := s.end(l); err != nil {
			return err
		}
	}
	return nil
}

// wholeTasks measures tasks of one chunk, sent and answered, by 16 callers:
// through HTTP, whose price is the same for all, and without it.
func (l *lab) wholeTasks() error {
	for _, way := range []string{"through HTTP", "in-process"} {
		rates := map[string]float64{}
		for _, name := range []string{memory, stock, file, memory, stock, file} {
			s, err := newServer(l, name)
			if err != nil {
				return err
			}
			ask := func() error { return s.ask(l.ctx, 1) }
			if way == "in-process" {
				ask = func() error {
					_, err := s.handler.SendMessage(l.ctx, message(1))
					return err
				}
			}
			rate, err := l.rate(name, way, ask)
			if err := errors.Join(err, s.end(l)); err != nil {
				return err
			}
			rates[name] = max(rates[name], rate)
		}
		ratio := rates[memory] / rates[stock]
		fmt.Printf("%s: memory store %.1f times the stock handler, file store %.1f times\n", way, ratio, rates[file]/rates[stock])
		l.bound(way != "in-process" || ratio >= 8, "tasks: %.1f times the stock handler, want 8", ratio)
	}
	return nil
}

// rate lets 16 callers ask for two seconds.
func (l *lab) rate(name, way string, ask func() error) (float64, error) {
	const callers, round = 16, 2 * time.Second
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	begin := time.Now()
	var done sync.WaitGroup
	counts, errs := make([]int, callers), make([]error, callers)
	for c := range callers {
		done.Go(func() {
			for time.Since(begin) < round && errs[c] == nil {
				errs[c] = ask()
				counts[c]++
			}
		})
	}
	done.Wait()
	took := time.Since(begin)
	goruntime.ReadMemStats(&after)
	total := 0
	for _, n := range counts {
		total += n
	}
	rate := float64(total) / took.Seconds()
	fmt.Printf("%-16s %-12s %7.0f tasks per second, %.0f allocations and %.0f bytes each\n", name, way, rate,
		float64(after.Mallocs-before.Mallocs)/float64(total), float64(after.TotalAlloc-before.TotalAlloc)/float64(total))
	return rate, errors.Join(errs...)
}

// start measures opening a file with 100,000 events in it, of which some belong
// to a task that was running.
func (l *lab) start() error {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tasks.db")
	store, err := filestore.Open(path)
	if err != nil {
		return err
	}
	e, err := task.Open(l.ctx, store, agent, task.WithResume(2))
	if err != nil {
		return err
	}
	for range 200 {
		if _, err := e.SendMessage(l.ctx, message(500)); err != nil {
			return err
		}
	}
	e.Close()
	if err := store.Close(); err != nil {
		return err
	}
	var opened []time.Duration
	for range 9 {
		begin := time.Now()
		store, err := filestore.Open(path)
		if err != nil {
			return err
		}
		e, err := task.Open(l.ctx, store, agent, task.WithResume(2))
		if err != nil {
			return err
		}
		list, err := e.ListTasks(l.ctx, nil)
		if err != nil || list.TotalSize != 200 {
			return fmt.Errorf("%d tasks: %w", list.TotalSize, err)
		}
		opened = append(opened, time.Since(begin))
		e.Close()
		if err := store.Close(); err != nil {
			return err
		}
	}
	slices.Sort(opened)
	fmt.Printf("100,000 events: open to the first listing p50 %v, worst %v\n", opened[len(opened)/2], opened[len(opened)-1])
	l.bound(opened[len(opened)-1] < 200*time.Millisecond, "start: %v, want under 200 ms", opened[len(opened)-1])
	return nil
}

func message(n int) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(strconv.Itoa(n)))}
}

// million runs many tasks and prints what the process holds on the way. The
// first tenth fills what is kept; after that nothing may grow.
func (l *lab) million() error {
	e := task.NewEngine(agent)
	var first, last float64
	step := max(l.tasks/10, 1)
	for i := 1; i <= l.tasks; i++ {
		if _, err := e.SendMessage(l.ctx, message(3)); err != nil {
			return err
		}
		if i%step == 0 {
			goruntime.GC()
			var m goruntime.MemStats
			goruntime.ReadMemStats(&m)
			rss := residentMB()
			fmt.Printf("%8d tasks: %6.1f MB in use, %6.1f MB resident\n", i, float64(m.HeapAlloc)/1e6, rss)
			if last = float64(m.HeapAlloc); i == 2*step {
				first = last
			}
		}
	}
	slope := (last - first) / float64(l.tasks-2*step)
	fmt.Printf("slope: %.3f bytes per task\n", slope)
	l.bound(slope < 5, "million: %.1f bytes per task stay", slope)
	return e.Drain(l.ctx)
}

// residentMB is what the system counts for this process, 0 where it does not
// say.
func residentMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(fields[0], 64)
	return kb / 1000
}

// stall measures a hundred callers alone, and beside a stream whose reader has
// stopped and a subscriber to the same task.
func (l *lab) stall() error {
	s, err := newServer(l, memory)
	if err != nil {
		return err
	}
	alone, err := l.hundred(s)
	if err != nil {
		return err
	}
	stalled, err := s.post(l.ctx, "SendStreamingMessage", 200_000) // 4 MB of text: more than buffers take
	if err != nil {
		return err
	}
	defer stalled.Body.Close()
	head := make([]byte, 2000)
	if _, err := stalled.Body.Read(head); err != nil {
		return err
	}
	id := between(string(head), `"id":"`, `"`, `"task"`)
	read := 0
	begin := time.Now()
	for _, err := range s.engine.SubscribeToTask(l.ctx, &a2a.SubscribeToTaskRequest{ID: a2a.TaskID(id)}) {
		if err != nil {
			return fmt.Errorf("the subscriber: %w", err)
		}
		read++
	}
	fmt.Printf("the subscriber to the stalled stream's task had its end after %v\n", time.Since(begin).Round(time.Millisecond))
	beside, err := l.hundred(s)
	if err != nil {
		return err
	}
	fmt.Printf("100 callers alone: p50 %v, p99 %v; beside the stalled reader: p50 %v, p99 %v\n", alone[0], alone[1], beside[0], beside[1])
	l.bound(beside[0] < 2*alone[0]+time.Millisecond, "stall: callers wait %v instead of %v", beside[0], alone[0])
	stalled.Body.Close()
	return s.end(l)
}

// between finds what stands between two texts, behind a third.
func between(s, from, to, behind string) string {
	_, s, _ = strings.Cut(s, behind)
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// hundred lets 100 callers send 20 messages each and returns the median and the
// 99th percentile of their waiting.
func (l *lab) hundred(s *server) ([2]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var done sync.WaitGroup
	for range 100 {
		done.Go(func() {
			for range 20 {
				begin := time.Now()
				err := s.ask(l.ctx, 1)
				mu.Lock()
				took, failed = append(took, time.Since(begin)), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	done.Wait()
	slices.Sort(took)
	return [2]time.Duration{took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond)}, failed
}
