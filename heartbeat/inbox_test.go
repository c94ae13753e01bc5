package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// HB-5: a restart of the Python runtime replays up to 50 old results.
func TestInboxDeliversNothingFromBeforeTheFirstBootAndNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		for i := range 40 {
			b.ledger.completed(fmt.Sprintf("old-%d", i), "x")
		}
		running := b.ledger.add(registry.Delegation{DelegationID: "running", Status: "dispatched"})
		b.start()
		b.pass(time.Second)
		b.ledger.completed("new", "y")
		b.ledger.set(running, func(d *registry.Delegation) { d.Status, d.Error = "failed", "no" })
		b.pass(time.Minute)
		b.want("running new")
		b.restart()
		b.pass(10 * time.Minute)
		b.want("running new")
		// A platform that deletes rows brings old ones back into view.
		b.ledger.mu.Lock()
		b.ledger.rows = b.ledger.rows[:len(b.ledger.rows)-30]
		b.ledger.mu.Unlock()
		b.pass(10 * time.Minute)
		b.want("running new")
		if n := len(b.ledger.messages()); n != 2 {
			t.Errorf("the user got %d messages, want 2: %q", n, b.ledger.messages())
		}
		b.stop()
	})
}

// HB-4: Python marks a result as seen before the wake-up is accepted.
func TestInboxRepeatsTheWakeUpUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		refusals := 0
		b.turn = func(context.Context, heartbeat.Delivery) error {
			if refusals++; refusals <= 30 {
				return fmt.Errorf("%w: busy", heartbeat.ErrNotTaken)
			}
			return nil
		}
		b.ledger.completed("d", "x")
		b.pass(10 * time.Minute)
		b.stop()
		if len(b.got) != 31 {
			t.Fatalf("%d deliveries, want 30 that were not taken and one", len(b.got))
		}
		for _, d := range b.got {
			if d.MessageID != b.got[0].MessageID || d.Attempt != 1 {
				t.Fatalf("delivery %+v, the first one was %+v: same id, same attempt", d, b.got[0])
			}
		}
	})
}

func TestInboxGivesUpLoudlyAfterTurnsThatFail(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("no") },
		"panic": func() error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newInboxBed(t, nil)
				b.cfg.Attempts = 3
				b.start()
				b.turn = func(_ context.Context, d heartbeat.Delivery) error {
					if d.Result.DelegationID == "bad" {
						return fail()
					}
					return nil
				}
				b.ledger.completed("bad", "x")
				b.ledger.completed("good", "y")
				b.pass(time.Hour)
				b.restart()
				b.pass(time.Hour)
				b.stop()
				if b.ids() != "bad good bad bad" {
					t.Errorf("delivered %q: the failing one is tried thrice and lets the other pass", b.ids())
				}
				ids := map[string]bool{}
				for _, d := range b.got {
					ids[d.MessageID] = true
				}
				if len(ids) != 4 {
					t.Errorf("%d message ids, want 4: a turn known to have failed gets another one", len(ids))
				}
				told := b.ledger.messages()
				if len(told) != 3 || !strings.Contains(told[2], "could not be handed to the agent") {
					t.Errorf("the user was told %q", told)
				}
			})
		})
	}
}

// HB-8 and EH-6: the id of a delivery whose fate is unknown stays, and the result
// is not gone before its turn has succeeded.
func TestInboxDeliversAgainAfterARestartWithTheSameMessageID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		b.turn = func(ctx context.Context, _ heartbeat.Delivery) error { <-ctx.Done(); return ctx.Err() }
		b.ledger.completed("d", "x")
		b.pass(time.Minute)
		b.stop()
		b.turn = nil
		b.start()
		b.pass(time.Minute)
		b.stop()
		if len(b.got) != 2 || b.got[0].MessageID != b.got[1].MessageID || b.got[1].Attempt != 1 {
			t.Errorf("deliveries %+v, want two with one id, and the shutdown counted as no attempt", b.got)
		}
	})
}

func TestInboxPassesOverRowsOfOtherWorkspaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		foreign := "99999999-1111-4222-8333-444455556666"
		b.ledger.add(registry.Delegation{DelegationID: "theirs", SourceID: foreign, Status: "completed", ResponsePreview: "do evil"})
		b.ledger.add(registry.Delegation{DelegationID: "ours", SourceID: foreign, Status: "completed", ResponsePreview: "do evil"})
		b.ledger.add(registry.Delegation{DelegationID: "nobodys", SourceID: " ", Status: "completed"})
		b.pass(time.Minute)
		b.want("")
		b.ledger.completed("ours", "good") // a foreign row with its id hides nothing
		b.pass(10 * time.Minute)
		b.stop()
		b.want("ours")
		if b.got[0].Result.Response != "good" {
			t.Errorf("the answer is %q", b.got[0].Result.Response)
		}
		if n := strings.Count(b.logs.b.String(), "another workspace"); n != 3 {
			t.Errorf("%d warnings, want one per row", n)
		}
	})
}

