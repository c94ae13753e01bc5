package heartbeat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

// unauthorizedAnswer is the platform's answer to a token it does not accept.
var unauthorizedAnswer = bedAnswer{status: 401, body: `{"error":"invalid workspace auth token"}`}

func TestRemovedWorkspaceEndsRun(t *testing.T) {
	for name, tt := range map[string]struct {
		row    string
		script func(bedCall) *bedAnswer
	}{
		"row says removed": {row: "removed"},
		"row is gone":      {row: ""},
		"410": {row: "online", script: func(c bedCall) *bedAnswer {
			if c.op == "look" {
				return &bedAnswer{status: 410, body: `{"error":"gone"}`}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t)
				b.script(tt.script)
				b.set(func(p *bedPlatform) { p.live, p.row = "", tt.row }) // heartbeats stay 200
				err := <-b.done
				if !errors.Is(err, heartbeat.ErrRemoved) {
					t.Errorf("Run returned %v", err)
				}
				if took := b.now() - at; took > 35*time.Second {
					t.Errorf("noticed after %v, want about an interval", took)
				}
				if s := b.loop.Status(); s.Row != "removed" || s.Alarm == "" || !s.NextBeat.IsZero() {
					t.Errorf("status %+v", s)
				}
				if got := len(b.calls(at, "register")); got != 0 {
					t.Error("a removed workspace was registered")
				}
			})
		})
	}
}

// A token can outlive its workspace; then the verify itself says so.
func TestVerifyThatSaysDeletedIsFollowedByALook(t *testing.T) {
	for name, a := range map[string]bedAnswer{
		"404": {status: 404, body: `{"workspace_id":"x","status":"removed","deleted":true}`},
		"200": {status: 200, body: `{"workspace_id":"x","status":"removed","deleted":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t)
				b.set(func(p *bedPlatform) { p.row = "removed" })
				b.script(only("verify", always(a)))
				if err := <-b.done; !errors.Is(err, heartbeat.ErrRemoved) {
					t.Errorf("Run returned %v", err)
				}
				if got := story(b.calls(at, "look", "register")); got != "look 200" {
					t.Errorf("the platform saw %s", got)
				}
			})
		})
	}
}

func TestStrangers404IsNotARemoval(t *testing.T) {
	for name, body := range map[string]string{
		"front proxy": "<html>404</html>", "no tenant": "", "wrong path": "404 page not found", "other": `{"error":"no route"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t)
				b.script(func(bedCall) *bedAnswer { return &bedAnswer{status: 404, body: body} })
				b.loop.Beat()
				b.pass(10 * time.Second)
				b.rotate("T2")
				b.script(func(c bedCall) *bedAnswer {
					if c.op == "look" {
						return &bedAnswer{status: 404, body: body}
					}
					return nil
				})
				b.pass(5 * time.Minute)
				if got := len(b.calls(at, "register")); got != 0 {
					t.Errorf("%d registrations after a look that said nothing", got)
				}
				b.script(nil)
				b.tokens.write("T2")
				b.pass(time.Second)
				if !b.loop.Status().TokenAccepted {
					t.Errorf("status %+v", b.loop.Status())
				}
				if err := b.end(); err != nil {
					t.Errorf("Run returned %v", err)
				}
			})
		})
	}
}

func TestUnknownWorkspaceIsRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "")
		b.platform.row = ""
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "register" && c.nth == 1 {
				return &unauthorizedAnswer // a passing 401 before the platform ever knew it
			}
			return nil
		})
		b.run()
		b.pass(10 * time.Second)
		if !b.loop.Status().Registered {
			t.Errorf("not registered: %s", story(b.calls(0)))
		}
		b.end()
	})
}

func TestPausedWorkspaceIsWatchedAndNeverRegistered(t *testing.T) {
	for _, row := range []string{"paused", "hibernated"} {
		t.Run(row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t)
				b.set(func(p *bedPlatform) { p.row, p.live = row, "T2" })
				b.pass(time.Hour)
				if got := len(b.calls(at, "register")); got != 0 {
					t.Fatalf("registered %d times: that wakes it", got)
				}
				if got := len(b.calls(at, "look")); got < 108 || got > 134 {
					t.Errorf("%d looks in 120 intervals", got)
				}
				if s := b.loop.Status(); s.Row != row {
					t.Errorf("status %+v", s)
				}
				b.set(func(p *bedPlatform) { p.row = "online" })
				b.tokens.write("T2")
				synctest.Wait()
				if !b.loop.Status().TokenAccepted {
					t.Errorf("after the rotation: %+v", b.loop.Status())
				}
				b.end()
			})
		})
	}
}

