package heartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// A workspace that registers, beats while a task runs, and leaves.
func ExampleLoop() {
	platform, err := registrytest.Start() // yours is at PLATFORM_URL
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	row := platform.AddWorkspace("5f0c2a9e-1111-4222-8333-444455556666")
	dir, err := os.MkdirTemp("", "configs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	tokens := platformauth.NewStore(filepath.Join(dir, ".auth_token"))
	transport, err := heartbeat.NewRoundTripper(platform.URL(), tokens)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := registry.NewClient(platform.URL(), row.ID(), registry.WithTransport(transport))
	if err != nil {
		fmt.Println(err)
		return
	}
	state := heartbeat.NewState()
	loop, err := heartbeat.NewLoop(heartbeat.LoopConfig{
		Client: client, Transport: transport, Tokens: tokens, State: state,
		Registration: func() heartbeat.Registration {
			return heartbeat.Registration{URL: "http://localhost:8000", Card: []byte(`{"name":"example"}`)}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	end := state.Begin("reading the mail")
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()

	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := platform.Await(wait, func() bool { return row.LastHeartbeat().ActiveTasks == 1 }); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s: %s\n", row.Status(), row.LastHeartbeat().CurrentTask)
	end()
	leave()
	fmt.Println("ended:", <-ended)
	fmt.Println("tasks in the last heartbeat:", row.LastHeartbeat().ActiveTasks)
	// Output:
	// online: reading the mail
	// ended: <nil>
	// tasks in the last heartbeat: 0
}

// A readiness endpoint reads the snapshot.
func ExampleLoop_Status() {
	ready := func(loop *heartbeat.Loop) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			s := loop.Status()
			switch {
			case s.Alarm != "":
				http.Error(w, s.Alarm, http.StatusServiceUnavailable)
			case !s.Registered && !s.RegisterRefused:
				http.Error(w, "not registered yet", http.StatusServiceUnavailable)
			case !s.TokenAccepted:
				http.Error(w, "token not accepted", http.StatusServiceUnavailable)
			}
		}
	}
	_ = ready
}

func ExampleNewLoop() {
	_, err := heartbeat.NewLoop(heartbeat.LoopConfig{Interval: 5 * time.Minute})
	fmt.Println(err)
	// Output:
	// heartbeat: LoopConfig.Client is missing: make one with registry.NewClient
	// heartbeat: LoopConfig.Tokens is missing: give a platformauth.Store
	// heartbeat: LoopConfig.Registration is missing: give a function that returns the address and the card
	// heartbeat: LoopConfig.Interval 5m0s is not shorter than LivenessTTL 3m0s: the platform would call the workspace dead between two heartbeats; use 1m0s or less
}

func ExampleTrace() {
	trace := &heartbeat.Trace{
		Unauthorized: func(i heartbeat.UnauthorizedInfo) { fmt.Println("401 at", i.Call) },
		Recovered:    func(i heartbeat.RecoveredInfo) { fmt.Println("well again after", i.Outage) },
	}
	_ = heartbeat.LoopConfig{Trace: trace}
	trace.Unauthorized(heartbeat.UnauthorizedInfo{Call: "beat"})
	trace.Recovered(heartbeat.RecoveredInfo{Token: true, Outage: 312 * time.Millisecond})
	// Output:
	// 401 at beat
	// well again after 312ms
}

func ExampleState_Begin() {
	state := heartbeat.NewState()
	endFirst := state.Begin("answering Ann")
	endSecond := state.Begin("answering Bob")
	fmt.Println(state.Heartbeat("id").ActiveTasks, state.Heartbeat("id").CurrentTask)
	endSecond()
	fmt.Println(state.Heartbeat("id").ActiveTasks, state.Heartbeat("id").CurrentTask)
	endFirst()
	fmt.Println(state.Heartbeat("id").ActiveTasks)
	// Output:
	// 2 answering Bob
	// 1 answering Ann
	// 0
}

func ExampleState_Record() {
	state := heartbeat.NewState()
	state.Record(nil)
	state.Record(errors.New("the model is overloaded"))
	beat := state.Heartbeat("id")
	fmt.Println(beat.ErrorRate, beat.SampleError)
	// Output:
	// 0.5 the model is overloaded
}

func ExampleState_Wedge() {
	state := heartbeat.NewState()
	state.Wedge("the agent's login has expired: log in again")
	fmt.Println(state.Heartbeat("id").RuntimeState)
	state.Record(nil) // a turn that went well
	fmt.Printf("%q\n", state.Heartbeat("id").RuntimeState)
	// Output:
	// wedged
	// ""
}
