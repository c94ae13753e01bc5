package heartbeat_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestStateTellsTheNewestTaskStillRunning(t *testing.T) {
	s := heartbeat.NewState()
	a := s.Begin("a")
	b := s.Begin("b")
	c := s.Begin("c")
	for _, step := range []struct {
		end   func()
		count int
		label string
	}{
		{func() {}, 3, "c"}, {b, 2, "c"}, {b, 2, "c"}, {c, 1, "a"}, {c, 1, "a"}, {a, 0, ""}, {a, 0, ""},
	} {
		step.end()
		if got := s.Heartbeat(bedID); got.ActiveTasks != step.count || got.CurrentTask != step.label || s.ActiveTasks() != step.count {
			t.Errorf("%d tasks, current %q; want %d, %q", got.ActiveTasks, got.CurrentTask, step.count, step.label)
		}
	}
	s.Begin("again")
	if got := s.Heartbeat(bedID); got.ActiveTasks != 1 || got.CurrentTask != "again" {
		t.Errorf("%+v", got)
	}
}

func TestStateNudgesAreCoalesced(t *testing.T) {
	s := heartbeat.NewState()
	nudged := func() bool {
		select {
		case <-s.Changed():
			return true
		default:
			return false
		}
	}
	if nudged() {
		t.Error("a fresh State nudges")
	}
	end := s.Begin("a")
	s.Begin("b")
	if !nudged() || nudged() {
		t.Error("two begins are not one nudge")
	}
	end()
	if !nudged() {
		t.Error("an end does not nudge")
	}
	end()
	s.Record(nil)
	s.Record(errors.New("x"))
	s.Unwedge()
	s.SetMonthlySpend(1)
	if nudged() {
		t.Error("nudged by something that can wait")
	}
	s.Wedge("a")
	if !nudged() {
		t.Error("a wedge does not nudge")
	}
	s.Wedge("b")
	if nudged() {
		t.Error("a second wedge nudges")
	}
	s.Record(nil)
	if !nudged() {
		t.Error("the end of a wedge does not nudge")
	}
}

func TestErrorRateIsThatOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := heartbeat.NewState()
		want := func(rate float64, sample string) {
			t.Helper()
			got := s.Heartbeat(bedID)
			if math.Abs(got.ErrorRate-rate) > 1e-9 || got.SampleError != sample {
				t.Errorf("after %v: rate %v, sample %q; want %v, %q", got.UptimeSeconds, got.ErrorRate, got.SampleError, rate, sample)
			}
		}
		want(0, "")
		s.Record(errors.New("first"))
		want(1, "first")
		time.Sleep(30 * time.Second)
		s.Record(errors.New("second"))
		s.Record(nil)
		s.Record(nil)
		want(0.5, "second")
		time.Sleep(30 * time.Second) // the first one has left
		want(1.0/3, "second")
		time.Sleep(29 * time.Second)
		want(1.0/3, "second")
		time.Sleep(time.Second)
		want(0, "")
		s.Record(nil)
		want(0, "")
		time.Sleep(24 * time.Hour)
		s.Record(errors.New("much later"))
		want(1, "much later")
	})
}

func TestWindowHasABoundedSize(t *testing.T) {
	s := heartbeat.NewState()
	err := errors.New(strings.Repeat("long ", 10000))
	s.Record(err)
	if n := testing.AllocsPerRun(100, func() { s.Record(nil) }); n != 0 {
		t.Errorf("a success costs %v allocations", n)
	}
	if got := s.Heartbeat(bedID).SampleError; utf8.RuneCountInString(got) != heartbeat.MaxReason || !strings.HasSuffix(got, "...") {
		t.Errorf("a long text is cut to %d characters", utf8.RuneCountInString(got))
	}
}

func TestWedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := heartbeat.NewState()
		if _, _, ok := s.Wedged(); ok {
			t.Error("wedged from the start")
		}
		s.Record(errors.New("an error"))
		since := time.Now()
		s.Wedge("login expired")
		time.Sleep(time.Second)
		s.Wedge("vague")
		if reason, at, ok := s.Wedged(); !ok || reason != "login expired" || !at.Equal(since) {
			t.Errorf("wedged %q since %v, %v: the first reason wins", reason, at, ok)
		}
		if got := s.Heartbeat(bedID); got.RuntimeState != registry.RuntimeWedged || got.SampleError != "login expired" || got.ErrorRate != 1 {
			t.Errorf("%+v", got)
		}
		s.Record(errors.New("still bad"))
		if _, _, ok := s.Wedged(); !ok {
			t.Error("an error clears the wedge")
		}
		s.Record(nil)
		if got := s.Heartbeat(bedID); got.RuntimeState != "" || got.SampleError != "still bad" {
			t.Errorf("after a success: %+v", got)
		}
		s.Wedge("")
		if reason, _, ok := s.Wedged(); !ok || reason == "" {
			t.Errorf("a wedge without a reason: %q, %v", reason, ok)
		}
		s.Unwedge()
		if _, at, ok := s.Wedged(); ok || !at.IsZero() {
			t.Error("still wedged")
		}
	})
}

// Every heartbeat carries the full body, and all of it is acceptable.
func TestHeartbeatIsCompleteAndAcceptable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := heartbeat.NewState()
		s.SetCapabilities(registry.Capabilities{Session: true, Retry: true})
		s.SetIdleTimeout(1500 * time.Millisecond)
		s.SetMonthlySpend(math.MaxInt64)
		s.Begin("a\x00b\xff\n\tc\u2028 ")
		s.Record(errors.New("bad\x00 thing\r\nhappened \xf0"))
		time.Sleep(90*365*24*time.Hour - time.Second) // beyond int32 seconds
		s.Record(errors.New("\x00\x01"))
		want := registry.HeartbeatRequest{
			WorkspaceID: bedID, ErrorRate: 1, SampleError: "error without a text", ActiveTasks: 1,
			CurrentTask: "a b\uFFFD  c\u2028", UptimeSeconds: math.MaxInt32, MonthlySpend: heartbeat.MaxMonthlySpend,
			RuntimeMetadata: &registry.RuntimeMetadata{
				Capabilities: registry.Capabilities{Session: true, Retry: true}, IdleTimeoutSeconds: 2,
			},
		}
		got := s.Heartbeat(" " + strings.ToUpper(bedID) + " ")
		got.CurrentTask = strings.TrimSpace(got.CurrentTask)
		want.CurrentTask = strings.TrimSpace(want.CurrentTask)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("heartbeat (-want +got):\n%s", diff)
		}
		s.SetIdleTimeout(math.MaxInt64)
		s.SetMonthlySpend(-5)
		got = s.Heartbeat(bedID)
		if got.RuntimeMetadata.IdleTimeoutSeconds != math.MaxInt32 || got.MonthlySpend != 0 {
			t.Errorf("%+v", got)
		}
		s.SetIdleTimeout(-1)
		body, err := json.Marshal(s.Heartbeat(bedID))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"workspace_id", "error_rate", "sample_error", "active_tasks", "current_task", "uptime_seconds", "monthly_spend", "runtime_state", "runtime_metadata", "capabilities"} {
			if !strings.Contains(string(body), `"`+key+`":`) {
				t.Errorf("%s is missing in %s", key, body)
			}
		}
		if strings.Contains(string(body), "idle_timeout_seconds") || strings.Contains(string(body), `\u0000`) {
			t.Errorf("body %s", body)
		}
	})
}

func TestLabelIsBounded(t *testing.T) {
	s := heartbeat.NewState()
	s.Begin(strings.Repeat("€", 10000))
	got := s.Heartbeat(bedID).CurrentTask
	if n := utf8.RuneCountInString(got); n != heartbeat.MaxLabel || !utf8.ValidString(got) {
		t.Errorf("a label of %d characters", n)
	}
	s.Begin(strings.Repeat("x", heartbeat.MaxLabel))
	if got := s.Heartbeat(bedID).CurrentTask; strings.HasSuffix(got, "...") {
		t.Error("a label that fits is cut")
	}
}

func TestStateUnderRace(t *testing.T) {
	s := heartbeat.NewState()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				end := s.Begin("task")
				s.Record(errors.New("x"))
				s.Wedge("w")
				s.Heartbeat(bedID)
				s.Record(nil)
				go end()
				end()
				s.Wedged()
				s.Unwedge()
			}
		})
	}
	group.Wait()
	if got := s.ActiveTasks(); got != 0 {
		t.Errorf("%d tasks left", got)
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	s := heartbeat.NewState()
	s.Begin("a task")
	s.Record(errors.New("x"))
	b.ReportAllocs()
	for b.Loop() {
		s.Heartbeat(bedID)
	}
}
