package heartbeat_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

// settled is a bed whose workspace lives well on T1, and the time at which
// nothing is going on.
func settled(t *testing.T, change ...func(*heartbeat.LoopConfig)) (*bed, time.Duration) {
	t.Helper()
	b := newBed(t, "T1", change...)
	b.run()
	b.pass(5 * time.Second)
	return b, b.now()
}

func TestBeatsTheMomentTheFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("T2")
		b.loop.Beat() // the heartbeat that meets the rotation
		b.pass(400 * time.Millisecond)
		b.wantStory(at, "beat 401")
		if s := b.loop.Status(); s.TokenAccepted || s.LastError == nil {
			t.Errorf("in between: %+v", s)
		}
		b.tokens.write("T2")
		synctest.Wait() // no time passes
		b.wantStory(at, "beat 401, beat 200, verify 200")
		b.pass(20 * time.Second)
		b.wantStory(at, "beat 401, beat 200, verify 200")
		if s := b.loop.Status(); !s.TokenAccepted || s.LastError != nil || s.Failures != 0 || s.Alarm != "" {
			t.Errorf("afterwards: %+v", s)
		}
		b.end()
	})
}

func TestBeatsWhenTheFileChangesBeforeAnybodyMetThe401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("T2")
		b.tokens.write("T2")
		synctest.Wait()
		b.wantStory(at, "beat 200, verify 200")
		b.end()
	})
}

func TestRotationInTheMiddleOfABackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := settled(t)
		b.script(func(bedCall) *bedAnswer { return &bedAnswer{err: errRefused} })
		b.loop.Beat()
		b.pass(20 * time.Minute)
		b.script(nil)
		b.rotate("T2")
		at := b.now()
		b.pass(time.Millisecond)
		b.tokens.write("T2")
		synctest.Wait()
		if got := b.calls(at, "beat"); len(got) == 0 || got[len(got)-1].status != 200 {
			t.Errorf("the new token was not used at once: %s", story(b.calls(at)))
		}
		b.end()
	})
}

func TestRotationDuringABeatThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.script(func(c bedCall) *bedAnswer {
			if c.bearer == "T1" {
				return &bedAnswer{hang: true}
			}
			return nil
		})
		b.loop.Beat()
		b.pass(time.Second)
		b.rotate("T2")
		b.tokens.write("T2")
		b.pass(60 * time.Millisecond)
		b.wantStory(at, "beat -, beat 200, verify 200")
		b.end()
	})
}

func TestRotationDuringARegistrationThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.rotate("T2")
		b.script(func(c bedCall) *bedAnswer {
			if c.op == "register" && c.nth > 1 && c.bearer == "T1" {
				return &bedAnswer{hang: true}
			}
			return nil
		})
		b.run()
		b.pass(3 * time.Second) // register 401, beat 401, look, register hangs
		at := b.now()
		b.tokens.write("T2")
		synctest.Wait()
		b.wantStory(at, "beat 200")
		b.pass(12 * time.Second) // the hanging one has ended
		if s := b.loop.Status(); !s.TokenAccepted || !s.Registered {
			t.Errorf("status %+v\n%s", s, story(b.calls(0)))
		}
		b.end()
	})
}

// A 401 that comes late is about the token it was sent with.
func TestLate401AboutTheOldTokenIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		client, err := registry.NewClient(bedURL, bedID, registry.WithTransport(bareTransport{b}))
		if err != nil {
			t.Fatal(err)
		}
		b.loop, err = heartbeat.NewLoop(heartbeat.LoopConfig{
			Client: client, Tokens: b.tokens, Registration: func() heartbeat.Registration { return b.reg },
		})
		if err != nil {
			t.Fatal(err)
		}
		b.run()
		b.pass(5 * time.Second)
		at := b.now()
		b.script(only("beat", func(nth int) *bedAnswer {
			if nth == 2 {
				return &bedAnswer{delay: 20 * time.Millisecond, status: 401, body: unauthorizedAnswer.body}
			}
			return nil
		}))
		b.loop.Beat()
		b.pass(10 * time.Millisecond)
		b.rotate("T2")
		b.tokens.write("T2") // while the heartbeat with T1 is under way
		b.pass(5 * time.Second)
		b.wantStory(at, "beat 401, beat 200, verify 200")
		b.end()
	})
}

