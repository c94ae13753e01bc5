package heartbeat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// ledger is what an Inbox sees of a platform: the list of delegations, which a
// test writes row by row, and the user's messages.
type ledger struct {
	mu     sync.Mutex
	rows   []registry.Delegation // oldest first
	serial int
	token  string // "" takes any
	told   []string
	looks  int
	script func(op string, nth int) *bedAnswer // nil or a nil answer: as the contract says
	nth    map[string]int
}

func (l *ledger) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	op := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	l.mu.Lock()
	if l.nth == nil {
		l.nth = map[string]int{}
	}
	l.nth[op]++
	nth, script := l.nth[op], l.script
	l.mu.Unlock()
	var a *bedAnswer
	if script != nil {
		a = script(op, nth)
	}
	if a != nil && a.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if a != nil && a.err != nil {
		return nil, a.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a == nil {
		a = &bedAnswer{status: 200}
		switch {
		case l.token != "" && req.Header.Get("Authorization") != "Bearer "+l.token:
			a = &bedAnswer{status: 401, body: `{"error":"invalid workspace auth token"}`}
		case op == "delegations":
			l.looks++
			newest := slices.Clone(l.rows[max(0, len(l.rows)-50):])
			slices.Reverse(newest)
			if newest == nil {
				newest = []registry.Delegation{}
			}
			raw, _ := json.Marshal(newest)
			a.body = string(raw)
		case op == "notify":
			var m struct{ Message string }
			_ = json.Unmarshal(body, &m)
			l.told = append(l.told, m.Message)
			a.body = `{"status":"sent"}`
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if a.retryAfter > 0 {
		header.Set("Retry-After", fmt.Sprint(a.retryAfter))
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

// add writes a row and returns its place.
func (l *ledger) add(d registry.Delegation) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	d.ID, d.Type, d.CreatedAt = fmt.Sprintf("row-%d", l.serial), "delegation", time.Now().UTC().Add(time.Duration(l.serial)*time.Microsecond)
	if d.SourceID == "" {
		d.SourceID = bedID
	}
	l.rows = append(l.rows, d)
	return len(l.rows) - 1
}

// set changes the row at a place.
func (l *ledger) set(i int, f func(d *registry.Delegation)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.rows[i])
}

// completed writes both rows of a delegation.
func (l *ledger) completed(id, answer string) {
	l.add(registry.Delegation{DelegationID: id, TargetID: "target", Status: "completed", Summary: "Delegating to target"})
	l.add(registry.Delegation{DelegationID: id, TargetID: "target", Status: "completed", Summary: "Delegation completed (" + answer + ")", ResponsePreview: answer})
}

func (l *ledger) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

func (l *ledger) looked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.looks
}

// inboxBed is an Inbox on a ledger inside a bubble.
type inboxBed struct {
	t      *testing.T
	ledger *ledger
	inbox  *heartbeat.Inbox
	cfg    heartbeat.InboxConfig
	logs   *bedLog
	stop   func()

	mu   sync.Mutex
	got  []heartbeat.Delivery
	turn func(ctx context.Context, d heartbeat.Delivery) error // nil succeeds
}

func newInboxBed(t *testing.T, over http.RoundTripper) *inboxBed {
	t.Helper()
	b := &inboxBed{t: t, ledger: &ledger{}, logs: &bedLog{b: new(bytes.Buffer)}}
	if over == nil {
		over = b.ledger
	}
	client, err := registry.NewClient(bedURL, bedID, registry.WithTransport(over), registry.WithRetry(registry.Retry{Attempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	b.cfg = heartbeat.InboxConfig{
		Client: client, Path: filepath.Join(t.TempDir(), ".runtime", "inbox.json"),
		Deliver: func(ctx context.Context, d heartbeat.Delivery) error {
			b.mu.Lock()
			b.got = append(b.got, d)
			turn := b.turn
			b.mu.Unlock()
			if turn != nil {
				return turn(ctx, d)
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(b.logs, nil)),
	}
	return b
}

// start begins a life and returns when everything rests.
func (b *inboxBed) start() {
	b.t.Helper()
	var err error
	if b.inbox, err = heartbeat.NewInbox(b.cfg); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = b.inbox.Run(ctx) }()
	b.stop = func() { cancel(); <-over }
	synctest.Wait()
}

func (b *inboxBed) restart() { b.t.Helper(); b.stop(); b.start() }

func (b *inboxBed) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// ids are the delegations that were delivered, in order.
func (b *inboxBed) ids() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, d := range b.got {
		s = append(s, d.Result.DelegationID)
	}
	return strings.Join(s, " ")
}

func (b *inboxBed) want(ids string) {
	b.t.Helper()
	if got := b.ids(); got != ids {
		b.t.Errorf("delivered %q, want %q", got, ids)
	}
}
