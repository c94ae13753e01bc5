package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/go-cmp/cmp"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task"
)

// phone is a notifier that writes down whom it has told what.
type phone struct {
	mu   sync.Mutex
	told []string
	fail func(n task.Notification) error // nil: it always gets through
}

func (p *phone) Check(url string) error {
	if !strings.HasPrefix(url, "https:") {
		return errors.New("it is not https")
	}
	return nil
}

func (p *phone) Notify(_ context.Context, n task.Notification) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail(n); err != nil {
			p.told = append(p.told, "failed")
			return err
		}
	}
	var body struct {
		StatusUpdate *struct{ Status struct{ State string } }
	}
	if err := json.Unmarshal(n.Body, &body); err != nil || body.StatusUpdate == nil {
		return &task.NotifyError{Permanent: true, Err: fmt.Errorf("the body is %s", n.Body)}
	}
	p.told = append(p.told, n.Config.URL+" "+strings.TrimPrefix(body.StatusUpdate.Status.State, "TASK_STATE_"))
	return nil
}

func (p *phone) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.told...)
}

// pushed makes a request that names a target.
func pushed(url string) *a2a.SendMessageRequest {
	req := send("a trip")
	req.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{ID: "mine", URL: url, Token: "secret"}}
	return req
}

func TestPushNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &phone{}
		d := newDisk()
		e, kill := d.live(t, travel, task.WithPush(p))
		defer kill()
		asked := finish(t, e, pushed("https://one"))
		if _, err := e.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: asked.ID, URL: "https://two"}); err != nil {
			t.Fatal(err)
		}
		finish(t, e, reply(asked.ID, "Oslo"))
		synctest.Wait()
		var one, two []string
		for _, line := range p.list() {
			if state, ok := strings.CutPrefix(line, "https://one "); ok {
				one = append(one, state)
			} else {
				two = append(two, strings.TrimPrefix(line, "https://two "))
			}
		}
		if diff := cmp.Diff([]string{"WORKING", "INPUT_REQUIRED", "WORKING", "COMPLETED"}, one); diff != "" {
			t.Errorf("the first target (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"WORKING", "COMPLETED"}, two); diff != "" {
			t.Errorf("the second target (-want +got):\n%s", diff)
		}
		list, err := e.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: asked.ID})
		if err != nil || len(list.Configs) != 2 {
			t.Errorf("%d configs, %v", len(list.Configs), err)
		}
		got, err := e.GetTaskPushConfig(t.Context(), &a2a.GetTaskPushConfigRequest{TaskID: asked.ID, ID: "mine"})
		if err != nil || got.URL != "https://one" || got.Token != "secret" {
			t.Errorf("%+v, %v", got, err)
		}
		if err := e.DeleteTaskPushConfig(t.Context(), &a2a.DeleteTaskPushConfigRequest{TaskID: asked.ID, ID: "mine"}); err != nil {
			t.Error(err)
		}
		_, err = e.GetTaskPushConfig(t.Context(), &a2a.GetTaskPushConfigRequest{TaskID: asked.ID, ID: "mine"})
		wantError(t, err, a2a.ErrTaskNotFound)
		left, err := d.Scan(t.Context(), task.Range{Bucket: task.BucketOutbox})
		if err != nil || len(left) != 0 {
			t.Errorf("%d deliveries are left, %v", len(left), err)
		}
	})
}

func TestPushConfigsAreChecked(t *testing.T) {
	e := task.NewEngine(travel, task.WithPush(&phone{}))
	defer e.Close()
	_, err := e.SendMessage(t.Context(), pushed("ftp://x"))
	wantError(t, err, a2a.ErrInvalidParams, "it is not https")
	id := finish(t, e, send("hi")).ID
	for _, c := range []*a2a.PushConfig{nil, {}, {TaskID: id, URL: "ftp://x"}, {TaskID: id, URL: "https://x", ID: "a:b"}} {
		_, err := e.CreateTaskPushConfig(t.Context(), c)
		wantError(t, err, a2a.ErrInvalidParams)
	}
	_, err = e.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: "nobody's", URL: "https://x"})
	wantError(t, err, a2a.ErrTaskNotFound)
	_, err = e.CreateTaskPushConfig(caller(t.Context(), "other"), &a2a.PushConfig{TaskID: id, URL: "https://x"})
	wantError(t, err, a2a.ErrTaskNotFound)
	for range 10 {
		if _, err := e.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: id, URL: "https://x"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = e.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: id, URL: "https://x"})
	wantError(t, err, a2a.ErrInvalidParams, "as many as it can have")
}

