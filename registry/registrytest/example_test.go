package registrytest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/molecule-ai/workspace-runtime-go/registry/registrytest"
)

func ExampleStart() {
	platform, err := registrytest.Start(registrytest.WithInMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
	fmt.Println(row.Status())

	resp, err := platform.Client().Post(platform.URL()+"/registry/heartbeat", "application/json",
		strings.NewReader(`{"workspace_id":"11111111-2222-4333-8444-555555555555","active_tasks":2}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, row.Status(), row.LastHeartbeat().ActiveTasks)
	// Output:
	// provisioning
	// 200 online 2
}

func ExamplePlatform_ServeAgent() {
	platform, err := registrytest.Start(registrytest.WithInMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	url, err := platform.ServeAgent("agent.test:8000", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, `{"result":"hello"}`)
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555", registrytest.WithURL(url))
	status, answer, err := platform.Say(context.Background(), row.ID(), "hi")
	fmt.Println(status, string(answer), err)
	// Output: 200 {"result":"hello"} <nil>
}

func ExamplePlatform_Fail() {
	platform, err := registrytest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	platform.Fail(registrytest.To(http.MethodGet, "/health"), registrytest.Fault{Status: 503, RetryAfter: 5})
	for range 2 {
		resp, err := platform.Client().Get(platform.URL() + "/health")
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	// Output:
	// 503 5
	// 200
}

func ExampleWorkspace_RotateFile() {
	dir, err := os.MkdirTemp("", "rotation-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	platform, err := registrytest.Start(registrytest.WithInMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
	row.IssueToken()

	path := filepath.Join(dir, ".auth_token")
	rotation := row.RotateFile(registrytest.Rotation{Path: path, Lag: 10 * time.Millisecond, Torn: time.Millisecond})
	fmt.Println("issued:", row.Generation(), "valid:", row.LiveTokens())
	<-rotation.Written
	onDisk, err := os.ReadFile(path)
	fmt.Println("on disk:", string(onDisk) == rotation.Token, err)
	// Output:
	// issued: 2 valid: 1
	// on disk: true <nil>
}

func ExamplePlatform_Await() {
	platform, err := registrytest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()
	row := platform.AddWorkspace("11111111-2222-4333-8444-555555555555")
	go func() {
		_, _, _ = platform.Say(context.Background(), row.ID(), "is anybody there?")
	}()
	err = platform.Await(context.Background(), func() bool {
		answered := platform.RequestsTo(http.MethodPost, "/workspaces/"+row.ID()+"/a2a")
		return len(answered) == 1 && answered[0].Status != 0
	})
	fmt.Println(err, platform.Requests()[0].Status)
	// Output: <nil> 503
}
