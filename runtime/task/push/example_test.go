package push_test

import (
	"fmt"

	"github.com/molecule-ai/workspace-runtime-go/runtime/task/push"
)

func ExampleSender_Check() {
	sender := push.NewSender()
	defer sender.Close()
	fmt.Println(sender.Check("https://example.com/hooks/7"))
	fmt.Println(sender.Check("http://169.254.169.254/latest/meta-data"))
	// Output:
	// <nil>
	// its host is not on the public internet, and this agent is not configured to reach it
}