// TestPushTargetComesWithAnAnswer: a message that answers a question may name a
// target as one that begins a task.
func TestPushTargetComesWithAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &phone{}
		d := newDisk()
		e, kill := d.live(t, travel, task.WithPush(p))
		defer kill()
		id := finish(t, e, send("a trip")).ID
		req := pushed("https://one")
		req.Message.TaskID = id
		finish(t, e, req)
		synctest.Wait()
		if diff := cmp.Diff([]string{"https://one WORKING", "https://one COMPLETED"}, p.list()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
	e := task.NewEngine(travel)
	defer drain(t, e)
	req := pushed("https://one")
	req.Message.TaskID = finish(t, e, send("a trip")).ID
	_, err := e.SendMessage(t.Context(), req)
	wantError(t, err, a2a.ErrPushNotificationNotSupported)
}

// picky is a notifier whose check takes its time.
type picky struct {
	phone
	checking, open chan struct{}
}

func (p *picky) Check(string) error {
	close(p.checking)
	<-p.open
	return nil
}

func TestCheckOfATargetHoldsUpNobody(t *testing.T) {
	p := &picky{checking: make(chan struct{}), open: make(chan struct{})}
	e := task.NewEngine(echo, task.WithPush(p))
	defer e.Close()
	var sending sync.WaitGroup
	sending.Go(func() { finish(t, e, pushed("https://one")) })
	<-p.checking
	answered := make(chan struct{})
	sending.Go(func() {
		finish(t, e, send("another"))
		close(answered)
	})
	select {
	case <-answered:
	case <-time.After(time.Minute):
		t.Error("another message waits for the check")
	}
	close(p.open)
	sending.Wait()
}

// hanging is a notifier to which most targets do not answer.
type hanging struct{ phone }

func (h *hanging) Notify(ctx context.Context, n task.Notification) error {
	if strings.HasPrefix(n.Config.URL, "https://slow") {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return h.phone.Notify(ctx, n)
}

// TestSlowTargetsHoldUpNobody: the others are told at once.
func TestSlowTargetsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{}
		e := task.NewEngine(echo, task.WithPush(h))
		defer e.Close()
		for i := range 50 {
			finish(t, e, pushed(fmt.Sprint("https://slow/", i)))
		}
		finish(t, e, pushed("https://one"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"https://one WORKING", "https://one COMPLETED"}, h.list()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
}

// TestPushIsTriedAgain with growing pauses, in order, and not for ever; what
// the target asks for is heeded.
func TestPushIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		fails     int
		err       error
		told      int // lines of which this many failed
		delivered bool
		atLeast   time.Duration
	}{
		"a passing failure": {3, errors.New("away"), 3, true, 3 * time.Second},
		"for ever":          {1000, errors.New("away"), 8, false, time.Minute},
		"permanent":         {1000, &task.NotifyError{Permanent: true, Err: errors.New("gone")}, 1, false, 0},
		"retry after":       {1, &task.NotifyError{RetryAfter: time.Minute, Err: errors.New("busy")}, 1, true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				left := tc.fails
				p := &phone{fail: func(task.Notification) error {
					if left == 0 {
						return nil
					}
					left--
					return tc.err
				}}
				d := newDisk()
				e, kill := d.live(t, echo, task.WithPush(p), task.WithLogger(log.logger()))
				defer kill()
				begin := time.Now()
				finish(t, e, pushed("https://one"))
				if took := time.Since(begin); took > 0 {
					t.Errorf("the caller waited %v for a push", took)
				}
				for range 3000 {
					time.Sleep(time.Second)
					synctest.Wait()
					if rest, _ := d.Scan(t.Context(), task.Range{Bucket: task.BucketOutbox}); len(rest) == 0 {
						break
					}
				}
				want := make([]string, tc.told)
				for i := range want {
					want[i] = "failed"
				}
				if tc.delivered {
					want = append(want, "https://one WORKING", "https://one COMPLETED")
				} else {
					wantLogged(t, log, "told nothing more", "mine", tc.err.Error())
				}
				if diff := cmp.Diff(want, p.list()); diff != "" {
					t.Errorf("deliveries (-want +got):\n%s", diff)
				}
				if took := time.Since(begin); took < tc.atLeast {
					t.Errorf("tried for %v, want %v at least", took, tc.atLeast)
				}
				if strings.Contains(log.String(), "secret") {
					t.Error("the token is in the log")
				}
			})
		})
	}
}

// TestPushOutlivesTheProcess: what was not told is told by the next one.
func TestPushOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		p := &phone{fail: func(task.Notification) error { return errors.New("away") }}
		e, kill := d.live(t, echo, task.WithPush(p))
		finish(t, e, pushed("https://one"))
		synctest.Wait()
		kill()
		p = &phone{}
		_, kill = d.live(t, echo, task.WithPush(p))
		defer kill()
		synctest.Wait()
		if diff := cmp.Diff([]string{"https://one WORKING", "https://one COMPLETED"}, p.list()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
}