func TestPaused401ThatPassesEndsTheLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.set(func(p *bedPlatform) { p.row = "paused" })
		b.script(only("verify", always(unauthorizedAnswer)))
		b.pass(2 * time.Minute)
		b.script(nil)
		b.pass(time.Minute)
		if s := b.loop.Status(); !s.TokenAccepted {
			t.Errorf("status %+v\n%s", s, story(b.calls(at)))
		}
		b.end()
	})
}

func TestServerTroubleDuringTheLadderBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		// The platform's database is down: 401 on /state, 500 on all else.
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "verify" {
				return &unauthorizedAnswer
			}
			return &bedAnswer{status: 500, body: `{"error":"query failed"}`}
		})
		b.loop.Beat()
		b.pass(10 * time.Minute)
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "verify" {
				return &unauthorizedAnswer
			}
			if c.op == "beat" {
				return nil
			}
			return &bedAnswer{status: 500, body: `{"error":"query failed"}`}
		})
		b.pass(10 * time.Minute)
		if got := b.calls(at, "register"); len(got) != 0 {
			t.Errorf("registered without a look: %s", story(got))
		}
		if got := len(b.calls(at)); got > 300 {
			t.Errorf("%d requests in 20 minutes", got)
		}
		if b.tokens.cache != "T1" {
			t.Error("the token was thrown away")
		}
		b.script(nil)
		b.pass(45 * time.Second)
		if s := b.loop.Status(); !s.TokenAccepted || s.LastError != nil || s.Alarm != "" {
			t.Errorf("after the trouble: %+v\n%s", s, story(b.calls(b.now()-45*time.Second)))
		}
		b.end()
	})
}

func TestPassing401IsSettledByARegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.script(only("beat", func(nth int) *bedAnswer {
			if nth == 2 {
				return &unauthorizedAnswer
			}
			return nil
		}))
		b.loop.Beat()
		b.pass(5 * time.Second)
		b.wantStory(at, "beat 401, look 200, register 200, beat 200, verify 200")
		if !b.loop.Status().TokenAccepted {
			t.Errorf("status %+v", b.loop.Status())
		}
		b.end()
	})
}

func TestAnotherLiveTokenRaisesTheAlarmAndSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("T2")
		b.loop.Beat()
		b.pass(5 * time.Second)
		if s := b.loop.Status(); !strings.Contains(s.Alarm, "another live token") {
			t.Errorf("status %+v", s)
		}
		b.pass(time.Hour)
		if got := len(b.calls(at)); got > 550 {
			t.Errorf("%d requests in an hour", got)
		}
		tail := b.calls(b.now()-10*time.Minute, "register")
		if len(tail) > 60 {
			t.Errorf("%d registrations in the last ten minutes", len(tail))
		}
		at = b.now()
		b.tokens.write("T2")
		synctest.Wait()
		// More than the TTL has passed without an accepted heartbeat.
		b.wantStory(at, "beat 200, verify 200, look 200, register 200")
		if s := b.loop.Status(); !s.TokenAccepted || s.Alarm != "" || s.LastError != nil {
			t.Errorf("status %+v", s)
		}
		b.end()
		warns := strings.Count(b.logs.String(), "level=WARN")
		errs := strings.Count(b.logs.String(), "level=ERROR")
		if warns != 3 || errs < 3 || errs > 10 {
			t.Errorf("%d warnings and %d errors in an hour\n%s", warns, errs, b.logs)
		}
		if got := strings.Count(b.logs.String(), "accepts the token again"); got != 1 {
			t.Errorf("recovery said %d times", got)
		}
		if strings.Contains(b.logs.String(), "T2") || strings.Contains(b.logs.String(), "T1 ") {
			t.Errorf("a token in the log:\n%s", b.logs)
		}
	})
}

func TestRefusedAddressAndA401ThatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		refuse := func(c bedCall) *bedAnswer {
			if c.op == "register" {
				return &bedAnswer{status: 400, body: `{"error":"invalid request body"}`}
			}
			return nil
		}
		b.script(refuse)
		b.run()
		b.pass(5 * time.Second)
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "verify" || c.op == "beat" {
				return &unauthorizedAnswer
			}
			return refuse(c)
		})
		b.loop.Beat()
		at := b.now()
		b.pass(5 * time.Minute)
		if got := len(b.calls(at, "register")); got != 0 {
			t.Errorf("%d registrations of an address that is refused anyway", got)
		}
		b.script(refuse)
		b.pass(30 * time.Second) // no longer than that: the platform is well
		if s := b.loop.Status(); !s.TokenAccepted || s.Alarm != "" {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}