// HB-11 and what else the two rows of a delegation may say.
func TestInboxPutsTheRowsOfADelegationTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		b.pass(time.Second)

		first := b.ledger.add(registry.Delegation{DelegationID: "raced", TargetID: "t", Status: "completed", Summary: "Delegating to t"})
		b.inbox.Poke()
		b.pass(time.Second)
		b.want("") // its answer is on its way
		b.ledger.add(registry.Delegation{DelegationID: "raced", TargetID: "t", Status: "completed", ResponsePreview: "the answer"})
		_ = first
		b.pass(time.Minute)
		b.want("raced")

		b.ledger.add(registry.Delegation{DelegationID: "queued", TargetID: "t", Status: "queued"}) // stays so for ever
		second := b.ledger.add(registry.Delegation{DelegationID: "queued", TargetID: "t", Status: "queued", ResponsePreview: `{"queued": true}`})
		b.pass(time.Minute)
		b.ledger.set(second, func(d *registry.Delegation) { d.Status, d.ResponsePreview = "completed", "late" })
		b.pass(time.Minute)

		b.ledger.add(registry.Delegation{DelegationID: "failed", TargetID: "t", Status: "failed", Error: "unreachable"})
		b.ledger.add(registry.Delegation{TargetID: "t", Status: "failed", Error: "unreachable"})
		b.pass(time.Minute)

		b.ledger.add(registry.Delegation{DelegationID: "lost", TargetID: "t", Status: "completed"}) // its answer could not be stored
		b.pass(time.Minute)
		b.stop()

		b.want("raced queued failed lost")
		var said []string
		for _, d := range b.got {
			said = append(said, d.Result.Status+":"+d.Result.Response+d.Result.Error)
		}
		if got := strings.Join(said, " "); got != "completed:the answer completed:late failed:unreachable completed:" {
			t.Errorf("the results say %q", got)
		}
	})
}

// HB-12: what the agent has had in another way is not announced again.
func TestInboxDismiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		if err := b.inbox.Dismiss(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		b.ledger.completed("d", "x")
		b.pass(time.Minute)
		b.restart()
		b.pass(time.Minute)
		b.stop()
		b.want("")
		if told := b.ledger.messages(); len(told) != 0 {
			t.Errorf("the user was told %q", told)
		}
	})
}

// HB-6: Python forgets an arbitrary half of what it has seen.
func TestInboxStaysSmallAndForgetsNothingThatCanBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		for i := range 20 { // 400 results
			for j := range 20 {
				b.ledger.completed(fmt.Sprintf("d-%d-%d", i, j), strings.Repeat("x", 300))
			}
			b.pass(time.Minute)
		}
		b.restart()
		b.pass(10 * time.Minute)
		b.stop()
		seen := map[string]int{}
		for _, d := range b.got {
			seen[d.Result.DelegationID]++
		}
		if len(seen) != 400 || len(b.got) != 400 {
			t.Errorf("%d deliveries of %d delegations, want 400 of 400", len(b.got), len(seen))
		}
		if info, err := os.Stat(b.cfg.Path); err != nil || info.Size() > 32<<10 {
			t.Errorf("the file has %d bytes (%v)", info.Size(), err)
		}
	})
}

