package heartbeat_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/heartbeat"
	"github.com/molecule-ai/workspace-runtime-go/platformauth"
	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// Results of delegations wake an agent, each once.
func ExampleInbox() {
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
	if err := tokens.Save(row.IssueToken()); err != nil {
		fmt.Println(err)
		return
	}
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
	done := make(chan struct{})
	inbox, err := heartbeat.NewInbox(heartbeat.InboxConfig{
		Client: client, Path: filepath.Join(dir, ".runtime", "inbox.json"),
		Deliver: func(_ context.Context, d heartbeat.Delivery) error {
			fmt.Println(d.Result.Status+":", d.Result.Response)
			close(done)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- inbox.Run(ctx) }()
	for !inbox.Status().Baseline { // what has ended by now is history
		time.Sleep(time.Millisecond)
	}

	row.AddDelegation(registrytest.Delegation{DelegationID: "d1", Status: "completed", ResponsePreview: "the flight is booked"})
	inbox.Poke()
	<-done
	leave()
	fmt.Println(<-ended)

	// Output:
	// completed: the flight is booked
	// <nil>
}