// TestPushOutlivesTheTask: a task that is forgotten because others have ended
// since is told all the same, also after a restart, and leaves nothing behind.
func TestPushOutlivesTheTask(t *testing.T) {
	for name, restart := range map[string]bool{"in one life": false, "across a restart": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Bool
				away.Store(true)
				p := &phone{fail: func(task.Notification) error {
					if away.Load() {
						return &task.NotifyError{RetryAfter: time.Minute, Err: errors.New("away")}
					}
					return nil
				}}
				d := newDisk()
				opts := []task.Option{task.WithPush(p), task.WithLimits(task.Limits{MaxFinished: 1})}
				e, kill := d.live(t, echo, opts...)
				id := finish(t, e, pushed("https://one")).ID
				for range 3 {
					finish(t, e, send("another"))
				}
				synctest.Wait()
				_, err := e.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
				wantError(t, err, a2a.ErrTaskNotFound)
				if restart {
					kill()
					_, kill = d.live(t, echo, opts...)
				}
				defer func() { kill() }()
				synctest.Wait()
				away.Store(false)
				time.Sleep(2 * time.Minute)
				var told []string
				for _, line := range p.list() {
					if line != "failed" {
						told = append(told, line)
					}
				}
				if diff := cmp.Diff([]string{"https://one WORKING", "https://one COMPLETED"}, told); diff != "" {
					t.Errorf("deliveries (-want +got):\n%s", diff)
				}
				for _, b := range []task.Bucket{task.BucketPush, task.BucketOutbox} {
					if left, err := d.Scan(t.Context(), task.Range{Bucket: b}); err != nil || len(left) != 0 {
						t.Errorf("%d entries are left in %s, %v", len(left), b, err)
					}
				}
			})
		})
	}
}

// TestPushWaitsForAProcessThatPushes: one without a notifier keeps what is to be
// told.
func TestPushWaitsForAProcessThatPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		p := &phone{}
		e, kill := d.live(t, travel, task.WithPush(p))
		id := finish(t, e, pushed("https://one")).ID
		synctest.Wait()
		kill()
		e, kill = d.live(t, travel)
		finish(t, e, reply(id, "Oslo"))
		time.Sleep(time.Hour)
		kill()
		_, kill = d.live(t, travel, task.WithPush(p))
		defer kill()
		synctest.Wait()
		want := []string{"https://one WORKING", "https://one INPUT_REQUIRED", "https://one WORKING", "https://one COMPLETED"}
		if diff := cmp.Diff(want, p.list()); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
}

// TestAReadThatFailsLosesNoNotification: neither what is told nor whom.
func TestAReadThatFailsLosesNoNotification(t *testing.T) {
	for name, bucket := range map[string]task.Bucket{"what": task.BucketOutbox, "whom": task.BucketPush} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failures atomic.Int32 // to come
				s := &unread{Store: task.NewMemory(), fail: func(b task.Bucket) error {
					if b == bucket && failures.Add(-1) >= 0 {
						return errConnection
					}
					return nil
				}}
				p := &phone{}
				e, err := task.Open(t.Context(), s, echo, task.WithPush(p))
				if err != nil {
					t.Fatal(err)
				}
				failures.Store(20) // more than a target may fail
				finish(t, e, pushed("https://one"))
				time.Sleep(time.Minute)
				if s.seen.Load() != 20 {
					t.Errorf("%d reads have failed, want 20", s.seen.Load())
				}
				if diff := cmp.Diff([]string{"https://one WORKING", "https://one COMPLETED"}, p.list()); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				left, err := s.Store.Scan(t.Context(), task.Range{Bucket: task.BucketOutbox})
				if err != nil || len(left) != 0 {
					t.Errorf("%d deliveries are left, %v", len(left), err)
				}
				drain(t, e)
				e.Close()
			})
		})
	}
}

// TestADamagedNotificationHoldsUpNothing: what cannot be read any more is not
// waited for.
func TestADamagedNotificationHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		s := &unread{Store: task.NewMemory(), fail: func(b task.Bucket) error {
			// Open looks once, and then the first one is told.
			if b == task.BucketOutbox && looks.Add(1) == 2 {
				return task.ErrDamaged
			}
			return nil
		}}
		p := &phone{}
		e, err := task.Open(t.Context(), s, echo, task.WithPush(p))
		if err != nil {
			t.Fatal(err)
		}
		finish(t, e, pushed("https://one"))
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"https://one COMPLETED"}, p.list()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		drain(t, e)
		e.Close()
	})
}
