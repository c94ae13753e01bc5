package heartbeat_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

func names(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%d", prefix, i))
	}
	return ids
}

// wantEach is want without an order: each of them once, and nothing else.
func (b *inboxBed) wantEach(ids ...string) {
	b.t.Helper()
	got := map[string]int{}
	for id := range strings.FieldsSeq(b.ids()) {
		got[id]++
	}
	for _, id := range ids {
		if got[id] != 1 {
			b.t.Errorf("%s was delivered %d times", id, got[id])
		}
		delete(got, id)
	}
	if len(got) > 0 {
		b.t.Errorf("delivered beside them: %v", got)
	}
}

const beyondReach = "more delegations have ended between two looks"

// The platform's list has 50 rows, two to a delegation, and the result row of a
// failed one does not say whose it is.
func TestInboxLosesNothingWhenMoreEndAtOnceThanTheListHas(t *testing.T) {
	for name, end := range map[string]func(l *ledger) []string{
		"30 failed": func(l *ledger) []string {
			ids := names("d", 30)
			l.failed(l.begun(ids...)...)
			return ids
		},
		"60 completed": func(l *ledger) []string {
			ids := names("d", 60)
			for _, id := range ids {
				l.completed(id, strings.Repeat("long ", 200)+id)
			}
			return ids
		},
		"60 completed without an answer": func(l *ledger) []string {
			ids := names("d", 60)
			for _, i := range l.begun(ids...) {
				l.set(i, func(d *registry.Delegation) { d.Status = registry.DelegationCompleted })
			}
			return ids
		},
		"a mixture": func(l *ledger) []string { return mixture(l, "d", 80) },
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newInboxBed(t, nil)
					if !down {
						b.cfg.Path = "" // a disk is slow
					}
					mixture(b.ledger, "old", 80)
					b.start()
					b.pass(time.Minute)
					b.want("")
					if down {
						b.stop()
					}
					ids := end(b.ledger)
					if down {
						b.start()
					}
					b.pass(2 * time.Minute)
					if down {
						b.restart()
					}
					b.pass(30 * time.Minute)
					b.stop()
					b.wantEach(ids...)
					if n := len(b.ledger.messages()); n != len(ids) {
						t.Errorf("the user was told of %d results, want %d", n, len(ids))
					}
					for _, d := range b.got {
						if len(d.Result.Response) > 303 {
							t.Fatalf("an answer of %d bytes: which list it came from must not matter", len(d.Result.Response))
						}
					}
					if strings.Contains(b.logs.b.String(), "level=ERROR") {
						t.Errorf("nothing is wrong, but the log says\n%s", b.logs.b)
					}
				})
			})
		}
	}
}

// mixture ends n delegations in every way there is.
func mixture(l *ledger, prefix string, n int) []string {
	ids := names(prefix, n)
	places := l.begun(ids...)
	for i, id := range ids {
		switch i % 4 {
		case 0:
			l.failed(places[i])
		case 1:
			l.set(places[i], func(d *registry.Delegation) { d.Status = registry.DelegationCompleted })
			l.add(registry.Delegation{DelegationID: id, TargetID: "target", Status: registry.DelegationCompleted, Summary: "Delegation completed", ResponsePreview: "answer"})
		case 2:
			l.set(places[i], func(d *registry.Delegation) { d.Status = registry.DelegationQueued }) // and stays so
			l.add(registry.Delegation{DelegationID: id, TargetID: "target", Status: registry.DelegationCompleted, Summary: "Delegation completed", ResponsePreview: "late"})
		case 3: // one that the workspace made itself: no second row
			l.set(places[i], func(d *registry.Delegation) { d.Status, d.Error = registry.DelegationFailed, "no" })
		}
	}
	return ids
}