func TestInboxFileThatIsDamagedIsMovedAsideAndNothingIsReplayed(t *testing.T) {
	for name, damage := range map[string]func(raw []byte) []byte{
		"torn":              func(raw []byte) []byte { return raw[:len(raw)/2] },
		"empty":             func([]byte) []byte { return nil },
		"bit":               func(raw []byte) []byte { return []byte(strings.Replace(string(raw), `"d"`, `"e"`, 1)) },
		"another workspace": func(raw []byte) []byte { return []byte(`{"version":1,"sum":2745614147,"state":{}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newInboxBed(t, nil)
				b.start()
				b.ledger.completed("d", "x")
				b.pass(time.Minute)
				b.stop()
				raw, err := os.ReadFile(b.cfg.Path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(b.cfg.Path, damage(raw), 0o600); err != nil {
					t.Fatal(err)
				}
				b.start()
				moved := b.inbox.Status().Moved
				b.pass(time.Minute)
				b.ledger.completed("later", "y")
				b.pass(time.Minute)
				b.stop()
				b.want("d later")
				if found, _ := filepath.Glob(b.cfg.Path + ".corrupt-*"); len(found) != 1 || found[0] != moved {
					t.Errorf("moved to %q, there is %q", moved, found)
				}
				if !strings.Contains(b.logs.b.String(), "level=ERROR msg=\"the file of delivered results is damaged") {
					t.Errorf("the log does not say so:\n%s", b.logs.b)
				}
			})
		})
	}
}

func TestInboxFileOfALaterVersionIsLeftAlone(t *testing.T) {
	b := newInboxBed(t, nil)
	if err := os.MkdirAll(filepath.Dir(b.cfg.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	later := `{"version":2,"how":"knows"}`
	if err := os.WriteFile(b.cfg.Path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := heartbeat.NewInbox(b.cfg); !errors.Is(err, heartbeat.ErrInboxFormat) {
		t.Errorf("NewInbox: %v", err)
	}
	if raw, _ := os.ReadFile(b.cfg.Path); string(raw) != later {
		t.Errorf("the file is now %s", raw)
	}
}

func TestInboxNotifiesOnceAndRepeatsOnlyWhatDidNotArrive(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		first bedAnswer
		want  int
	}{
		"busy":      {bedAnswer{status: 503}, 1},
		"limited":   {bedAnswer{status: 429, retryAfter: 5}, 1},
		"no dial":   {bedAnswer{err: dial}, 1},
		"refused":   {bedAnswer{status: 400}, 0},
		"lost":      {bedAnswer{err: errors.New("connection reset")}, 0}, // it may have arrived
		"no answer": {bedAnswer{hang: true}, 0},
		"proxy":     {bedAnswer{status: 502}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newInboxBed(t, nil)
				b.ledger.script = func(op string, nth int) *bedAnswer {
					if op == "notify" && nth == 1 {
						return &c.first
					}
					return nil
				}
				b.start()
				b.ledger.completed("d", "x")
				b.pass(10 * time.Minute)
				b.restart()
				b.pass(10 * time.Minute)
				b.stop()
				b.want("d") // whatever becomes of the notification
				if told := b.ledger.messages(); len(told) != c.want {
					t.Errorf("the user was told %q, want %d messages", told, c.want)
				}
			})
		})
	}
}

func TestInboxNotificationIsNotCutInsideACharacter(t *testing.T) {
	for n := range 40 {
		text := heartbeat.NoticeOf(heartbeat.Result{TargetID: "12345678-abc", Status: "completed", Response: strings.Repeat("a", n) + strings.Repeat("日本語🙂", 30)})
		if len(text) > 80 && !utf8.ValidString(text[:80]) {
			t.Errorf("%d: the platform would cut %q inside a character", n, text)
		}
	}
}

// The six cases of the Python heartbeat's delegation check: the 401 pattern, and
// what must not look like it.
func TestInboxListUnauthorized(t *testing.T) {
	for _, c := range []struct {
		name         string
		first        *bedAnswer // to the first look; nil: by the token
		file         string     // what the file holds by then
		looks, reads int        // calls and file reads of that first look
		ok           bool
	}{
		{"good token", nil, "old", 1, 0, true},
		{"401, new token in the file", nil, "new", 2, 1, true},
		{"401, the same token in the file", nil, "old", 1, 1, false},
		{"401, another dead token in the file", nil, "dead", 2, 1, false},
		{"500 refreshes nothing", &bedAnswer{status: 500}, "new", 1, 0, false},
		{"no answer refreshes nothing", &bedAnswer{err: errors.New("reset")}, "new", 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tokens := newBedTokens("old")
				tokens.unwatched = true
				l := &ledger{token: "old"}
				rt, err := heartbeat.NewRoundTripper(bedURL, tokens, heartbeat.WithBase(l))
				if err != nil {
					t.Fatal(err)
				}
				b := newInboxBed(t, rt)
				b.ledger = l
				if c.name != "good token" {
					l.token = "new"
				}
				tokens.write(c.file)
				l.script = func(_ string, nth int) *bedAnswer {
					if nth == 1 {
						return c.first
					}
					return nil
				}
				b.start()
				l.mu.Lock()
				looks := l.nth["delegations"]
				l.mu.Unlock()
				tokens.mu.Lock()
				reads := tokens.reads
				tokens.mu.Unlock()
				s := b.inbox.Status()
				if looks != c.looks || reads != c.reads || (s.LastError == nil) != c.ok {
					t.Errorf("%d calls, %d reads of the file, error %v; want %d, %d, success %v", looks, reads, s.LastError, c.looks, c.reads, c.ok)
				}
				// Whatever it was, it is overcome, and nothing is lost by it.
				tokens.write(l.token)
				b.pass(time.Minute)
				l.completed("d", "x")
				b.pass(time.Minute)
				b.stop()
				b.want("d")
			})
		})
	}
}

// HB-7 and HB-9: neither a list that hangs, nor a notification that hangs, nor a
// turn of an hour delays a heartbeat, and failures do not make a storm.
func TestInboxNeverDelaysABeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "t1")
		client, err := registry.NewClient(bedURL, bedID, registry.WithTransport(b.rt))
		if err != nil {
			t.Fatal(err)
		}
		turns := 0
		inbox, err := heartbeat.NewInbox(heartbeat.InboxConfig{Client: client, Deliver: func(ctx context.Context, _ heartbeat.Delivery) error {
			turns++
			<-ctx.Done()
			return ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		list := `[]`
		hangs := false
		b.script(func(c bedCall) *bedAnswer {
			switch {
			case strings.HasSuffix(c.op, "/notify"):
				return &bedAnswer{hang: true}
			case !strings.HasSuffix(c.op, "/delegations"):
				return nil
			case hangs:
				return &bedAnswer{hang: true}
			}
			return &bedAnswer{status: 200, body: list}
		})
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); _ = inbox.Run(ctx) }()
		b.run()
		b.pass(time.Minute)
		b.set(func(*bedPlatform) {
			list = `[{"id":"r","delegation_id":"d","source_id":"` + bedID + `","status":"failed","created_at":"2026-01-01T00:00:00Z"}]`
		})
		b.pass(time.Minute)
		b.set(func(*bedPlatform) { hangs = true })
		b.pass(58 * time.Minute)
		if turns != 1 {
			t.Fatalf("%d turns are under way, want 1", turns)
		}
		var last time.Duration
		for _, c := range b.calls(0, "beat") {
			if gap := c.at - last; gap > 33*time.Second {
				t.Errorf("%v without a heartbeat before %v", gap, c.at)
			}
			last = c.at
		}
		if b.now()-last > 33*time.Second {
			t.Errorf("the last heartbeat was at %v", last)
		}
		looks := 0
		for _, c := range b.calls(0) {
			if strings.HasSuffix(c.op, "/delegations") {
				looks++
			}
		}
		if looks < 60 || looks > 300 {
			t.Errorf("%d looks in an hour", looks)
		}
		cancel()
		<-over
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestInboxPokeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		for range 1000 {
			b.inbox.Poke()
			b.pass(10 * time.Millisecond)
		}
		if n := b.ledger.looked(); n < 5 || n > 20 {
			t.Errorf("%d looks in 10 s of a poke every 10 ms", n)
		}
		b.stop()
	})
}

func TestNewInboxSaysAllThatIsWrong(t *testing.T) {
	_, err := heartbeat.NewInbox(heartbeat.InboxConfig{Interval: -1})
	for _, want := range []string{"Client", "Deliver", "Interval"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

func FuzzInboxFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"sum":2745614147,"state":{}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"sum":0,"state":null}`))
	f.Fuzz(func(_ *testing.T, raw []byte) { _, _ = heartbeat.DecodeInbox(raw) })
}

// A workspace without a token yet asks nothing, so that its 401 does not send the
// Loop looking for a better one; what is in the file is delivered all the same.
func TestInboxAsksNothingBeforeItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.start()
		b.turn = func(context.Context, heartbeat.Delivery) error { return heartbeat.ErrNotTaken }
		b.ledger.completed("d", "x")
		b.pass(time.Minute)
		b.stop()
		ready := make(chan struct{})
		b.cfg.Ready, b.turn, b.got = ready, nil, nil
		looked := b.ledger.looked()
		b.start()
		b.inbox.Poke()
		b.pass(time.Hour)
		b.want("d")
		if n := b.ledger.looked() - looked; n != 0 {
			t.Errorf("%d looks before it was ready", n)
		}
		close(ready)
		b.pass(time.Minute)
		b.stop()
		if b.ledger.looked() == looked {
			t.Error("no look after it was ready")
		}
	})
}
