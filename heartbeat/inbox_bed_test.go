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
	"strconv"
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
			for i, d := range newest {
				if len(d.ResponsePreview) > 300 {
					newest[i].ResponsePreview = d.ResponsePreview[:300] + "..."
				}
			}
			if newest == nil {
				newest = []registry.Delegation{}
			}
			raw, _ := json.Marshal(newest)
			a.body = string(raw)
		case op == "activity":
			a.body = l.activity(req.URL.Query().Get("type"), req.URL.Query().Get("limit"))
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

// activity is the other list that has the rows, with all of an answer and the
// delegation's id inside the bodies.
func (l *ledger) activity(kind, limit string) string {
	most, _ := strconv.Atoi(limit)
	entries := []map[string]any{}
	for _, d := range slices.Backward(l.rows) {
		if kind != "delegation" || len(entries) == min(most, 500) {
			break
		}
		e := map[string]any{
			"id": d.ID, "workspace_id": bedID, "activity_type": d.Type, "method": "delegate", "source_id": d.SourceID, "target_id": d.TargetID,
			"summary": d.Summary, "status": d.Status, "error_detail": d.Error, "duration_ms": nil, "created_at": d.CreatedAt,
		}
		switch body := map[string]any{"delegation_id": d.DelegationID}; {
		case d.ResponsePreview != "":
			body["text"] = d.ResponsePreview
			e["method"], e["response_body"] = "delegate_result", body
		case d.DelegationID == "": // the result of a failed one
			e["method"] = "delegate_result"
		default:
			body["task"] = "work"
			e["request_body"] = body
		}
		entries = append(entries, e)
	}
	raw, _ := json.Marshal(entries)
	return string(raw)
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

// failed ends the delegations at these places as the platform does: the
// delegating row says so, and a result row without an id is added.
func (l *ledger) failed(places ...int) {
	for _, i := range places {
		l.set(i, func(d *registry.Delegation) { d.Status, d.Error = registry.DelegationFailed, "unreachable" })
		l.add(registry.Delegation{TargetID: "target", Status: registry.DelegationFailed, Summary: "Delegation failed", Error: "unreachable"})
	}
}

// begun writes the delegating rows of delegations that run.
func (l *ledger) begun(ids ...string) (places []int) {
	for _, id := range ids {
		places = append(places, l.add(registry.Delegation{DelegationID: id, TargetID: "target", Status: registry.DelegationDispatched, Summary: "Delegating to target"}))
	}
	return places
}

// asked is how often an operation was called.
func (l *ledger) asked(op string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nth[op]
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
