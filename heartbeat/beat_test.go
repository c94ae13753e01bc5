package heartbeat_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
)

func TestBeatEveryIntervalGiveOrTakeATenth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(2 * time.Hour)
		b.end()
		beats := b.calls(0, "beat")
		least, most := time.Hour, time.Duration(0)
		for i := 1; i < len(beats)-1; i++ { // the last one is out of rhythm
			gap := beats[i].at - beats[i-1].at
			least, most = min(least, gap), max(most, gap)
		}
		if least < 27*time.Second || most > 33*time.Second {
			t.Errorf("pauses between %v and %v, want 27 s to 33 s", least, most)
		}
		if least > 28*time.Second || most < 32*time.Second {
			t.Errorf("pauses between %v and %v do not spread", least, most)
		}
		verifies := b.calls(0, "verify")
		if got := len(verifies); got < 217 || got > 267 {
			t.Errorf("%d verifies in 240 intervals, want one per interval", got)
		}
		alone := 0
		for _, v := range verifies {
			if !slices.ContainsFunc(beats, func(c bedCall) bool { return c.at == v.at }) {
				alone++
			}
		}
		if alone > 0 {
			t.Errorf("%d verifies did not follow a heartbeat", alone)
		}
		if got := len(b.calls(0, "register")); got != 1 {
			t.Errorf("%d registrations", got)
		}
	})
}

func TestADayOfBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(24 * time.Hour)
		b.end()
		if got := len(b.calls(0, "beat")); got < 2700 || got > 3100 {
			t.Errorf("%d heartbeats in a day", got)
		}
	})
}

func TestOneBeatAtEveryTaskEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		for i := range 20 {
			b.pass(3 * time.Second)
			at := b.now()
			end := b.state.Begin(fmt.Sprint("task ", i))
			b.pass(time.Millisecond)
			end()
			b.pass(time.Millisecond)
			beats := b.calls(at, "beat")
			if len(beats) != 2 {
				t.Fatalf("task %d: %d heartbeats, want one at each edge", i, len(beats))
			}
			if body := beats[1].beat(t); body.ActiveTasks != 0 || body.CurrentTask != "" {
				t.Errorf("at the end: %+v", body)
			}
		}
		b.end()
	})
}

func TestBurstOfTasksIsCoalescedAndTheLastEdgeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(10 * time.Second)
		at := b.now()
		for i := range 1000 {
			end := b.state.Begin(fmt.Sprint("task ", i))
			b.pass(time.Millisecond)
			end()
		}
		b.pass(2 * time.Second) // 1 s of tasks, and the last edge
		beats := b.calls(at, "beat")
		if len(beats) < 5 || len(beats) > 7 {
			t.Errorf("%d heartbeats for 2000 edges in a second, want five at once and one per second", len(beats))
		}
		if body := beats[len(beats)-1].beat(t); body.ActiveTasks != 0 {
			t.Errorf("the last heartbeat tells %d tasks", body.ActiveTasks)
		}
		b.end()
	})
}

func TestEdgeDuringABeatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.script(only("beat", always(bedAnswer{late: true, delay: time.Second})))
		b.pass(5 * time.Second)
		end := b.state.Begin("short")
		b.pass(100 * time.Millisecond) // the heartbeat that tells of it is under way
		end()
		b.pass(3 * time.Second)
		beats := b.calls(0, "beat")
		if body := beats[len(beats)-1].beat(t); body.ActiveTasks != 0 {
			t.Errorf("the platform was not told of the end: %+v", body)
		}
		b.end()
	})
}

func TestBeatAsksForOneNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(5 * time.Second)
		at := b.now()
		b.loop.Beat()
		b.pass(time.Second)
		b.wantStory(at, "beat 200")
		b.end()
	})
}

func TestWedgeIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(5 * time.Second)
		b.state.Wedge("login expired")
		b.pass(time.Millisecond)
		beats := b.calls(5*time.Second, "beat")
		if len(beats) != 1 || beats[0].beat(t).RuntimeState != "wedged" {
			t.Errorf("after a wedge: %s", story(beats))
		}
		b.end()
	})
}

func TestVerifyOncePerIntervalInABusyWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		for range 1200 { // an hour of short tasks
			b.state.Begin("task")()
			b.pass(3 * time.Second)
		}
		b.end()
		if got := len(b.calls(0, "verify")); got < 109 || got > 134 {
			t.Errorf("%d verifies in 120 intervals", got)
		}
	})
}

