// Package demo is the stage on which examples play when nobody gives them a
// platform: a platform in this process, a peer that answers, a person who
// approves. Whoever copies an example leaves it behind.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
	"github.com/molecule-ai/workspace-runtime-go/runtime"
)

// The workspaces on the stage.
const (
	WorkspaceID = "11111111-2222-4333-8444-555555555555" // the example's
	PeerID      = "22222222-2222-4333-8444-555555555555" // its child's, named PeerName
	PeerName    = "shouter"
)

// Stage is a platform with the example's workspace and its peer, both alive.
type Stage struct {
	Platform *registrytest.Platform
	Row      *registrytest.Workspace // the example's

	dir    string
	end    context.CancelFunc
	lives  []chan error
	person chan struct{} // closed when the one who approves has gone
}

// Wanted reports whether the process was started without a platform and without
// a sub-command, so that there is nothing to do but to play.
func Wanted() bool { return os.Getenv("PLATFORM_URL") == "" && len(os.Args) == 1 }

// Start sets the stage: agent, made with opts, is alive on the platform when it
// returns. Close it.
func Start(ctx context.Context, agent runtime.Agent, opts ...runtime.Option) (*Stage, error) {
	platform, err := registrytest.Start()
	if err != nil {
		return nil, err
	}
	s := &Stage{Platform: platform, person: make(chan struct{})}
	ctx, s.end = context.WithCancel(ctx)
	go s.approve(ctx)
	if err := s.set(ctx, agent, opts...); err != nil {
		_ = s.Close() // it can only repeat why
		return nil, err
	}
	return s, nil
}

// set brings the workspaces onto the stage.
func (s *Stage) set(ctx context.Context, agent runtime.Agent, opts ...runtime.Option) (err error) {
	if s.dir, err = os.MkdirTemp("", "example-"); err != nil {
		return err
	}
	s.Row = s.Platform.AddWorkspace(WorkspaceID, registrytest.WithName("example"))
	peer := s.Platform.AddWorkspace(PeerID, registrytest.WithName(PeerName), registrytest.WithParent(WorkspaceID),
		registrytest.WithRole("says everything louder"))
	if err := s.live(ctx, peer, runtime.AgentFunc(shout)); err != nil {
		return err
	}
	return s.live(ctx, s.Row, agent, opts...)
}

// shout is the peer.
func shout(_ context.Context, turn *runtime.Turn, reply *runtime.Reply) error {
	_, err := io.WriteString(reply, strings.ToUpper(turn.Text())+"!")
	return err
}

// live lets an agent live on a loopback port until the stage is closed.
func (s *Stage) live(ctx context.Context, row *registrytest.Workspace, agent runtime.Agent, opts ...runtime.Option) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ws, err := runtime.New(agent, append([]runtime.Option{
		runtime.WithWorkspaceID(row.ID()),
		runtime.WithPlatformURL(s.Platform.URL()),
		runtime.WithConfigDir(dir),
		runtime.WithListener(listener),
		runtime.WithAgentURL(fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)),
		runtime.WithHeartbeatInterval(time.Second),
	}, opts...)...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, failed := context.WithCancelCause(ctx)
	over := make(chan error, 1)
	s.lives = append(s.lives, over)
	go func() {
		err := ws.Run(ctx)
		failed(err) // a set-up that fails: nobody need wait
		over <- err
	}()
	return s.Platform.Await(ctx, func() bool { return row.Status() == "online" && len(row.Heartbeats()) > 0 })
}

// approve is the person: everything is allowed.
func (s *Stage) approve(ctx context.Context) {
	defer close(s.person)
	for {
		err := s.Platform.Await(ctx, func() bool {
			row := s.Platform.Workspace(WorkspaceID)
			return row != nil && pending(row) != ""
		})
		if err != nil {
			return
		}
		row := s.Platform.Workspace(WorkspaceID)
		row.Decide(pending(row), true, "the person of the demo")
	}
}

func pending(row *registrytest.Workspace) string {
	for _, a := range row.Approvals() {
		if a.Status == "pending" {
			return a.ID
		}
	}
	return ""
}

// Say sends text to the example as a user does and returns what it answers.
func (s *Stage) Say(ctx context.Context, text string) (string, error) {
	status, raw, err := s.Platform.Say(ctx, WorkspaceID, text)
	if err != nil {
		return "", err
	}
	type parts []struct{ Text string }
	var answer struct {
		Result struct {
			Status struct {
				State   string
				Message struct{ Parts parts }
			}
			Artifacts []struct{ Parts parts }
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", fmt.Errorf("the platform answered %d: %s", status, raw)
	}
	if answer.Result.Status.State != "completed" {
		var why string
		for _, part := range answer.Result.Status.Message.Parts {
			why += part.Text
		}
		return "", fmt.Errorf("the task is %q: %s", answer.Result.Status.State, why)
	}
	var said strings.Builder
	for _, a := range answer.Result.Artifacts {
		for _, part := range a.Parts {
			said.WriteString(part.Text)
		}
	}
	return said.String(), nil
}

// Close ends everything on the stage and waits for it.
func (s *Stage) Close() error {
	s.end()
	var errs []error
	for _, over := range s.lives {
		errs = append(errs, <-over)
	}
	<-s.person
	s.Platform.Close()
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