// Not in one look either: one that takes long leaves the list before it ends, and
// nothing in the list says then how it ended.
func TestInboxFindsTheEndOfADelegationThatHasLeftTheList(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(l *ledger, place int)
		within time.Duration
	}{
		"failed":                      {func(l *ledger, place int) { l.failed(place) }, time.Minute},
		"failed without a second row": {func(l *ledger, place int) { l.set(place, func(d *registry.Delegation) { d.Status = "failed" }) }, 6 * time.Minute},
		"completed without an answer": {func(l *ledger, place int) { l.set(place, func(d *registry.Delegation) { d.Status = "completed" }) }, 7 * time.Minute},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newInboxBed(t, nil)
					b.cfg.Quiet = true
					if !down {
						b.cfg.Path = ""
					}
					b.start()
					b.pass(time.Second)
					place := b.ledger.begun("slow")[0]
					ids := []string{"slow"}
					for i := range 4 {
						b.pass(time.Minute)
						batch := names(fmt.Sprintf("quick-%d", i), 10)
						for _, id := range batch {
							b.ledger.completed(id, "x")
						}
						ids = append(ids, batch...)
					}
					b.pass(time.Minute)
					if down {
						b.stop()
					}
					c.end(b.ledger, place)
					if down {
						b.start()
					}
					b.pass(c.within)
					b.stop()
					b.wantEach(ids...)
				})
			})
		}
	}
}

// What lies beyond both lists is lost, which is said once.
func TestInboxSaysWhenEvenTheLongListDoesNotReachBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.cfg.Quiet = true
		b.start()
		b.ledger.completed("before", "x")
		b.pass(time.Minute)
		b.stop()
		ids := names("d", 300)
		b.ledger.failed(b.ledger.begun(ids...)...)
		b.start()
		b.pass(time.Hour)
		b.restart()
		b.ledger.completed("after", "x")
		b.pass(time.Hour)
		b.stop()
		b.wantEach(append([]string{"before", "after"}, ids[100:]...)...)
		if n := strings.Count(b.logs.b.String(), beyondReach); n != 1 {
			t.Errorf("the log says %d times that results are lost:\n%s", n, b.logs.b)
		}
	})
}

// What is history for the short list is history for the long one, however often
// that is read later; what ran at the first boot is not.
func TestInboxTakesHistoryFromNoList(t *testing.T) {
	for name, refuses := range map[string]int{"long list read": 0, "long list refused at first": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newInboxBed(t, nil)
				b.cfg.Quiet = true
				b.ledger.script = func(op string, nth int) *bedAnswer {
					if op == "activity" && nth <= refuses {
						return &bedAnswer{status: 503}
					}
					return nil
				}
				running := b.ledger.begun("running")[0]
				mixture(b.ledger, "old", 120)
				b.start()
				b.pass(time.Minute)
				ids := mixture(b.ledger, "new", 60)
				b.pass(time.Minute)
				b.restart()
				b.ledger.completed("running", "x")
				b.ledger.set(running, func(d *registry.Delegation) { d.Status = registry.DelegationCompleted })
				b.pass(time.Hour)
				b.stop()
				b.wantEach(append(ids, "running")...)
			})
		})
	}
}

// A long list that cannot be read holds up nothing, and is read later; one that is
// too large is read in part.
func TestInboxLongListInTrouble(t *testing.T) {
	for name, answer := range map[string]*bedAnswer{
		"unavailable": {status: 503},
		"hangs":       {hang: true},
		"too large":   {status: 200, body: strings.Repeat(" ", 32<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newInboxBed(t, nil)
				b.cfg.Path = ""
				b.start()
				b.pass(time.Second)
				b.ledger.script = func(op string, nth int) *bedAnswer {
					if op == "activity" && nth == 1 {
						return answer
					}
					return nil
				}
				ids := names("d", 60)
				for _, id := range ids {
					b.ledger.completed(id, "x")
				}
				b.pass(5 * time.Minute)
				b.stop()
				b.wantEach(ids...)
				if s := b.inbox.Status(); s.LastError != nil || s.Failures != 0 {
					t.Errorf("status %+v after all is well again", s)
				}
			})
		})
	}
}

// The long list is large: it is read when it is needed.
func TestInboxReadsTheLongListRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInboxBed(t, nil)
		b.cfg.Path = ""
		mixture(b.ledger, "old", 200)
		b.start()
		b.pass(time.Minute)
		for i := range 60 { // nothing leaves the list between two looks
			b.ledger.completed(fmt.Sprintf("d-%d", i), "x")
			b.pass(time.Minute)
		}
		if n := b.ledger.asked("activity"); n != 1 {
			t.Errorf("it was read %d times, want once, at the start", n)
		}
		// One that never ends is looked for now and then.
		b.ledger.begun("stuck")
		for i := range 30 {
			b.ledger.completed(fmt.Sprintf("e-%d", i), "x")
		}
		b.pass(time.Hour)
		b.stop()
		if n := b.ledger.asked("activity"); n < 10 || n > 15 {
			t.Errorf("it was read %d times in the hour that one delegation did not end", n)
		}
	})
}