func TestAnyOtherStatusIsAFailure(t *testing.T) {
	for _, status := range []int{301, 304, 400, 401, 402, 403, 404, 409, 410, 413, 418, 429, 500, 501, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "T1")
				b.script(only("beat", always(bedAnswer{status: status, body: `{"error":"text"}`})))
				b.run()
				s := b.loop.Status()
				if s.Failures != 1 || !s.LastAccepted.IsZero() || s.LastError == nil {
					t.Errorf("status %+v", s)
				}
				b.pass(10 * time.Minute)
				if got := len(b.calls(0, "beat")); got < 15 || got > 75 { // 48 on average, with a deviation of 4
					t.Errorf("%d heartbeats in ten minutes", got)
				}
				b.script(nil)
				b.pass(40 * time.Second)
				if s := b.loop.Status(); s.Failures != 0 || s.LastError != nil || s.Alarm != "" || !s.TokenAccepted {
					t.Errorf("well again: %+v", s)
				}
				b.end()
			})
		})
	}
}

func TestAnAnswerThatIsNotThePlatformsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(only("beat", always(bedAnswer{status: 200, body: "<html>sign in</html>"})))
		b.run()
		b.pass(2 * time.Minute)
		if s := b.loop.Status(); s.Failures < 3 || !strings.Contains(s.Alarm, "something else than the platform") {
			t.Errorf("status %+v", s)
		}
		b.end()
	})
}

func TestBackOffIsExponentialJitteredAndBoundedByTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(time.Second)
		b.script(func(bedCall) *bedAnswer { return &bedAnswer{status: 503, body: `{"error":"down"}`} })
		at := b.now()
		b.pass(time.Hour)
		beats := b.calls(at, "beat")
		var last, most time.Duration
		for i, c := range beats {
			down := c.at - beats[0].at
			if i > 0 {
				gap := c.at - last
				if bound := max(last-beats[0].at, 500*time.Millisecond); gap > min(bound, 30*time.Second) {
					t.Errorf("a wait of %v after %v", gap, down)
				}
				most = max(most, gap)
			}
			last = c.at
		}
		if most < 25*time.Second {
			t.Errorf("the longest wait was %v, want nearly the interval", most)
		}
		if got := len(beats); got < 120 || got > 320 {
			t.Errorf("%d heartbeats in an hour of 503", got)
		}
		b.end()
	})
}

// The promise: down for 5 s, then three times 503, and all is well within 10 s
// of the platform's return, whatever the jitter.
func TestPlatformDownAtBootThen503ThreeTimes(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, "")
			random := rand.New(rand.NewPCG(seed, 1))
			b.loop.SetRandom(random.Float64)
			failed := 0
			b.script(func(bedCall) *bedAnswer {
				if b.now() < 5*time.Second {
					return &bedAnswer{err: errRefused}
				}
				if failed++; failed <= 3 {
					return &bedAnswer{status: 503, body: `{"error":"starting"}`}
				}
				return nil
			})
			b.run()
			b.pass(15 * time.Second)
			if s := b.loop.Status(); !s.Registered || s.LastAccepted.IsZero() || s.Failures > 0 || s.LastError != nil {
				t.Errorf("seed %d: 10 s after its return: %+v\n%s", seed, s, story(b.calls(0)))
			}
			b.end()
		})
	}
}

func TestBackOffOfAlternatingFailuresMakesNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(func(c bedCall) *bedAnswer {
			if c.nth%2 == 0 {
				return &bedAnswer{err: errRefused}
			}
			return &bedAnswer{status: 502, body: "bad gateway"}
		})
		b.run()
		b.pass(10 * time.Minute)
		if got := len(b.calls(0, "beat")); got > 80 {
			t.Errorf("%d heartbeats in ten minutes", got)
		}
		b.end()
	})
}

func TestTasksDuringAnOutageDoNotHurryTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.script(only("beat", always(bedAnswer{status: 503, body: `{"error":"down"}`})))
		for range 600 {
			b.state.Begin("task")()
			b.loop.Beat()
			b.pass(time.Second)
		}
		if got := len(b.calls(0, "beat")); got > 80 {
			t.Errorf("%d heartbeats in ten minutes of outage", got)
		}
		b.end()
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(time.Second)
		b.script(only("beat", func(nth int) *bedAnswer {
			if nth == 2 {
				return &bedAnswer{status: 429, body: `{"error":"rate limit exceeded","retry_after":50}`, retryAfter: 50}
			}
			return nil
		}))
		at := b.now()
		b.loop.Beat()
		b.pass(time.Second)
		b.tokens.write("T2") // not even a new token is a reason
		b.rotate("T2")
		b.state.Begin("a task")
		b.pass(2 * time.Minute)
		beats := b.calls(at, "beat")
		if wait := beats[1].at - beats[0].at; wait < 51*time.Second || wait > 57*time.Second {
			t.Errorf("next heartbeat after %v, want 51 s and a little jitter", wait)
		}
		b.end()
	})
}

func TestRetryAfterCannotCostTheLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(only("beat", func(nth int) *bedAnswer {
			if nth == 1 {
				return &bedAnswer{status: 503, body: `{}`, retryAfter: 86400}
			}
			return nil
		}))
		b.run()
		b.pass(90 * time.Second)
		if b.loop.Status().LastAccepted.IsZero() {
			t.Error("no heartbeat within half the TTL")
		}
		b.end()
	})
}

