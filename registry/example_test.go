package registry_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/molecule-ai/workspace-runtime-go/registry"
	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

// Work is handed to another workspace once, however often the call is made, and
// shows up in the list when it is done.
func ExampleClient_Delegate() {
	ctx := context.Background()
	platform, client, err := exampleClient()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()

	for range 2 {
		d, err := client.Delegate(ctx, registry.DelegateRequest{TargetID: peerID, Task: "say hello", IdempotencyKey: "call-1"})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("already under way:", d.IdempotentHit)
	}
	// A program would follow Events; a test can wait.
	done := func() bool { return len(platform.Workspace(ownID).Delegations()) == 2 }
	if err := platform.Await(ctx, done); err != nil {
		fmt.Println(err)
		return
	}
	rows, err := client.Delegations(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows[0].Status, rows[0].ResponsePreview)
	// Output:
	// already under way: false
	// already under way: true
	// completed hello
}

// A person's decision comes as an event. Subscribe first, and look once one is
// connected: what happened before is not repeated.
func ExampleClient_Events() {
	ctx := context.Background()
	platform, client, err := exampleClient()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()

	for event, err := range client.Events(ctx) {
		switch {
		case err != nil:
			fmt.Println("the stream is being mended:", err)
		case event.Type == registry.EventConnected:
			approval, err := client.RequestApproval(ctx, registry.RequestApprovalRequest{Action: "deploy"})
			if err != nil {
				fmt.Println(err)
				return
			}
			platform.Workspace(ownID).Decide(approval.ID, true, "eve") // the person
		case event.Type == registry.EventApprovalApproved:
			fmt.Println("approved")
			return
		}
	}
	// Output: approved
}

// exampleClient is a client over a platform with two workspaces.
func exampleClient() (*registrytest.Platform, *registry.Client, error) {
	platform, err := registrytest.Start(registrytest.WithInMemory())
	if err != nil {
		return nil, nil, err
	}
	peer, err := platform.ServeAgent("localhost:8001", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":"1","result":{"kind":"message","parts":[{"kind":"text","text":"hello"}]}}`)
	}))
	if err != nil {
		platform.Close()
		return nil, nil, err
	}
	platform.AddWorkspace(peerID, registrytest.WithURL(peer)).SetStatus("online")
	auth := &bearing{base: platform.Transport()} // in a program: a heartbeat.RoundTripper
	token := platform.AddWorkspace(ownID).IssueToken()
	auth.token.Store(&token)
	client, err := registry.NewClient(platform.URL(), ownID, registry.WithTransport(auth))
	return platform, client, err
}