func TestAnybodys401MakesTheLoopCheckTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("") // heartbeats would stay 200
		b.get("/workspaces/" + bedID + "/state")
		b.pass(5 * time.Second)
		b.wantStory(at, "verify 401, verify 401, look 200, register 200, beat 200, verify 200")
		b.end()
	})
}

func TestStormOf401sOfOtherCallsIsAnsweredCalmly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.script(func(c bedCall) *bedAnswer {
			if strings.HasPrefix(c.op, "GET ") { // another workspace's route: 401 to our good token
				return &unauthorizedAnswer
			}
			return nil
		})
		for range 1000 {
			b.get("/workspaces/another/memories/list")
			b.pass(10 * time.Millisecond)
		}
		if got := len(b.calls(at, "look", "register")); got != 0 {
			t.Errorf("%d steps of a ladder although the token is good", got)
		}
		if got := len(b.calls(at, "verify")); got < 5 || got > 11 {
			t.Errorf("%d verifies in 10 s", got)
		}
		b.end()
	})
}

func TestOneClimberAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("")
		b.script(func(c bedCall) *bedAnswer { return &bedAnswer{late: true, delay: 500 * time.Millisecond} })
		for range 50 {
			go b.get("/workspaces/" + bedID + "/state")
		}
		b.pass(20 * time.Second)
		if got := story(b.calls(at, "look", "register")); got != "look 200, register 200" {
			t.Errorf("fifty 401s at once: %s", got)
		}
		if b.platform.minted != 1 {
			t.Errorf("%d tokens minted", b.platform.minted)
		}
		b.end()
	})
}

func Test403IsNot401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.tokens.mu.Lock()
		reads := b.tokens.reads
		b.tokens.mu.Unlock()
		b.script(only("beat", always(bedAnswer{status: 403, body: `{"error":"no"}`})))
		b.loop.Beat()
		b.pass(10 * time.Minute)
		if got := story(b.calls(at, "look", "register")); got != "" {
			t.Errorf("a ladder for a 403: %s", got)
		}
		if b.tokens.reads != reads || !b.loop.Status().TokenAccepted {
			t.Errorf("%d reads, status %+v", b.tokens.reads-reads, b.loop.Status())
		}
		b.end()
	})
}

func TestEventsOfARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		add := func(format string, args ...any) { events = append(events, fmt.Sprintf(format, args...)) }
		b, _ := settled(t, func(c *heartbeat.LoopConfig) {
			c.Trace = &heartbeat.Trace{
				Beat:         func(i heartbeat.BeatInfo) { add("beat %s %v", i.Reason, i.Err == nil) },
				Register:     func(i heartbeat.RegisterInfo) { add("register minted=%v %v", i.Minted, i.Err == nil) },
				Look:         func(i heartbeat.LookInfo) { add("look %s", i.Row) },
				Verify:       func(i heartbeat.VerifyInfo) { add("verify %v", i.Err == nil) },
				Unauthorized: func(i heartbeat.UnauthorizedInfo) { add("unauthorized %s %d", i.Call, i.Round) },
				Recovered:    func(i heartbeat.RecoveredInfo) { add("recovered token=%v", i.Token) },
				TokenSaved:   func(i heartbeat.TokenSavedInfo) { add("saved %v", i.Err == nil) },
			}
		})
		events = nil
		b.rotate("")
		b.script(only("verify", func(nth int) *bedAnswer { return nil }))
		b.pass(40 * time.Second)
		b.end()
		want := []string{
			"beat regular true", "verify false", "unauthorized verify 0", "look online",
			"saved true", "register minted=true true", "beat token true", "verify true", "recovered token=true",
		}
		if got := strings.Join(events, "\n"); !strings.HasPrefix(got, strings.Join(want, "\n")) {
			t.Errorf("events\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// get makes a call as any user of the transport does.
func (b *bed) get(path string) {
	resp, err := b.http.Get(bedURL + path)
	if err != nil {
		b.t.Errorf("GET %s: %v", path, err)
		return
	}
	resp.Body.Close()
}
