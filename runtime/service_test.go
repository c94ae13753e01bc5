package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// TestServicesLiveBesideTheTurns: from serving on until the last turn is over,
// whatever becomes of one of them.
func TestServicesLiveBesideTheTurns(t *testing.T) {
	var log buffer
	begun, ended := make(chan *runtime.Workspace, 1), make(chan struct{})
	inTurn := make(chan struct{})
	b := lay(t, false, runtime.AgentFunc(func(ctx context.Context, _ *runtime.Turn, reply *runtime.Reply) error {
		close(inTurn)
		<-ctx.Done()
		select {
		case <-ended:
			return errors.New("the service is gone before the turn")
		default:
		}
		_, err := reply.Write([]byte("done"))
		return err
	}),
		runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		runtime.WithDrainTimeout(runtime.DefaultDrainTimeout/8),
		runtime.WithService("good", func(ctx context.Context, ws *runtime.Workspace) error {
			begun <- ws
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}),
		runtime.WithService("failing", func(context.Context, *runtime.Workspace) error { return errors.New("out of order") }),
		runtime.WithService("panicking", func(context.Context, *runtime.Workspace) error { panic("ouch") }),
	)
	b.run()
	if ws := <-begun; ws.ID != workspaceID || ws.Logger == nil {
		t.Errorf("the service is given %+v", ws)
	}
	b.alive()
	go b.platform.Say(t.Context(), workspaceID, "hi") //nolint:errcheck // it is the turn that counts
	<-inTurn
	if err := b.end(); err != nil {
		t.Error(err)
	}
	<-ended
	for _, want := range []string{"out of order", "ouch", "service=failing", "service=panicking"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// TestAServiceThatDoesNotStop costs neither the platform its last heartbeat nor
// the agent its Close.
func TestAServiceThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		const drain = 10 * time.Second
		begun, release := make(chan struct{}), make(chan struct{})
		agent := &closing{AgentFunc: parrot}
		b := lay(t, true, agent,
			runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			runtime.WithDrainTimeout(drain), runtime.WithTokenStore(newPocket()),
			runtime.WithService("good", func(ctx context.Context, _ *runtime.Workspace) error {
				<-ctx.Done()
				return nil
			}),
			runtime.WithService("deaf", func(context.Context, *runtime.Workspace) error {
				close(begun)
				<-release
				return nil
			}),
		)
		b.run()
		b.alive()
		<-begun
		beats, began := len(b.row.Heartbeats()), time.Now()
		if err := b.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > drain {
			t.Errorf("the end took %v, beyond the drain deadline of %v", took, drain)
		}
		if !agent.closed || len(b.row.Heartbeats()) == beats {
			t.Errorf("closed: %v, heartbeats: %d after %d", agent.closed, len(b.row.Heartbeats()), beats)
		}
		if text := log.String(); strings.Count(text, "left behind") != 1 || !strings.Contains(text, "service=deaf") {
			t.Errorf("the log does not name the service:\n%s", text)
		}
		close(release)
		b.platform.Close()
	})
}

// closing is an agent that notes its Close.
type closing struct {
	runtime.AgentFunc
	closed bool
}

func (a *closing) Close(context.Context) error {
	a.closed = true
	return nil
}