// bareTransport adds the token and does nothing about a 401.
type bareTransport struct{ b *bed }

func (t bareTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	value, _ := t.b.tokens.Authorization()
	req = req.Clone(req.Context())
	req.Header["Authorization"] = value
	return t.b.platform.RoundTrip(req)
}

// The transport's grace and the Loop must not get into each other's way.
func TestRotationUnderGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		rt, err := heartbeat.NewRoundTripper(bedURL, b.tokens, heartbeat.WithBase(b.platform), heartbeat.WithGrace(2*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		b.loop = b.loopOver(rt)
		b.run()
		b.pass(5 * time.Second)
		at := b.now()
		b.rotate("T2")
		b.loop.Beat()
		b.pass(300 * time.Millisecond)
		b.tokens.write("T2")
		b.pass(10 * time.Second)
		if got := b.calls(at); len(got) > 4 || b.loop.Status().Failures != 0 || !b.loop.Status().TokenAccepted {
			t.Errorf("with grace: %s, %+v", story(got), b.loop.Status())
		}
		b.end()
	})
}

func TestBootWithAFileThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.rotate("T2")
		b.run()
		b.pass(700 * time.Millisecond)
		b.wantStory(0, "register 401, beat 401")
		b.tokens.write("T2")
		synctest.Wait()
		b.wantStory(0, "register 401, beat 401, beat 200, verify 200, look 200, register 200")
		if s := b.loop.Status(); !s.Registered || !s.TokenAccepted {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}

// A file that lags by more than the first wait costs one round, not one after
// the other: a registration that is answered 401 says that the token is on its
// way, and the watch sees it first.
func TestFileThatLagsBeyondTheFirstWaitMakesNoStorm(t *testing.T) {
	for _, interval := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t, func(c *heartbeat.LoopConfig) { c.Interval = interval })
				b.rotate("T2")
				b.loop.Beat()
				b.pass(min(2*interval-interval/5, 25*time.Second))
				b.tokens.write("T2")
				b.pass(100 * time.Millisecond)
				if got := story(b.calls(at, "look", "register")); got != "look 200, register 401" {
					t.Errorf("the ladder: %s", got)
				}
				if !b.loop.Status().TokenAccepted {
					t.Errorf("status %+v", b.loop.Status())
				}
				b.end()
			})
		})
	}
}

func TestHalfWrittenFileIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("T2-complete")
		b.loop.Beat()
		b.pass(100 * time.Millisecond)
		for _, content := range []string{"", "T2-co", "T2-complete"} {
			b.tokens.write(content)
			b.pass(10 * time.Millisecond)
		}
		b.wantStory(at, "beat 401, beat 401, beat 200, verify 200")
		b.end()
	})
}

func TestTwoRotationsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("T2")
		b.loop.Beat()
		b.pass(100 * time.Millisecond)
		b.rotate("T3") // before the file of the first is there
		b.tokens.write("T2")
		b.pass(100 * time.Millisecond)
		b.tokens.write("T3")
		synctest.Wait()
		b.wantStory(at, "beat 401, beat 401, beat 200, verify 200")
		b.end()
	})
}

func TestTransportThatRefreshedByItselfNeedsNoLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.tokens.unwatched = true
		b.rotate("T2")
		b.tokens.write("T2")
		b.loop.Beat()
		b.pass(10 * time.Second)
		if got := story(b.calls(at, "look", "register")); got != "" {
			t.Errorf("a ladder for a 401 that the transport repaired: %s", got)
		}
		if !b.loop.Status().TokenAccepted {
			t.Errorf("status %+v", b.loop.Status())
		}
		b.end()
	})
}

