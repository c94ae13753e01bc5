package heartbeat_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestNewLoopNamesAllFaultsAtOnce(t *testing.T) {
	_, err := heartbeat.NewLoop(heartbeat.LoopConfig{Interval: -1, LivenessTTL: -1})
	for _, want := range []string{"Client is missing", "Tokens is missing", "Registration is missing", "Interval -1ns", "LivenessTTL -1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	client, _ := registry.NewClient(bedURL, bedID)
	_, err = heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: client, Tokens: newBedTokens(""), Registration: func() heartbeat.Registration { return heartbeat.Registration{} },
		Interval: 5 * time.Minute,
	})
	if err == nil || !strings.Contains(err.Error(), "use 1m0s or less") {
		t.Errorf("an interval beyond the TTL: got %v, want an error with a remedy", err)
	}
}

func TestRegistersThenBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.run()
		b.wantStory(0, "register 200, beat 200")
		s := b.loop.Status()
		if !s.Registered || !s.TokenAccepted || !s.TokenPersisted || s.Failures != 0 || s.LastError != nil || s.Alarm != "" {
			t.Errorf("status %+v", s)
		}
		if next := time.Until(s.NextBeat); next < 27*time.Second || next > 33*time.Second {
			t.Errorf("next beat in %v, want 30 s and a tenth either way", next)
		}
		if err := b.end(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if s := b.loop.Status(); !s.NextBeat.IsZero() {
			t.Errorf("next beat %v after the end", s.NextBeat)
		}
	})
}

func TestMintedTokenIsSavedBeforeAnythingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "beat" && b.tokens.Persisted() && b.tokens.disk != "minted-1" {
				t.Error("a heartbeat went out before the token was on disk")
			}
			return nil
		})
		b.run()
		if got := b.calls(0, "beat")[0].bearer; got != "minted-1" {
			t.Errorf("first heartbeat carries %q", got)
		}
		b.end()
	})
}

func TestWithoutAddressItBeatsAndPushesTheCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		card := b.reg
		b.reg = heartbeat.Registration{Card: card.Card}
		b.run()
		if got := len(b.calls(0, "register")); got != 0 {
			t.Errorf("%d registrations without an address", got)
		}
		if len(b.calls(0, "beat")) != 1 || len(b.calls(0, "card")) != 1 || len(b.calls(0, "verify")) != 1 {
			t.Errorf("the platform saw %s", story(b.calls(0)))
		}
		b.offer(func(r *heartbeat.Registration) { *r = card }) // the address is known now
		b.pass(33 * time.Second)
		if !b.loop.Status().Registered {
			t.Errorf("not registered after the address was there: %s", story(b.calls(0)))
		}
		b.end()
	})
}

func TestBeatsGoOnWhateverRegisterSaid(t *testing.T) {
	for name, a := range map[string]bedAnswer{
		"refused":     {status: 400, body: `{"error":"invalid request body"}`},
		"server down": {status: 500, body: `{"error":"registration failed"}`},
		"limited":     {status: 429, body: `{"error":"rate limit exceeded"}`, retryAfter: 60},
		"no answer":   {err: errRefused},
		"hangs":       {hang: true},
		"forbidden":   {status: 403, body: `{"error":"no"}`},
		"no tenant":   {status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "T1")
				b.script(only("register", always(a)))
				b.run()
				b.pass(60 * time.Second)
				if got := len(b.calls(0, "beat")); got < 2 {
					t.Errorf("%d heartbeats in a minute: %s", got, story(b.calls(0)))
				}
				if b.loop.Status().Registered {
					t.Error("registered")
				}
				b.script(nil)
				b.pass(2 * time.Minute)
				if name != "refused" && !b.loop.Status().Registered {
					t.Errorf("not registered when the platform was well: %s", story(b.calls(0)))
				}
				b.end()
			})
		})
	}
}

func TestRefusedRegistrationPushesTheCardOnceAndSaysItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(func(c bedCall) *bedAnswer {
			switch {
			case c.op == "register":
				return &bedAnswer{status: 400, body: `{"error":"invalid request body"}`}
			case c.op == "card" && c.nth <= 2:
				return &bedAnswer{status: 500, body: `{"error":"failed to update card"}`}
			}
			return nil
		})
		b.run()
		b.pass(time.Hour)
		if got := len(b.calls(0, "register")); got != 1 {
			t.Errorf("%d registrations, want 1", got)
		}
		if got := story(b.calls(0, "card")); got != "card 500, card 500, card 200" {
			t.Errorf("pushes of the card: %s", got)
		}
		if got := strings.Count(b.logs.String(), "refuses the registration"); got != 1 {
			t.Errorf("said %d times:\n%s", got, b.logs)
		}
		s := b.loop.Status()
		if !s.RegisterRefused || s.Registered || !s.TokenAccepted || s.LastError != nil || s.Alarm != "" {
			t.Errorf("status %+v", s)
		}

		at := b.now()
		b.pass(time.Second)
		b.loop.Announce()
		b.pass(3 * time.Second)
		if got := story(b.calls(at, "look", "register", "card")); got != "look 200, register 400, card 200" {
			t.Errorf("after Announce: %s", got)
		}

		b.script(nil)
		b.offer(func(r *heartbeat.Registration) { r.URL = "https://agent.example" })
		b.pass(33 * time.Second)
		if s := b.loop.Status(); !s.Registered || s.RegisterRefused {
			t.Errorf("after the address changed: %+v", s)
		}
		b.end()
	})
}

func TestAnnouncePushesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(5 * time.Second)
		at := b.now()
		b.offer(func(r *heartbeat.Registration) { r.Card = []byte(`{"name":"new"}`) })
		for range 50 {
			b.loop.Announce()
			b.pass(10 * time.Millisecond)
		}
		b.pass(5 * time.Second)
		if got := len(b.calls(at, "register")); got == 0 || got > 2 {
			t.Errorf("%d registrations after 50 announcements in half a second", got)
		}
		regs := b.calls(at, "register")
		if last := regs[len(regs)-1]; !strings.Contains(string(last.body), `"new"`) {
			t.Errorf("registered with %s", last.body)
		}
		b.end()
	})
}

func TestAnnounceWhilePausedPushesTheCardOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.set(func(p *bedPlatform) { p.row = "paused" })
		b.pass(5 * time.Second)
		at := b.now()
		b.loop.Announce()
		b.pass(10 * time.Minute)
		if got := story(b.calls(at, "register", "card")); got != "card 200" {
			t.Errorf("a paused workspace: %s", got)
		}
		b.set(func(p *bedPlatform) { p.row = "online" })
		b.pass(time.Minute)
		if got := len(b.calls(at, "register")); got != 1 {
			t.Errorf("%d registrations when it was awake again", got)
		}
		b.end()
	})
}

func TestRefusedCardIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "register" || c.op == "card" {
				return &bedAnswer{status: 400, body: `{"error":"invalid request body"}`}
			}
			return nil
		})
		b.run()
		b.pass(time.Hour)
		if got := len(b.calls(0, "card")); got != 1 {
			t.Errorf("%d pushes of a card that is refused", got)
		}
		if s := b.loop.Status(); s.LastError != nil {
			t.Errorf("still in the status: %v", s.LastError)
		}
		b.end()
	})
}

func TestCardThatNeedsATokenWaitsForIt(t *testing.T) {
	for name, token := range map[string]string{"none": "", "refused": "T1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, token)
				b.script(only("register", always(bedAnswer{status: 400, body: `{"error":"invalid request body"}`})))
				b.rotate("T2") // the file comes later
				b.run()
				b.pass(2 * time.Minute)
				if got := len(b.calls(0)); got > 80 {
					t.Errorf("%d requests in two minutes: %s", got, story(b.calls(0)))
				}
				at := b.now()
				b.tokens.write("T2")
				b.pass(31 * time.Second)
				if got := story(b.calls(at, "card")); got != "card 200" {
					t.Errorf("with the token: %s", story(b.calls(at)))
				}
				if s := b.loop.Status(); !s.TokenAccepted || s.LastError != nil {
					t.Errorf("status %+v", s)
				}
				b.end()
			})
		})
	}
}

func TestTokenThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.tokens.unreadable(errors.New("input/output error"))
		b.run()
		b.pass(time.Minute)
		if s := b.loop.Status(); !strings.Contains(s.Alarm, "token file cannot be read") {
			t.Errorf("status %+v", s)
		}
		b.tokens.unreadable(nil)
		b.pass(time.Minute)
		if s := b.loop.Status(); !s.Registered || !s.TokenAccepted || s.LastError != nil || s.Failures != 0 || s.Alarm != "" {
			t.Errorf("status %+v: %s", s, story(b.calls(0)))
		}
		b.end()
	})
}

func TestFailedSaveKeepsTheTokenAndIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.tokens.saveErr = errors.New("read-only file system")
		b.run()
		b.pass(5 * time.Second)
		s := b.loop.Status()
		if s.TokenPersisted || !s.TokenAccepted || s.Alarm == "" || s.LastError == nil {
			t.Errorf("status %+v", s)
		}
		if got := b.calls(0, "beat")[0]; got.bearer != "minted-1" || got.status != 200 {
			t.Errorf("first heartbeat with %q: %d", got.bearer, got.status)
		}
		b.tokens.mu.Lock()
		tries := len(b.tokens.saves)
		b.tokens.saveErr = nil
		b.tokens.mu.Unlock()
		if tries < 3 || tries > 40 {
			t.Errorf("%d tries to save in 5 s", tries)
		}
		b.pass(10 * time.Second)
		s = b.loop.Status()
		if !s.TokenPersisted || s.Alarm != "" || s.LastError != nil {
			t.Errorf("status %+v after the disk came back", s)
		}
		if b.tokens.disk != "minted-1" {
			t.Errorf("on disk: %q", b.tokens.disk)
		}
		b.end()
	})
}

func TestUnsavedTokenGivesWayToANewerFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.tokens.saveErr = errors.New("read-only file system")
		b.run()
		b.rotate("T2")
		b.tokens.write("T2")
		b.pass(time.Minute)
		if got := b.tokens.disk; got != "T2" || b.loop.Status().Alarm != "" {
			t.Errorf("on disk %q, status %+v", got, b.loop.Status())
		}
		b.end()
	})
}

func TestRunTwiceAtATimeIsRefusedAndLaterBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		if err := b.loop.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "running already") {
			t.Errorf("second Run returned %v", err)
		}
		b.end()
		at := b.now()
		b.pass(time.Second)
		b.run()
		b.wantStory(at+time.Second, "register 200, beat 200")
		b.end()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		at = b.now()
		b.pass(time.Second)
		if err := b.loop.Run(ended); err != nil || len(b.calls(at+time.Second)) != 0 {
			t.Errorf("Run on an ended context: %v, %s", err, story(b.calls(at+time.Second)))
		}
	})
}

func TestEndWaitsForARegistrationThatMayBringAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.script(only("register", always(bedAnswer{late: true, delay: 800 * time.Millisecond})))
		b.run()
		b.pass(100 * time.Millisecond)
		if err := b.end(); err != nil {
			t.Error(err)
		}
		if b.tokens.disk != "minted-1" {
			t.Errorf("the token that the answer held is lost; on disk: %q", b.tokens.disk)
		}
	})
}

func TestEndIsQuickWhenNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(func(bedCall) *bedAnswer { return &bedAnswer{hang: true} })
		b.run()
		b.pass(time.Second)
		at := time.Now()
		if err := b.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(at); took > 1500*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestLastBeatTellsTheTasksAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last heartbeat.BeatInfo
		b := newBed(t, "T1", func(c *heartbeat.LoopConfig) {
			c.Trace = &heartbeat.Trace{Beat: func(i heartbeat.BeatInfo) { last = i }}
		})
		b.run()
		defer b.state.Begin("unfinished")()
		b.pass(10 * time.Second)
		at := b.now()
		b.pass(time.Second)
		b.end()
		b.wantStory(at+time.Second, "beat 200")
		if body := b.calls(at + time.Second)[0].beat(t); body.ActiveTasks != 1 || body.CurrentTask != "unfinished" {
			t.Errorf("last heartbeat %+v", body)
		}
		if last.Reason != heartbeat.BeatLast || last.Err != nil || !last.Next.IsZero() {
			t.Errorf("traced %+v", last)
		}
	})
}

func TestPanicInATraceGoesUpThroughRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1", func(c *heartbeat.LoopConfig) {
			c.Trace = &heartbeat.Trace{Beat: func(heartbeat.BeatInfo) { panic("mine") }}
		})
		b.script(only("verify", always(bedAnswer{hang: true})))
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
			// The bubble proves that no goroutine is left behind.
			if err := b.loop.Run(canceled(t)); err != nil {
				t.Errorf("the Loop is still running: %v", err)
			}
		}()
		_ = b.loop.Run(t.Context())
		t.Error("Run returned")
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestWatchThatEndsIsBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &failingWatch{bedTokens: newBedTokens("T1")}
		b := newBed(t, "T1", func(c *heartbeat.LoopConfig) { c.Tokens = w })
		b.run()
		b.pass(5 * time.Minute)
		if w.watches != 11 {
			t.Errorf("%d watches in 5 minutes, want 11", w.watches)
		}
		b.end()
	})
}

type failingWatch struct {
	*bedTokens
	watches int
}

func (w *failingWatch) Watch(context.Context) error { w.watches++; return errors.New("no inotify") }

func TestLoopNeedsNoTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1", func(c *heartbeat.LoopConfig) { c.Transport, c.State, c.Logger = nil, nil, nil })
		b.script(only("beat", always(bedAnswer{hang: true})))
		b.run()
		b.pass(time.Minute)
		b.script(nil)
		b.pass(time.Minute)
		if s := b.loop.Status(); s.Failures != 0 || !s.Registered {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}
