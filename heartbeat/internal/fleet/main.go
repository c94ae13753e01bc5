// Command fleet measures what a Loop costs when many of them live in one
// process: memory and processor time of 1 to 10,000 workspaces.
//
// All of them share one HTTP transport, as they would in a program that hosts
// many workspaces. The platform is another process, so that only the Loops are
// measured. Resident memory and processor time are read from /proc.
//
//	go run ./heartbeat/internal/fleet            1, 10, 100, 1,000 and 10,000 Loops
//	go run ./heartbeat/internal/fleet -n 10000   only so many
//	go run ./heartbeat/internal/fleet -check     exit 1 when a Loop of the biggest fleet costs 40 KB or more
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

const mostBytes = 40 << 10 // the promise, per Loop of the biggest fleet

func main() {
	only := flag.Int("n", 0, "measure only a fleet of this size")
	interval := flag.Duration("interval", heartbeat.DefaultInterval, "of the heartbeats")
	window := flag.Duration("window", 33*time.Second, "how long each fleet is watched; a little more than an interval shows its real load")
	check := flag.Bool("check", false, "exit 1 when the promise is broken")
	serve := flag.Bool("serve", false, "be the platform (used by the program itself)")
	flag.Parse()

	var err error
	if *serve {
		err = platform()
	} else {
		sizes := []int{1, 10, 100, 1000, 10000}
		if *only > 0 {
			sizes = []int{*only}
		}
		err = measure(sizes, *interval, *window, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// platform answers every call as to a workspace that is well, until its
// standard input ends.
func platform() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"online"}`)
	}), ReadHeaderTimeout: time.Minute}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startPlatform runs this program as the platform; stop ends it.
func startPlatform() (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "-serve")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { in.Close(); _ = cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the platform did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

func measure(sizes []int, interval, window time.Duration, check bool) error {
	url, stop, err := startPlatform()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("heartbeat and verify every %v each, %d processors\n", interval, goruntime.GOMAXPROCS(0))
	fmt.Printf("%8s  %14s  %14s  %12s  %16s\n", "Loops", "heap+stacks", "resident", "goroutines", "processor")
	var per float64
	for _, n := range sizes {
		if per, err = fleet(url, n, interval, window); err != nil {
			return err
		}
	}
	if check && per >= mostBytes {
		return fmt.Errorf("a Loop costs %.1f KB, promised are less than %d KB", per/1024, mostBytes>>10)
	}
	return nil
}

// fleet runs n Loops and prints what each of them costs; it returns the bytes
// of heap and stacks.
func fleet(url string, n int, interval, window time.Duration) (float64, error) {
	transport := &http.Transport{MaxIdleConns: 64, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	before := usage()

	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	var calls, failures atomic.Int64
	var accepted sync.WaitGroup
	accepted.Add(n)
	for i := range n {
		first := sync.OnceFunc(accepted.Done)
		loop, err := newLoop(url, i, interval, transport, &heartbeat.Trace{
			Beat: func(b heartbeat.BeatInfo) {
				calls.Add(1)
				if b.Err == nil {
					first()
				} else if b.Reason != heartbeat.BeatLast {
					failures.Add(1)
				}
			},
		})
		if err != nil {
			return 0, err
		}
		group.Go(func() { _ = loop.Run(ctx) })
		if i%50 == 49 {
			time.Sleep(20 * time.Millisecond) // a process hardly starts all of them in one moment
		}
	}
	accepted.Wait()
	time.Sleep(time.Second)

	begun := usage()
	calls.Store(0)
	time.Sleep(window)
	beats := calls.Load()
	after := usage()

	heap := float64(after.heap-before.heap) / float64(n)
	resident, processor := "n/a", "n/a"
	if after.proc {
		resident = fmt.Sprintf("%.1f KB", float64(after.resident-before.resident)/float64(n)/1024)
		processor = fmt.Sprintf("%.4f %%", 100*(after.cpu-begun.cpu).Seconds()/window.Seconds()/float64(n))
	}
	fmt.Printf("%8d  %11.1f KB  %14s  %12.1f  %16s   %d heartbeats, %d failed\n",
		n, heap/1024, resident, float64(after.goroutines-before.goroutines)/float64(n), processor, beats, failures.Load())
	return heap, nil
}

func newLoop(url string, i int, interval time.Duration, base http.RoundTripper, trace *heartbeat.Trace) (*heartbeat.Loop, error) {
	tokens := &memoryTokens{value: []string{"Bearer " + strings.Repeat("t", 43)}}
	transport, err := heartbeat.NewRoundTripper(url, tokens, heartbeat.WithBase(base))
	if err != nil {
		return nil, err
	}
	client, err := registry.NewClient(url, fmt.Sprintf("5f0c2a9e-1111-4222-8333-%012d", i), registry.WithTransport(transport))
	if err != nil {
		return nil, err
	}
	return heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: client, Transport: transport, Tokens: tokens, Interval: interval, Trace: trace,
		Registration: func() heartbeat.Registration {
			return heartbeat.Registration{URL: "http://agent.example", Card: []byte(`{"name":"fleet"}`)}
		},
	})
}

// memoryTokens is a token that never changes. A program with thousands of
// workspaces in one process does not watch thousands of files.
type memoryTokens struct{ value []string }

func (m *memoryTokens) Authorization() ([]string, error)                { return m.value, nil }
func (m *memoryTokens) RefreshAuthorization([]string) ([]string, error) { return m.value, nil }
func (m *memoryTokens) Changed() <-chan struct{}                        { return nil }
func (m *memoryTokens) Watch(ctx context.Context) error                 { <-ctx.Done(); return nil }
func (m *memoryTokens) Save(string) error                               { return nil }
func (m *memoryTokens) Persisted() bool                                 { return true }

// used is what the process uses at one moment.
type used struct {
	heap       int64 // bytes: live objects and stacks
	goroutines int
	proc       bool  // the system has /proc, so the rest is known
	resident   int64 // bytes
	cpu        time.Duration
}

func usage() used {
	goruntime.GC()
	goruntime.GC() // twice: stacks are given back at the next one
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	u := used{heap: int64(m.HeapAlloc + m.StackInuse), goroutines: goruntime.NumGoroutine()}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return u
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return u
	}
	// proc(5): statm's second field is resident pages; stat's fields 14 and 15,
	// counted from behind the name in brackets, are ticks of 10 ms.
	pages := field(string(statm), 1)
	_, rest, _ := strings.Cut(string(stat), ") ")
	ticks := field(rest, 11) + field(rest, 12)
	u.proc, u.resident, u.cpu = true, pages*int64(os.Getpagesize()), time.Duration(ticks)*10*time.Millisecond
	return u
}

func field(line string, i int) int64 {
	fields := strings.Fields(line)
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return n
}
