package runtime

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

func TestReadinessSaysWhyNot(t *testing.T) {
	now := time.Now()
	well := heartbeat.Status{Registered: true, TokenAccepted: true, TokenPersisted: true, LastAccepted: now, Row: "online"}
	with := func(change func(*heartbeat.Status)) heartbeat.Status {
		s := well
		change(&s)
		return s
	}
	for _, c := range []struct {
		name     string
		status   heartbeat.Status
		token    bool
		reasons  []string
		warnings []string
	}{
		{name: "well", status: well, token: true},
		{
			name: "at the very beginning", status: heartbeat.Status{TokenPersisted: true},
			reasons: []string{"not registered yet", "no heartbeat accepted yet", "token not accepted by the platform"},
		},
		{
			name: "registration refused, alive by heartbeats", token: true,
			status:   with(func(s *heartbeat.Status) { s.Registered, s.RegisterRefused = false, true }),
			warnings: []string{"the platform refuses this workspace's address and knows it by its heartbeats only"},
		},
		{
			name: "one heartbeat failed", token: true,
			status:   with(func(s *heartbeat.Status) { s.Failures = 1; s.LastAccepted = now.Add(-35 * time.Second) }),
			warnings: []string{"the last heartbeat failed"},
		},
		{
			name: "silent for long", token: true,
			status:  with(func(s *heartbeat.Status) { s.Failures = 9; s.LastAccepted = now.Add(-2 * time.Minute) }),
			reasons: []string{"no heartbeat accepted for 2m0s"},
		},
		{
			name: "token refused", token: true,
			status:   with(func(s *heartbeat.Status) { s.TokenAccepted, s.Alarm = false, "write the token" }),
			reasons:  []string{"token not accepted by the platform"},
			warnings: []string{"write the token"},
		},
		{
			// Whoever restarts what is unready would lose the token for good.
			name: "token not persisted", token: true,
			status:   with(func(s *heartbeat.Status) { s.TokenPersisted = false }),
			warnings: []string{"token not persisted: a restart would lose it"},
		},
		{
			name: "paused", token: true, status: with(func(s *heartbeat.Status) { s.Row = "paused" }),
			reasons: []string{"the workspace is paused on the platform"},
		},
		{
			name: "removed", token: true, status: with(func(s *heartbeat.Status) { s.Row, s.TokenAccepted = "removed", false }),
			reasons: []string{"the platform has removed this workspace"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := health{Reasons: c.reasons, Warnings: c.warnings}
			if diff := cmp.Diff(want, judge(c.status, c.token, now)); diff != "" {
				t.Errorf("readiness (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWedgeIsNotReady(t *testing.T) {
	r, err := New(silent, WithWorkspaceID("11111111-2222-4333-8444-555555555555"), WithPlatformURL("http://platform.test"))
	if err != nil {
		t.Fatal(err)
	}
	r.engine = task.NewEngine(r.turn)
	r.phase.Store(int32(serving))
	before := len(r.readiness().Reasons)
	r.State().Wedge("the model's session is broken")
	if after := len(r.readiness().Reasons); after != before+1 {
		t.Errorf("%d reasons before the wedge, %d after it", before, after)
	}
}