// Revoke without a file: heartbeats are 200, everything else is 401.
func TestRevokeWithoutAFileIsHealedWithinTwoIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.pass(20 * time.Second)
		b.rotate("")
		b.pass(60 * time.Second)
		s := b.loop.Status()
		if !s.TokenAccepted || b.tokens.disk != "minted-1" || b.tokens.cache != b.platform.live {
			t.Errorf("status %+v, on disk %q", s, b.tokens.disk)
		}
		if !strings.Contains(story(b.calls(at)), "verify 401, look 200, register 200, beat 200, verify 200") {
			t.Errorf("the platform saw %s", story(b.calls(at)))
		}
		b.end()
	})
}

func TestHeartbeats200ProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := settled(t)
		b.offer(func(r *heartbeat.Registration) { r.URL = "" }) // no way to get another token
		b.rotate("")
		b.pass(10 * time.Minute)
		s := b.loop.Status()
		if s.Failures != 0 {
			t.Errorf("heartbeats fail: %+v", s)
		}
		if s.TokenAccepted || !strings.Contains(s.Alarm, "cannot register") {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}

func TestNoTokenAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.tokens.write("") // the file is gone
		b.loop.Beat()
		b.pass(10 * time.Minute)
		if got := len(b.calls(at)); got > 150 {
			t.Errorf("%d requests in ten minutes", got)
		}
		b.tokens.write("T1")
		synctest.Wait()
		if s := b.loop.Status(); !s.TokenAccepted || s.Failures != 0 {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}

// Without any live token the platform accepts heartbeats that carry none, so a
// workspace that lost its file must find out by itself.
func TestTokenFileThatVanishesIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := settled(t)
		b.rotate("")
		b.tokens.write("")
		b.pass(5 * time.Second)
		b.wantStory(at, "look 200, register 200, beat 200, verify 200")
		if s := b.loop.Status(); !s.TokenAccepted || s.LastError != nil || b.tokens.disk != "minted-1" {
			t.Errorf("status %+v, on disk %q", s, b.tokens.disk)
		}
		b.end()
	})
}

// The answer to a rung that is about a token which is gone by then must not be
// the end of the climb.
func TestTokenFileThatVanishesDuringARung(t *testing.T) {
	for _, op := range []string{"look", "register", "verify"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, at := settled(t)
				if op == "verify" {
					b.offer(func(r *heartbeat.Registration) { r.URL = "" })
				}
				b.rotate("T2")
				b.script(only(op, always(bedAnswer{late: true, delay: 2 * time.Second})))
				b.loop.Beat()
				b.pass(2 * time.Second)
				if got := b.calls(at, op); len(got) != 1 || got[0].status != 0 {
					t.Fatalf("no %s under way: %s", op, story(b.calls(at)))
				}
				b.tokens.write("")
				b.pass(5 * time.Second)
				b.script(nil)
				b.rotate("") // now a registration would heal it
				b.offer(func(r *heartbeat.Registration) { r.URL = "http://agent.test" })
				b.pass(time.Minute)
				if s := b.loop.Status(); !s.TokenAccepted || b.tokens.disk != "minted-1" {
					t.Errorf("status %+v: %s", s, story(b.calls(at)))
				}
				b.end()
			})
		})
	}
}

func TestRegistrationThatIssuesNoTokenIsRepeated(t *testing.T) {
	for _, climbing := range []bool{false, true} {
		t.Run(fmt.Sprint("climbing ", climbing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "")
				if climbing {
					b = newBed(t, "T1")
					b.run()
					b.pass(5 * time.Second)
					b.rotate("")
					b.tokens.write("")
				}
				b.script(only("register", func(nth int) *bedAnswer {
					if nth <= 4 {
						return &bedAnswer{status: 200, body: `{"status":"registered"}`}
					}
					return nil
				}))
				at := b.now()
				if !climbing {
					b.run()
				}
				b.pass(time.Minute)
				s := b.loop.Status()
				if !s.TokenAccepted || b.tokens.disk != "minted-1" || s.LastError != nil {
					t.Errorf("status %+v, on disk %q", s, b.tokens.disk)
				}
				if got := len(b.calls(at, "register")); got > 5 {
					t.Errorf("%d registrations", got)
				}
				b.end()
			})
		})
	}
}