func TestIdleConnectionsAreClosedOncePerOutageAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		outage := func(a bedAnswer) int {
			b.pass(time.Second)
			before := b.closedIdle()
			b.script(only("beat", always(a)))
			b.pass(5 * time.Minute)
			b.script(nil)
			b.pass(time.Minute)
			return b.closedIdle() - before
		}
		for range 2 {
			if got := outage(bedAnswer{hang: true}); got != 1 {
				t.Errorf("closed %d times in an outage of timeouts, want once", got)
			}
		}
		if got := outage(bedAnswer{status: 503, body: "{}"}); got != 0 {
			t.Errorf("closed %d times in an outage of 503", got)
		}
		if got := outage(bedAnswer{err: errRefused}); got != 0 {
			t.Errorf("closed %d times in an outage of refused connections", got)
		}
		b.end()
	})
}

func TestEachBeatHasItsOwnDeadline(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{30 * time.Second: 10 * time.Second, 9 * time.Second: 3 * time.Second, 60 * time.Second: 10 * time.Second} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var took time.Duration
				b := newBed(t, "T1", func(c *heartbeat.LoopConfig) {
					c.Interval = interval
					c.Trace = &heartbeat.Trace{Beat: func(i heartbeat.BeatInfo) {
						if i.Failures == 1 {
							took = i.Duration
						}
					}}
				})
				b.script(only("beat", always(bedAnswer{hang: true})))
				b.run()
				b.pass(2 * interval)
				b.end()
				if took != want {
					t.Errorf("a heartbeat that hangs is given up after %v, want %v", took, want)
				}
			})
		})
	}
}

func TestASlowCallBlocksNeitherBeatsNorTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.script(func(c bedCall) *bedAnswer {
			if c.op != "beat" {
				return &bedAnswer{hang: true}
			}
			return nil
		})
		b.run()
		b.pass(10 * time.Minute)
		beats := b.calls(0, "beat")
		for i := 1; i < len(beats); i++ {
			if gap := beats[i].at - beats[i-1].at; gap > 33*time.Second {
				t.Errorf("%v without a heartbeat", gap)
			}
		}
		at := time.Now()
		b.end()
		if took := time.Since(at); took > 1500*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestGapBeyondTheTTLRegistersAgainAfterALook(t *testing.T) {
	for name, tt := range map[string]struct {
		outage time.Duration
		row    string
		want   string
	}{
		"short outage": {outage: 2 * time.Minute, want: ""},
		"long outage":  {outage: 10 * time.Minute, row: "offline", want: "look 200, register 200"},
		"paused":       {outage: 10 * time.Minute, row: "paused", want: "look 200"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "T1")
				b.run()
				b.pass(time.Second)
				b.script(func(bedCall) *bedAnswer { return &bedAnswer{err: errRefused} })
				b.pass(tt.outage)
				if tt.row != "" {
					b.set(func(p *bedPlatform) { p.row = tt.row })
				}
				b.script(nil)
				at := b.now()
				b.pass(32 * time.Second)
				if got := story(b.calls(at, "look", "register")); got != tt.want {
					if tt.row != "paused" || !strings.HasPrefix(got, "look 200") || strings.Contains(got, "register") {
						t.Errorf("after the outage: %s, want %s", got, tt.want)
					}
				}
				b.end()
			})
		})
	}
}

func TestFailedRowIsRegisteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(time.Second)
		b.set(func(p *bedPlatform) { p.row = "failed" })
		b.pass(40 * time.Second)
		if b.platform.row != "online" || b.loop.Status().Row != "online" && len(b.calls(time.Second, "register")) != 1 {
			t.Errorf("row %s: %s", b.platform.row, story(b.calls(time.Second)))
		}
		b.end()
	})
}

func TestOutageIsToldLouderAndThenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "T1")
		b.run()
		b.pass(time.Second)
		b.script(func(bedCall) *bedAnswer { return &bedAnswer{status: 500, body: `{"error":"failed to update"}`} })
		b.pass(time.Hour)
		failures := b.loop.Status().Failures
		b.script(nil)
		b.pass(time.Minute)
		b.end()
		lines := strings.Split(b.logs.String(), "\n")
		var warns, errs, back int
		for _, line := range lines {
			switch {
			case strings.Contains(line, "level=WARN") && strings.Contains(line, "heartbeat failed"):
				warns++
			case strings.Contains(line, "level=ERROR") && strings.Contains(line, "heartbeat failed"):
				errs++
				if !strings.Contains(line, " do=") {
					t.Errorf("no remedy: %s", line)
				}
			case strings.Contains(line, "accepted again") && strings.Contains(line, "outage="):
				back++
			}
		}
		if want := 1 + failures/20; warns != 2 || errs != want || back != 1 {
			t.Errorf("%d failures: %d warnings, %d errors (want %d), %d recoveries\n%s", failures, warns, errs, want, back, b.logs)
		}
	})
}
