package heartbeat

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func TestBackoffBounds(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		down        time.Duration
		least, most time.Duration
	}{
		{0, 100 * time.Millisecond, 500 * time.Millisecond},
		{2 * time.Second, 100 * time.Millisecond, 2 * time.Second},
		{5 * time.Second, 100 * time.Millisecond, 5 * time.Second},
		{30 * time.Second, 100 * time.Millisecond, 30 * time.Second},
		{time.Hour, 100 * time.Millisecond, 30 * time.Second},
	} {
		b := backoff{base: 500 * time.Millisecond, limit: 30 * time.Second}
		b.wait(start, unavailable, 0)
		if got := b.wait(start.Add(tt.down), unavailable, 0); got != tt.least {
			t.Errorf("down for %v: at least %v, want %v", tt.down, got, tt.least)
		}
		if got := b.wait(start.Add(tt.down), unavailable, 0.999999); got > tt.most || got < tt.most*99/100 {
			t.Errorf("down for %v: at most %v, want %v", tt.down, got, tt.most)
		}
	}
}

func TestBackoffStartsAnewWhenTheKindChanges(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := backoff{base: 500 * time.Millisecond, limit: 30 * time.Second}
	b.wait(start, unreachable, 0)
	if got := b.wait(start.Add(time.Minute), unreachable, 1); got != 30*time.Second {
		t.Errorf("a minute of no answers: %v", got)
	}
	if got := b.wait(start.Add(time.Minute), unavailable, 1); got != 500*time.Millisecond {
		t.Errorf("the first 503: %v", got)
	}
	if got := b.wait(start.Add(time.Minute), unreachable, 1); got != 30*time.Second {
		t.Errorf("no answer again: %v: alternating kinds must not start anew", got)
	}
	b.reset()
	if got := b.wait(start.Add(time.Hour), unreachable, 1); got != 500*time.Millisecond {
		t.Errorf("after a reset: %v", got)
	}
}

func TestNudges(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var n nudges
	for i := range nudgeBurst {
		if at := n.ready(now); !at.Equal(now) {
			t.Fatalf("nudge %d of a full bucket is ready at %v", i, at)
		}
		n.spend(now)
	}
	for i := range 3 {
		at := n.ready(now)
		if at.Sub(now) != time.Second {
			t.Fatalf("after the burst, nudge %d is ready in %v", i, at.Sub(now))
		}
		now = at
		n.spend(now)
	}
	now = now.Add(3 * time.Second)
	for i := range 3 {
		if at := n.ready(now); !at.Equal(now) {
			t.Fatalf("nudge %d after 3 s is ready at %v", i, at)
		}
		n.spend(now)
	}
	if at := n.ready(now); !at.After(now) {
		t.Error("more nudges than seconds")
	}
}

func TestClassify(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("call: %w", err) }
	for _, tt := range []struct {
		err   error
		kind  failure
		after time.Duration
	}{
		{errors.New("connection refused"), unreachable, 0},
		{wrap(registry.ErrUnexpectedAnswer), unavailable, 0},
		{wrap(&registry.Error{Status: 401, RetryAfter: time.Second}), unauthorized, 0},
		{wrap(&registry.Error{Status: 429, RetryAfter: 3 * time.Second}), limited, 3 * time.Second},
		{wrap(&registry.Error{Status: 503, RetryAfter: time.Second}), unavailable, time.Second},
		{&registry.Error{Status: 500}, unavailable, 0},
		{&registry.Error{Status: 400}, refused, 0},
		{&registry.Error{Status: 403}, refused, 0},
		{&registry.Error{Status: 302}, refused, 0},
	} {
		kind, after := classify(tt.err)
		if kind != tt.kind || after != tt.after {
			t.Errorf("%v: %v, %v; want %v, %v", tt.err, kind, after, tt.kind, tt.after)
		}
		if remedy(kind, tt.err) == "" || kind.String() == "" {
			t.Errorf("%v: nothing to say", tt.err)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "  a  ": "a", "a\x00b": "a b", "\x00": "", "a\xffb": "a\uFFFDb", "line\nbreak": "line break",
		"1234567890": "1234567890", "12345678901": "1234567...", "€€€€€€€€€€€": "€€€€€€€...",
	} {
		if got := clean(in, 10); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
